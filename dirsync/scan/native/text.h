/* Bytes that grow, of any value.
 *
 * Use         {0} is an empty text. Whoever has one frees its `bytes`.
 * Memory      Where it runs out, nothing has changed, and errno is ENOMEM.
 */
#ifndef DIRSYNC_TEXT_H
#define DIRSYNC_TEXT_H

#include <stddef.h>

struct text {
    char *bytes; /* NULL: none were ever needed */
    size_t length;
    size_t capacity;
};

/* Make room for so many bytes more. Gives 0, or -1. */
int make_room(struct text *text, size_t more);

/* Add bytes. Gives 0, or -1. */
int add_bytes(struct text *text, const void *bytes, size_t length);

#endif

/* See text.h for what this promises. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

int make_room(struct text *text, size_t more)
{
    if (text->capacity - text->length >= more)
        return 0;
    size_t capacity = text->capacity * 2;
    if (capacity < text->length + more)
        capacity = text->length + more;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL)
        return -1;
    text->bytes = bytes;
    text->capacity = capacity;
    return 0;
}

int add_bytes(struct text *text, const void *bytes, size_t length)
{
    if (make_room(text, length) != 0)
        return -1;
    if (length > 0) /* memcpy from NULL is undefined even then */
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return 0;
}

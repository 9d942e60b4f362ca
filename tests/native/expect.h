/* What the C tests have in common: expectations that are counted, and memory that runs out.
 *
 * Included after the sources that are tested, for it counts their allocations: the linker sends
 * them here (--wrap=malloc,--wrap=calloc,--wrap=realloc).
 */
#ifndef DIRSYNC_EXPECT_H
#define DIRSYNC_EXPECT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int problems;

#define EXPECT(condition)                                                  \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            problems++;                                                    \
        }                                                                  \
    } while (0)

/* Memory that runs out once, or from then on: the linker sends calls here (--wrap). */

static long allocations_left = -1; /* before one is refused; -1: none is */
static bool only_once, was_refused;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);

static int runs_out(void)
{
    if (allocations_left < 0)
        return 0;
    if (allocations_left-- > 0)
        return 0;
    was_refused = true;
    allocations_left = only_once ? -1 : 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return runs_out() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *bytes, size_t size)
{
    return runs_out() ? NULL : __real_realloc(bytes, size);
}

#endif

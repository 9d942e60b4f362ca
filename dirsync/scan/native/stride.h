/* Both sides of directories, in step: what is equal is gone through, what differs is told.
 *
 * dirsync/march/step.py decides about one directory of a march; this only takes off its hands
 * the directories in which there is nothing to decide.
 *
 * The claim   That a directory is equal is the only one: both sides were listed to their ends, all
 *             in them was seen, the columns that count are the same bytes, and there is nothing in
 *             it that calls for a closer look (see struct striding). Such a directory is gone
 *             through: its subdirectories are looked at next. Of every other all that can make
 *             a difference is told; whoever gets it decides. One that could not be opened,
 *             read, or seen in full on one side is told without any.
 * Which side  The source is listed before the destination, and its ctime is read before that.
 * Order       A directory before those in it, and those in one by their names.
 * Threads     As in lister.h.
 */
#ifndef DIRSYNC_STRIDE_H
#define DIRSYNC_STRIDE_H

#include "lister.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is the same for all directories of one stride. */
struct striding {
    bool size, mtime, ownership; /* these columns count, besides names, modes and targets */
    bool hard_links;             /* a file that has several names calls for a closer look */
    const char *telling;         /* so do these names, each with NUL behind it, on either side */
    size_t telling_length;
    const char *mark; /* and so does a name of the destination that has this in it */
    bool has_device;  /* only subdirectories of the source on that device are gone to */
    uint64_t device;
    size_t levels;    /* how deep it goes: 1 is the directories that are named alone */
    size_t most_rows; /* no directory is listed any more when those that were have so many rows */
};

/* A directory that is not known to be equal. */
struct differing {
    size_t path_at; /* in the bytes of `paths` */
    size_t path_length;
    bool is_listed;     /* else the rest says nothing */
    int64_t ctime_ns;   /* of the source, before it was listed; as in a listing */
    size_t new_entries; /* of the source: how many there are, telling or not */
    size_t old_entries;
    struct listing new; /* of the source, but for rows that tell nothing: telling_rows.h */
    struct listing old; /* of the destination, likewise */
};

struct stride {
    size_t begun;     /* how many of the named directories were looked at: the first ones */
    size_t entries;   /* on each side, in the directories that are equal */
    size_t rows;      /* on both sides together, in all that were listed */
    struct text left; /* paths of what is still to be looked at, each with NUL behind it */
    struct text paths;
    struct differing *each;
    size_t count;
    size_t capacity;
};

/* Stride through directories that have the same names in an open one on each side, and those in
 * them. Gives 0, or -1 where what was found could not be told, for memory ran out. Either way the
 * stride, {0} before, belongs to the caller, who gives it to free_stride. Paths are relative to the
 * open directories.
 *
 * Cost: a listing, one openat and one close a directory and side, one fstat a directory, and two
 * handles a level. */
int stride_through(const struct striding *asked, int source, int destination, const char *const *names,
                   size_t count, struct stride *stride);

/* Give back all that a stride holds. */
void free_stride(struct stride *stride);

#endif

/* Which directories of a tree are as they were when their digests were put on record.
 *
 * The reference is dirsync/scan/glance.py, which tells the same of every tree.
 *
 * The claim   That a directory is as it was is the only one: it was listed to its end, all in it
 *             was seen, and the digest of that is the one on record. Such a directory is gone
 *             through: its subdirectories are glanced at next. Of every other nothing is said but
 *             where it is: it differs, is on no record, is none (a symlink, say), could not be
 *             opened, read, or seen in full. Whoever looks again finds out which.
 * Digest      As Listing.digest in dirsync/model/listing.py: of the names, the columns from MODE
 *             to GID, INO, the targets, and a salt, one after another. The salt is the caller's,
 *             and the directory's own inode in decimal behind it.
 * Order       A directory before those in it, and those in one by their names.
 * Threads     As in lister.h.
 */
#ifndef DIRSYNC_GLANCE_H
#define DIRSYNC_GLANCE_H

#include "digests.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is the same for all directories of one glance. */
struct glancing {
    const struct digests *digests;
    const void *salt;
    size_t salt_length;
    bool has_device; /* only subdirectories on that device are glanced at, or left */
    uint64_t device;
    size_t levels;    /* how deep it goes: 1 is the directories that are named alone */
    size_t most_rows; /* no directory is listed any more when those that were have so many rows */
};

/* A directory in an open one. */
struct named {
    const char *name; /* ends with NUL */
    uint64_t ino;     /* as its parent was listed */
};

/* Where a directory is. */
struct place {
    size_t path_at; /* in the bytes of `paths` */
    size_t path_length;
    uint64_t ino;
};

struct places {
    struct text paths; /* one behind another */
    struct place *each;
    size_t count;
    size_t capacity;
};

struct glance {
    size_t entries;          /* in the directories that are as they were */
    size_t rows;             /* in all that were listed */
    struct places differing; /* of which it is not so */
    struct places left;      /* not glanced at any more: too deep, or behind the last row */
};

/* Glance at directories in an open one, and at those in them. Gives 0, or -1 where what was found
 * could not be told, for memory ran out. Either way the glance, {0} before, belongs to the caller,
 * who gives it to free_glance.
 *
 * `path` is that of the open directory from the root that the digests are of, with "/" behind it
 * unless it is empty. Cost: a listing and one openat and close a directory, a hash of about 55
 * bytes a row, and a handle a level. */
int glance_at(const struct glancing *asked, int parent, const struct text *path, const struct named *named,
              size_t count, struct glance *glance);

/* Give back all that a glance holds. */
void free_glance(struct glance *glance);

#endif

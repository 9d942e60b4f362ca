/* Whether a directory is as it was when its digest was put on record.
 *
 * The reference is dirsync/scan/lister.py, whose glance says the same of every directory.
 *
 * The claim   That it is as it was is the only one: the directory was listed to its end, all
 *             in it was seen, and the digest of that and the salt is the one on record. Else
 *             it differs, is none (a symlink, say), could not be opened, read, or seen in
 *             full, or memory ran out. Whoever looks again finds out which.
 * Digest      As Listing.digest in dirsync/model/listing.py: of the names, the columns from
 *             MODE to GID, INO, the targets, and the salt, one after another.
 * Order       Subdirectories are in the order of their names, as in a listing.
 * Ownership   A glimpse belongs to the caller, who gives it to free_glimpse, whatever it
 *             says. What is known stays the caller's.
 * Threads     As in lister.h.
 */
#ifndef DIRSYNC_GLANCE_H
#define DIRSYNC_GLANCE_H

#include <stdbool.h>
#include <stddef.h>

/* A directory that was listed before. */
struct known {
    const char *name; /* in the open directory it lies in; ends with NUL */
    const void *salt; /* what else is part of its digest */
    size_t salt_length;
    const unsigned char *digest; /* DIGEST_BYTES; NULL: none is on record, so it is not even opened */
};

struct glimpse {
    bool is_as_it_was;      /* else nothing is told but rows */
    size_t rows;            /* of a directory that was listed and seen in full; 0: of another */
    size_t subdirectories;  /* 0: the pointers below are NULL */
    unsigned char *inodes;  /* u64 a subdirectory, little-endian; begins the block the others lie in */
    unsigned char *devices; /* likewise */
    char *names;            /* joined by NUL */
    size_t names_length;
};

/* Glance at one directory in an open one. Cost: that of list_subdirectory, and a hash of about
 * 55 bytes a row. */
void glance(int parent, const struct known *known, struct glimpse *glimpse);

/* Glance at one after another, until those that were listed have `most_rows` rows together.
 * Gives how many were glanced at: their glimpses are filled, and no others. */
size_t glance_at_each(int parent, const struct known *known, size_t count, size_t most_rows,
                      struct glimpse *glimpses);

/* Give back all that a glimpse holds. */
void free_glimpse(struct glimpse *glimpse);

#endif

/* One directory as one scan saw it, in columns: the fast one of two listers.
 *
 * The other is dirsync/scan/lister.py, the reference. For every directory both give
 * the same bytes; dirsync/model/listing.py says what each column means.
 *
 * Order       Rows are sorted by the bytes of their names, as memcmp sorts them. Row n
 *             of every column is about the n-th name. "." and ".." are no rows.
 * What it is  What a name is, is asked of the name itself (statx, or fstatat where that
 *             does not work), never of d_type, and no symlink is followed. Nothing is
 *             mounted by the asking.
 * Unknown     A name that was seen while what it is was not (it vanished, or may not be
 *             looked at) is neither present nor absent. Then there is no listing at all:
 *             the answer is UNSEEN, and the caller asks the reference, which asks again
 *             and says name by name what is unknown, and why.
 * Errors      A directory that was not read to its end has no listing either. FAILED, and
 *             errno says why: EBADF, ENOTDIR, EIO, ENOMEM (for want of memory in this
 *             process, too). A directory that was removed is empty, as readdir(3) has it.
 * Ownership   After LISTED the listing belongs to the caller, who gives it to
 *             free_listing. After UNSEEN or FAILED there is nothing to free.
 * The handle  Is the caller's. It has to be at the directory's beginning and is there again
 *             afterwards, whatever the answer. Nobody else may read it meanwhile.
 * Threads     No state is kept between calls, and nothing here knows of Python: any number
 *             of threads may list at once, each with a handle of its own; open_directory
 *             only looks a name up in the handle it is given, which threads may share.
 */
#ifndef DIRSYNC_LISTER_H
#define DIRSYNC_LISTER_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* In the order of the fields of a Listing. */
enum column {
    MODE,
    SIZE,
    MTIME_NS,
    CTIME_NS,
    UID,
    GID,
    INO,
    DEV,
    NLINK,
    COLUMNS
};

/* Bytes a row; numbers are little-endian on every machine. */
extern const unsigned char column_width[COLUMNS];

struct listing {
    size_t rows;
    struct text names;               /* joined by NUL */
    struct text targets;             /* the symlinks' only, joined by NUL, in the order of their names */
    unsigned char *columns[COLUMNS]; /* each of rows * column_width bytes; NULL: there is no row */
};

enum answer { LISTED, UNSEEN, FAILED };

/* List the directory behind a handle.
 *
 * Cost: one getdents64 a few hundred entries and one more, one statx an entry, one
 * readlinkat a symlink, one lseek.
 */
enum answer list_directory(int fd, struct listing *listing);

/* Open a directory by its name in an open one; a symlink is none. Gives its handle, or -1 with errno. */
int open_directory(int parent, const char *name);

/* List a directory whose handle nobody reads again, and leave it at its end: one lseek less. */
enum answer list_once(int fd, struct listing *listing);

/* Read when the inode behind a handle was last changed, as a listing tells it. Gives 0, or -1 with errno. */
int ctime_of(int fd, int64_t *ns);

/* Read a number in a column. */
uint64_t number_in(const struct listing *listing, enum column column, size_t row);

/* Give back all that a listing holds; it is {0} then, as one that was never filled may be. */
void free_listing(struct listing *listing);

#endif

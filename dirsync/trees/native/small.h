/* Files, many in one call: small ones copied, written and read; names linked, names given, metadata set.
 * The fast way of two.
 *
 * The other is the reference: dirsync/mirror/files.py for what is made, dirsync/mirror/linking.py for what
 * is linked, dirsync/mirror/dressing.py for what is altered, dirsync/answers/files.py for what is read. Here is done only what is plainly right, in the same order of the same system calls, but
 * for looks at what a directory gives each new file.
 *
 * The claim   That a file is DONE is the only one. Of every other nothing is said, and nothing is there
 *             (but a temporary file that cannot be removed: the next run sweeps it). Whoever asked
 *             does it the other way, which finds out what was the matter, tries again, or says why
 *             it cannot be done.
 * Left alone  What is no regular file, has other names (where they are not asked for), holes,
 *             attributes, or set-id bits; what was changed within the clock's last tick, or while it
 *             was read; and whatever any system call does not do at once.
 * Making      Under a temporary name, for its owner alone: data, owner, mode, times. The source is
 *             looked at again when it was read. Then the name, which must be free, or lead to the very
 *             file that is to be replaced: that is looked at last of all. Nothing is ever made over
 *             anything else, nor through a symlink. Whose a new file is, and whether it has
 *             attributes, is looked at in the first of a call: it depends on the directory alone.
 * The handles Are the caller's, and are only looked up in: threads may share them.
 * Threads     As in ../../scan/native/lister.h.
 */
#ifndef DIRSYNC_SMALL_H
#define DIRSYNC_SMALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum ended { LEFT, DONE };

#define RANDOM_BYTES 8                             /* that make a temporary name */
#define TEMPORARY_BYTES (9 + 2 * RANDOM_BYTES + 4) /* ".dirsync-….tmp" */

/* What is the same for all files of one call. */
struct making {
    bool gives_owner;    /* each belongs to whom its source belongs to; else to whom a new file does */
    bool same_group;     /* a file that would get another group than its source is left */
    bool sets_mtime;     /* each gets its source's mtime; else it has one of its own */
    bool attributes;     /* a file with attributes is left; else nobody asks for any */
    bool sparse;         /* a file with holes is left */
    mode_t bits;         /* the permission bits that are carried over */
    size_t most_bytes;   /* a larger file is left */
    bool places;         /* each gets its name at once; else it stays under its temporary one */
    bool names;          /* a file with other names is made, too, and each file is told of; else it is left */
};

/* What a file was that is to be replaced: numbers, little-endian, without gaps: its mode in 4 bytes (0: the
 * name is free); size, mtime and ctime (nanoseconds since 1970), inode and device in 8. */
#define EXPECTED_BYTES 44

/* One file that is to be made. */
struct made {
    const char *name;              /* where it belongs */
    const unsigned char *expected; /* what it replaces; NULL: its name is free */
    const unsigned char *random; /* RANDOM_BYTES for its temporary name */
    /* Of one whose data arrived from elsewhere; else unused. */
    const unsigned char *data;
    size_t length;
    mode_t mode; /* its kind, too: what is no regular file is left */
    bool is_alone; /* it has one name */
    uid_t uid;
    gid_t gid;
    struct timespec mtime;
    uint64_t source_device, source_inode;
    /* What came of it. */
    enum ended ended;
    size_t bytes; /* that were written */
    uint64_t device, inode; /* without `places`, or with `names` */
};

/* Each of the two goes on for a moment only, so that whoever asked can be told to stop, and gives how
 * many files were tried: the first ones, at least one. */

/* Copy files of the same names from one open directory to another. */
size_t copy_files(const struct making *how, int source, int destination, struct made *files, size_t count);

/* Write files whose data are at hand. */
size_t write_files(const struct making *how, int destination, struct made *files, size_t count);

/* One file that is complete under its temporary name. */
struct placed {
    const char *temporary;
    const char *name; /* where it belongs */
    enum ended ended;
};

/* Give files their names. One that does not get it stays where it is. */
void place_files(int destination, struct placed *files, size_t count);

/* What a name is to be linked to: numbers, little-endian, without gaps, of 8 bytes: device and inode of the
 * file in the source, device and inode of its replica; then 1, and the size and mtime (nanoseconds since
 * 1970) that the replica must have, or 0 and anything. */
#define MODEL_BYTES 49

/* One name that is to lead to a file which has another by now. */
struct link {
    const char *name;           /* where it belongs, and what it is called in the source */
    const char *leading;        /* the name there is */
    const unsigned char *model; /* MODEL_BYTES */
    const unsigned char *random; /* RANDOM_BYTES for its temporary name */
    enum ended ended;
};

/* Link names of one directory to files that have theirs in another, or in the same. Each name must be
 * free; the source must have the same file there still; and what was linked is looked at before it gets
 * its name. */
void link_files(int source, int leading, int destination, struct link *files, size_t count);

/* How metadata are set, of all files of one call. */
struct altering {
    bool sets_mode;
    bool sets_mtime;
    bool attributes; /* what has attributes, here or in the source, is left; else nobody asks for any */
};

/* One file or directory whose metadata are to be set, in its place. */
struct altered {
    const char *name;
    const unsigned char *expected; /* EXPECTED_BYTES: what the file is; NULL: it is a directory, whatever its times */
    const unsigned char *wanted;   /* WANTED_BYTES */
    enum ended ended;              /* LEFT by a call that fails after another did something: some may be set */
};

/* Numbers as above: owner, group and permission bits in 4 bytes, mtime (nanoseconds since 1970) in 8. */
#define WANTED_BYTES 20

/* Set the metadata of what is in an open directory: owner, then mode, then times. `source` is the directory
 * with the same names in the source, and is asked for attributes alone. Goes on for a moment only, as those
 * that make files; gives how many were tried: the first ones, at least one. */
size_t alter_files(const struct altering *how, int source, int destination, struct altered *files, size_t count);

/* One file that is to be read. */
struct read_file {
    const char *name;
    enum ended ended;
    struct stat status; /* when it had been read */
    size_t at;          /* in the bytes of all */
};

/* Read files of an open directory, one behind another into a buffer of `room` bytes, until one might
 * not fit. Gives how many were looked at: the first ones. `most_bytes` is the largest that is read. */
size_t read_files(int fd, struct read_file *files, size_t count, size_t most_bytes, bool attributes,
                  unsigned char *buffer, size_t room);

/* A status as it is sent: the numbers of a Status of dirsync/wire/asks.py, in its order, little-endian,
 * without gaps: mode, uid and gid in 4 bytes, the others in 8. */
#define ROW_BYTES 68

/* Put the status of a file into a row. False: a time is out of range. */
bool put_row(const struct stat *status, unsigned char row[ROW_BYTES]);

/* Take what is needed to make a file from a row. False: its size is below zero. */
bool take_row(const unsigned char row[ROW_BYTES], struct made *file);

#endif

/* See lister.h for what this promises. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS 64

#include "lister.h"

#include "standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const unsigned char column_width[COLUMNS] = {4, 8, 8, 8, 4, 4, 8, 8, 8};

#define BYTES_A_ROW 60 /* of all columns together */
#define NS_A_SECOND 1000000000
#define EARLIEST (-2147483648LL)   /* seconds: what mtimes are counted from, EPOCH_NS in listing.py */
#define FIRST_READ ((size_t)32768) /* holds a few hundred names; grows with the directory */
#define LONGEST_READ ((size_t)1 << 20)
#define LEAST_READ ((size_t)4096)  /* the longest record takes 280 bytes */
#define LEAST_RECORD ((size_t)24)  /* of a name of one byte; the kernel lets none be empty */
#define FEW_ROWS ((size_t)32)     /* sorted fastest by insertion */
#define WORTH_STANDING ((size_t)8) /* names; for fewer, to go there costs more than it saves */
#define TARGET_ROOM ((size_t)4096) /* a target is shorter as a rule: symlink(2) */

/* A record of getdents64(2), as the kernel writes it. */
struct record {
    uint64_t ino;
    int64_t offset;
    uint16_t length; /* of the whole record, a multiple of 8 */
    uint8_t kind;    /* not to be trusted: some file systems do not say */
    char name[];     /* ends with NUL */
};

/* One name on its way into order. */
struct row {
    uint64_t key; /* 8 bytes of the name as a number: most comparisons end here */
    const char *name;
};

struct moment {
    int64_t seconds;
    int64_t nanoseconds; /* from 0 to NS_A_SECOND - 1 */
};

/* What one name is. */
struct seen {
    uint32_t mode, uid, gid;
    int64_t size;
    uint64_t ino, dev, nlink;
    struct moment mtime, ctime;
};

/* Add a name to others, with NUL between them; there is room for it. */
static void join(struct text *text, const char *name, int first)
{
    if (!first)
        text->bytes[text->length++] = '\0';
    size_t length = strlen(name);
    memcpy(text->bytes + text->length, name, length);
    text->length += length;
}

/* Reading names */

/* Read the records of a whole directory, end to end. Gives 0, or -1 with errno. */
static int read_records(int fd, struct text *records)
{
    if (make_room(records, FIRST_READ) != 0)
        return -1;
    for (;;) {
        if (make_room(records, LEAST_READ) != 0)
            return -1;
        size_t room = records->capacity - records->length;
        if (room > LONGEST_READ)
            room = LONGEST_READ;
        long got = syscall(SYS_getdents64, fd, records->bytes + records->length, room);
        if (got == 0 || (got < 0 && errno == ENOENT)) /* ENOENT: the directory was removed */
            return 0;
        if (got < 0)
            return -1;
        records->length += (size_t)got;
    }
}

static int is_no_row(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Put the names of all records into rows, unsorted. Gives their number. */
static size_t gather(const struct text *records, struct row *rows)
{
    size_t count = 0;
    size_t at = 0;
    while (at < records->length) {
        const struct record *record = (const void *)(records->bytes + at);
        if (!is_no_row(record->name))
            rows[count++].name = record->name;
        at += record->length;
    }
    return count;
}

/* Sorting */

/* Count the bytes with which all names begin. */
static size_t shared_beginning(const struct row *rows, size_t count)
{
    size_t shared = strlen(rows[0].name);
    for (size_t row = 1; row < count && shared > 0; row++) {
        size_t at = 0;
        while (at < shared && rows[row].name[at] == rows[0].name[at])
            at++;
        shared = at;
    }
    return shared;
}

static uint64_t key_of(const char *rest)
{
    uint64_t number = 0;
    int left = 8;
    for (; left > 0 && *rest != '\0'; left--)
        number = number << 8 | (unsigned char)*rest++;
    return left == 8 ? 0 : number << (8 * left);
}

static int by_bytes(const void *one, const void *other)
{
    const struct row *a = one, *b = other;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return strcmp(a->name, b->name); /* compares as unsigned char */
}

static void insert_each(struct row *rows, size_t count)
{
    for (size_t next = 1; next < count; next++) {
        struct row row = rows[next];
        size_t at = next;
        for (; at > 0 && by_bytes(&rows[at - 1], &row) > 0; at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* Sort rows by the bytes of their names. Names of one directory often begin alike, so the keys are
 * of what follows. */
static void sort(struct row *rows, size_t count)
{
    size_t shared = shared_beginning(rows, count);
    for (size_t row = 0; row < count; row++)
        rows[row].key = key_of(rows[row].name + shared);
    if (count <= FEW_ROWS)
        insert_each(rows, count);
    else
        qsort(rows, count, sizeof *rows, by_bytes);
}

/* Looking at what a name is */

static int ask_fstatat(int fd, const char *name, struct seen *seen)
{
    struct stat status;
    if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    *seen = (struct seen){
        .mode = status.st_mode,
        .uid = status.st_uid,
        .gid = status.st_gid,
        .size = status.st_size,
        .ino = status.st_ino,
        .dev = status.st_dev,
        .nlink = status.st_nlink,
        .mtime = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
        .ctime = {status.st_ctim.tv_sec, status.st_ctim.tv_nsec},
    };
    return 0;
}

/* Ask statx, and where it fails fstatat, whose word counts: an old kernel has no statx,
 * and some sandboxes refuse it. Gives 0, or -1 with errno.
 *
 * Not with AT_STATX_DONT_SYNC: a network file system then answers from its cache, however
 * old, and a change made elsewhere is never seen (docs/decisions/native-lister.md). Where
 * nothing has to be fetched the flag changes nothing. */
static int look_at(int fd, const char *name, struct seen *seen)
{
#if defined(STATX_BASIC_STATS) && !defined(DIRSYNC_WITHOUT_STATX)
    struct statx status;
    /* fstatat mounts nothing either; statx has to be told so. */
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (statx(fd, name, flags, STATX_BASIC_STATS, &status) == 0) {
        *seen = (struct seen){
            .mode = status.stx_mode,
            .uid = status.stx_uid,
            .gid = status.stx_gid,
            .size = (int64_t)status.stx_size,
            .ino = status.stx_ino,
            .dev = makedev(status.stx_dev_major, status.stx_dev_minor),
            .nlink = status.stx_nlink,
            .mtime = {status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec},
            .ctime = {status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec},
        };
        return 0;
    }
#endif
    return ask_fstatat(fd, name, seen);
}

/* Add the target of a symlink to others. Gives LISTED, or why not. */
static enum answer add_target(int fd, const char *name, struct text *targets, int first)
{
    size_t room = TARGET_ROOM;
    for (;;) {
        if (make_room(targets, room + 1) != 0)
            return FAILED;
        char *target = targets->bytes + targets->length + !first;
        room = targets->capacity - targets->length - !first;
        ssize_t length = readlinkat(fd, name, target, room);
        if (length < 0)
            return UNSEEN;
        if ((size_t)length < room) {
            if (!first)
                target[-1] = '\0';
            targets->length += (size_t)length + !first;
            return LISTED;
        }
        room *= 2; /* it may have been cut */
    }
}

/* Filling columns */

static void put(unsigned char *to, uint64_t number, int width)
{
    for (int byte = 0; byte < width; byte++)
        to[byte] = (unsigned char)(number >> (8 * byte));
}

/* Nanoseconds since EARLIEST; a time beyond what these tell becomes the nearest they do. */
static uint64_t mtime_ns(struct moment at)
{
    uint64_t ns;
    if (at.seconds < EARLIEST)
        return 0;
    if (__builtin_mul_overflow((uint64_t)at.seconds - (uint64_t)EARLIEST, (uint64_t)NS_A_SECOND, &ns) ||
        __builtin_add_overflow(ns, (uint64_t)at.nanoseconds, &ns))
        return UINT64_MAX;
    return ns;
}

/* Nanoseconds since 1970; likewise. */
static int64_t ctime_ns(struct moment at)
{
    if (at.seconds < 0 && at.nanoseconds > 0) { /* of one sign, so that each step overflows only if the sum does */
        at.seconds++;
        at.nanoseconds -= NS_A_SECOND;
    }
    int64_t ns;
    if (__builtin_mul_overflow(at.seconds, (int64_t)NS_A_SECOND, &ns) ||
        __builtin_add_overflow(ns, at.nanoseconds, &ns))
        return at.seconds < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static void fill_row(struct listing *listing, size_t row, const struct seen *seen)
{
    unsigned char **to = listing->columns;
    int64_t size = S_ISDIR(seen->mode) ? 0 : seen->size;
    put(to[MODE] + 4 * row, seen->mode, 4);
    put(to[SIZE] + 8 * row, (uint64_t)size, 8);
    put(to[MTIME_NS] + 8 * row, mtime_ns(seen->mtime), 8);
    put(to[CTIME_NS] + 8 * row, (uint64_t)ctime_ns(seen->ctime), 8);
    put(to[UID] + 4 * row, seen->uid, 4);
    put(to[GID] + 4 * row, seen->gid, 4);
    put(to[INO] + 8 * row, seen->ino, 8);
    put(to[DEV] + 8 * row, seen->dev, 8);
    put(to[NLINK] + 8 * row, seen->nlink, 8);
}

/* Lay all columns out in one block, which the first of them begins. */
static int make_columns(struct listing *listing, size_t rows)
{
    unsigned char *block = malloc(rows * BYTES_A_ROW);
    if (block == NULL)
        return -1;
    for (int column = 0; column < COLUMNS; column++) {
        listing->columns[column] = block;
        block += rows * column_width[column];
    }
    listing->rows = rows;
    return 0;
}

/* Look at each name from `fd`, which may be AT_FDCWD. */
static enum answer fill(int fd, const struct row *rows, size_t count, struct listing *listing)
{
    int links = 0;
    for (size_t row = 0; row < count; row++) {
        struct seen seen;
        const char *name = rows[row].name;
        if (look_at(fd, name, &seen) != 0)
            return UNSEEN;
        fill_row(listing, row, &seen);
        join(&listing->names, name, row == 0);
        if (!S_ISLNK(seen.mode))
            continue;
        enum answer answer = add_target(fd, name, &listing->targets, links++ == 0);
        if (answer != LISTED)
            return answer;
    }
    return LISTED;
}

/* The whole */

static enum answer list_records(int fd, const struct text *records, struct listing *listing)
{
    size_t most = records->length / LEAST_RECORD;
    if (most == 0) /* not even "." and "..": it was removed */
        return LISTED;
    struct row *rows = malloc(most * sizeof *rows);
    if (rows == NULL)
        return FAILED;
    enum answer answer = LISTED;
    size_t count = gather(records, rows);
    if (count > 0) {
        sort(rows, count);
        if (make_columns(listing, count) != 0 || make_room(&listing->names, records->length) != 0)
            answer = FAILED;
        else
            answer = fill(count < WORTH_STANDING ? fd : stand_in(fd), rows, count, listing);
    }
    free(rows);
    return answer;
}

enum answer list_once(int fd, struct listing *listing)
{
    struct text records = {0};
    *listing = (struct listing){0};
    enum answer answer = FAILED;
    if (read_records(fd, &records) == 0)
        answer = list_records(fd, &records, listing);
    int error = errno; /* of what failed, which what follows must not hide */
    free(records.bytes);
    if (answer != LISTED)
        free_listing(listing);
    errno = error;
    return answer;
}

enum answer list_directory(int fd, struct listing *listing)
{
    enum answer answer = list_once(fd, listing);
    int error = errno;
    (void)lseek(fd, 0, SEEK_SET); /* it fails where reading failed, which is told */
    errno = error;
    return answer;
}

int open_directory(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int ctime_of(int fd, int64_t *ns)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    *ns = ctime_ns((struct moment){status.st_ctim.tv_sec, status.st_ctim.tv_nsec});
    return 0;
}

uint64_t number_in(const struct listing *listing, enum column column, size_t row)
{
    const unsigned char *bytes = listing->columns[column] + row * column_width[column];
    uint64_t number = 0;
    for (int byte = column_width[column]; byte-- > 0;)
        number = number << 8 | bytes[byte];
    return number;
}

void free_listing(struct listing *listing)
{
    free(listing->names.bytes);
    free(listing->targets.bytes);
    free(listing->columns[MODE]);
    *listing = (struct listing){0};
}

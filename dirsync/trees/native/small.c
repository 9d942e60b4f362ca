/* See small.h for what this promises. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "small.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define READING (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define CREATING (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
#define TICK_NS 10000000LL /* dirsync/trees/hashing.py */
#define NS_A_SECOND 1000000000LL
#define A_MOMENT_NS 100000000LL
#define BLOCK 512         /* what st_blocks counts in */
#define HOLE_FROM 4096    /* zeros from so many bytes on become a hole: dirsync/trees/far/writing.py */
#define ATTRIBUTES_ROOM 1024
#define PATH_ROOM 320 /* of a name in an open directory */
#define ALL_BITS 07777 /* of permissions */
#define NO_REPLACE 1 /* RENAME_NOREPLACE */

/* Numbers */

static uint64_t taken_number(const unsigned char *from, int bytes)
{
    uint64_t number = 0;
    for (int byte = 0; byte < bytes; byte++)
        number |= (uint64_t)from[byte] << 8 * byte;
    return number;
}

static struct timespec moment_of(int64_t ns)
{
    int64_t seconds = ns / NS_A_SECOND, rest = ns % NS_A_SECOND;
    if (rest < 0) { /* before 1970 */
        rest += NS_A_SECOND;
        seconds--;
    }
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

static bool in_ns(struct timespec moment, int64_t *ns)
{
    return !__builtin_mul_overflow((int64_t)moment.tv_sec, NS_A_SECOND, ns) &&
           !__builtin_add_overflow(*ns, (int64_t)moment.tv_nsec, ns);
}

/* Looking */

/* Whether a file was changed so lately that another change might leave the same ctime. */
static bool is_young(const struct stat *status)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return true;
    long long seconds = (long long)now.tv_sec - (long long)status->st_ctim.tv_sec;
    if (seconds < -1 || seconds > 1)
        return false;
    long long ns = seconds * NS_A_SECOND + now.tv_nsec - status->st_ctim.tv_nsec;
    return -TICK_NS < ns && ns < TICK_NS;
}

static bool is_same_moment(struct timespec one, struct timespec other)
{
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static bool is_unchanged(const struct stat *before, const struct stat *after)
{
    return before->st_size == after->st_size && before->st_ino == after->st_ino &&
           is_same_moment(before->st_mtim, after->st_mtim) && is_same_moment(before->st_ctim, after->st_ctim);
}

/* Whether a list of attributes has any, but for those that the kernel makes: dirsync/model/attributes.py. It
 * may be there are some where there is no list: `length` is below zero. */
static bool has_some(const char *names, ssize_t length)
{
    if (length < 0)
        return errno != EOPNOTSUPP && errno != ENOSYS;
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (strcmp(name, "security.selinux") != 0 && strcmp(name, "security.evm") != 0)
            return true;
    }
    return false;
}

static bool has_attributes(int fd)
{
    char names[ATTRIBUTES_ROOM];
    ssize_t length = flistxattr(fd, names, sizeof names);
    return has_some(names, length);
}

/* The same of a name in an open directory, which is not opened, nor followed: proc_pid_fd(5). */
static bool has_attributes_at(int directory, const char *name)
{
    char path[PATH_ROOM], names[ATTRIBUTES_ROOM];
    int written = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
    if (written < 0 || (size_t)written >= sizeof path)
        return true;
    ssize_t length = llistxattr(path, names, sizeof names);
    return has_some(names, length);
}

/* Read a file of a length from its beginning. One byte more is asked for, which shows that it grew. */
static bool read_whole(int fd, unsigned char *buffer, size_t length)
{
    size_t have = 0;
    do {
        ssize_t got = pread(fd, buffer + have, length + 1 - have, (off_t)have);
        if (got < 0 || (got == 0 && have < length))
            return false;
        have += (size_t)got;
    } while (have < length);
    return have == length;
}

/* Open a file that may be read here, and look at it. Gives its handle, or -1. */
static int opened(int directory, const char *name, size_t most_bytes, bool attributes, struct stat *status)
{
    int fd = openat(directory, name, READING);
    if (fd < 0)
        return -1;
    if (fstat(fd, status) == 0 && S_ISREG(status->st_mode) && status->st_size >= 0 &&
        (size_t)status->st_size <= most_bytes && !is_young(status) && !(attributes && has_attributes(fd)))
        return fd;
    (void)close(fd);
    return -1;
}

/* Making */

static void name_temporary(const unsigned char *random, char temporary[TEMPORARY_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *to = temporary;
    memcpy(to, ".dirsync-", 9);
    to += 9;
    for (int byte = 0; byte < RANDOM_BYTES; byte++) {
        *to++ = digits[random[byte] >> 4];
        *to++ = digits[random[byte] & 15];
    }
    memcpy(to, ".tmp", 5);
}

static bool write_whole(int fd, const unsigned char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written <= 0)
            return false;
        data += written;
        length -= (size_t)written;
    }
    return true;
}

/* What a file is like in one directory while it is new. */
struct newborn {
    bool is_known;
    bool has_attributes; /* of its own: the directory has a default ACL, say */
    uid_t uid;
    gid_t gid;
};

/* Look at a new file, if that must be; what is like every other is looked at in one of a call. */
static bool looked_at(const struct making *how, int fd, struct newborn *newborn, struct made *file)
{
    if (newborn->is_known && how->places && !how->names)
        return true;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    if (!newborn->is_known) {
        newborn->uid = status.st_uid;
        newborn->gid = status.st_gid;
        newborn->has_attributes = how->attributes && has_attributes(fd);
        newborn->is_known = true;
    }
    return true;
}

/* Set the owner, then the mode (a change of owner clears set-id bits), then times. */
static bool dress(const struct making *how, int fd, struct newborn *newborn, struct made *file)
{
    if (!looked_at(how, fd, newborn, file) || newborn->has_attributes)
        return false;
    if (how->gives_owner) {
        if ((file->uid != newborn->uid || file->gid != newborn->gid) && fchown(fd, file->uid, file->gid) != 0)
            return false;
    } else if (how->same_group && file->gid != newborn->gid) {
        return false;
    }
    if (fchmod(fd, file->mode & how->bits) != 0)
        return false;
    struct timespec times[] = {{.tv_nsec = UTIME_NOW}, file->mtime};
    return !how->sets_mtime || futimens(fd, times) == 0;
}

static bool may_be_made(const struct making *how, const struct made *file)
{
    return S_ISREG(file->mode) && (file->is_alone || how->names) && file->length <= how->most_bytes &&
           (file->mode & (S_ISUID | S_ISGID)) == 0;
}

static int rename_to_free_name(int directory, const char *from, const char *to)
{
    return (int)syscall(SYS_renameat2, directory, from, directory, to, NO_REPLACE);
}

/* Whether a file is what is expected, to the last number. */
static bool is_expected(const struct stat *now, const unsigned char *expected)
{
    int64_t mtime_ns, ctime_ns;
    return in_ns(now->st_mtim, &mtime_ns) && in_ns(now->st_ctim, &ctime_ns) &&
           now->st_mode == taken_number(expected, 4) && S_ISREG(now->st_mode) &&
           (uint64_t)now->st_size == taken_number(expected + 4, 8) &&
           (uint64_t)mtime_ns == taken_number(expected + 12, 8) &&
           (uint64_t)ctime_ns == taken_number(expected + 20, 8) && now->st_ino == taken_number(expected + 28, 8) &&
           now->st_dev == taken_number(expected + 36, 8);
}

static bool gets_its_name(int directory, const char *temporary, const struct made *file)
{
    if (file->expected == NULL)
        return rename_to_free_name(directory, temporary, file->name) == 0;
    struct stat now;
    return fstatat(directory, file->name, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_expected(&now, file->expected) &&
           renameat(directory, temporary, directory, file->name) == 0;
}

/* Make a file of its data. `source` is what they were read from when it was as `before`; -1: nothing. */
static bool is_made(const struct making *how, int destination, struct newborn *newborn, struct made *file, int source,
                    const struct stat *before)
{
    char temporary[TEMPORARY_BYTES + 1];
    name_temporary(file->random, temporary);
    int copy = openat(destination, temporary, CREATING, 0600);
    if (copy < 0)
        return false;
    struct stat after;
    bool good = write_whole(copy, file->data, file->length) && dress(how, copy, newborn, file) &&
                (source < 0 || (fstat(source, &after) == 0 && is_unchanged(before, &after)));
    if (close(copy) != 0) /* some file systems tell only now what they could not write */
        good = false;
    if (good && (!how->places || gets_its_name(destination, temporary, file))) {
        file->bytes = file->length;
        return true;
    }
    (void)unlinkat(destination, temporary, 0);
    return false;
}

static bool is_copied(const struct making *how, int source, int destination, struct newborn *newborn,
                      struct made *file, unsigned char *buffer)
{
    struct stat before;
    int fd = opened(source, file->name, how->most_bytes, how->attributes, &before);
    if (fd < 0)
        return false;
    file->data = buffer;
    file->length = (size_t)before.st_size;
    file->mode = before.st_mode;
    file->is_alone = before.st_nlink == 1;
    file->source_device = before.st_dev;
    file->source_inode = before.st_ino;
    file->uid = before.st_uid;
    file->gid = before.st_gid;
    file->mtime = before.st_mtim;
    bool has_holes = how->sparse && before.st_blocks * BLOCK < before.st_size;
    bool good = !has_holes && may_be_made(how, file) && read_whole(fd, buffer, file->length) &&
                is_made(how, destination, newborn, file, fd, &before);
    (void)close(fd);
    file->data = NULL; /* the buffer is another file's next */
    return good;
}

static long long now_ns(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) != 0 ? LLONG_MAX : now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

size_t copy_files(const struct making *how, int source, int destination, struct made *files, size_t count)
{
    unsigned char *buffer = malloc(how->most_bytes + 1);
    struct newborn newborn = {.is_known = false};
    long long began_at = now_ns();
    size_t at = 0;
    while (at < count) {
        struct made *file = &files[at++];
        file->ended = buffer != NULL && is_copied(how, source, destination, &newborn, file, buffer) ? DONE : LEFT;
        if (now_ns() - began_at > A_MOMENT_NS)
            break;
    }
    free(buffer);
    return at;
}

/* Whether data are nothing but zeros, and so many that they should be a hole. */
static bool is_hole(const unsigned char *data, size_t length)
{
    return length >= HOLE_FROM && data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

size_t write_files(const struct making *how, int destination, struct made *files, size_t count)
{
    struct newborn newborn = {.is_known = false};
    long long began_at = now_ns();
    size_t at = 0;
    while (at < count) {
        struct made *file = &files[at++];
        bool good = may_be_made(how, file) && !(how->sparse && is_hole(file->data, file->length));
        file->ended = good && is_made(how, destination, &newborn, file, -1, NULL) ? DONE : LEFT;
        if (now_ns() - began_at > A_MOMENT_NS)
            break;
    }
    return at;
}

void place_files(int destination, struct placed *files, size_t count)
{
    for (size_t at = 0; at < count; at++)
        files[at].ended = rename_to_free_name(destination, files[at].temporary, files[at].name) == 0 ? DONE : LEFT;
}

/* Linking */

static bool is_object(const struct stat *status, const unsigned char *identity)
{
    return status->st_dev == taken_number(identity, 8) && status->st_ino == taken_number(identity + 8, 8);
}

static bool is_as_modelled(const struct stat *status, const unsigned char *model)
{
    int64_t ns;
    if (!is_object(status, model + 16))
        return false;
    return model[32] == 0 || ((uint64_t)status->st_size == taken_number(model + 33, 8) &&
                              in_ns(status->st_mtim, &ns) && (uint64_t)ns == taken_number(model + 41, 8));
}

static bool is_linked(int source, int leading, int destination, const struct link *file)
{
    struct stat now;
    if (fstatat(source, file->name, &now, AT_SYMLINK_NOFOLLOW) != 0 || !is_object(&now, file->model))
        return false;
    char temporary[TEMPORARY_BYTES + 1];
    name_temporary(file->random, temporary);
    if (linkat(leading, file->leading, destination, temporary, 0) != 0)
        return false;
    if (fstatat(destination, temporary, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_as_modelled(&now, file->model) &&
        rename_to_free_name(destination, temporary, file->name) == 0)
        return true;
    (void)unlinkat(destination, temporary, 0);
    return false;
}

void link_files(int source, int leading, int destination, struct link *files, size_t count)
{
    for (size_t at = 0; at < count; at++)
        files[at].ended = is_linked(source, leading, destination, &files[at]) ? DONE : LEFT;
}

/* Altering */

/* Set the metadata of an open file or directory that is as it should be. False: a call failed. */
static bool is_set(const struct altering *how, int fd, const struct stat *now, const unsigned char *wanted)
{
    uid_t uid = (uid_t)taken_number(wanted, 4);
    gid_t gid = (gid_t)taken_number(wanted + 4, 4);
    mode_t mode = (mode_t)taken_number(wanted + 8, 4);
    bool changes_owner = uid != now->st_uid || gid != now->st_gid;
    if (changes_owner && fchown(fd, uid, gid) != 0)
        return false;
    if (how->sets_mode && (changes_owner || mode != (now->st_mode & ALL_BITS)) && fchmod(fd, mode) != 0)
        return false;
    struct timespec times[] = {{.tv_nsec = UTIME_NOW}, moment_of((int64_t)taken_number(wanted + 12, 8))};
    return !how->sets_mtime || futimens(fd, times) == 0;
}

static bool is_what_it_was(const struct stat *now, const unsigned char *expected)
{
    return expected == NULL ? S_ISDIR(now->st_mode) : is_expected(now, expected);
}

static bool is_altered(const struct altering *how, int source, int destination, const struct altered *file)
{
    if (how->attributes && has_attributes_at(source, file->name))
        return false;
    int fd = openat(destination, file->name, READING);
    if (fd < 0)
        return false;
    struct stat now;
    bool good = fstat(fd, &now) == 0 && is_what_it_was(&now, file->expected) &&
                !(how->attributes && has_attributes(fd)) && is_set(how, fd, &now, file->wanted);
    (void)close(fd);
    return good;
}

size_t alter_files(const struct altering *how, int source, int destination, struct altered *files, size_t count)
{
    long long began_at = now_ns();
    size_t at = 0;
    while (at < count) {
        struct altered *file = &files[at++];
        file->ended = is_altered(how, source, destination, file) ? DONE : LEFT;
        if (now_ns() - began_at > A_MOMENT_NS)
            break;
    }
    return at;
}

/* Reading */

static bool is_read(int directory, struct read_file *file, size_t most_bytes, bool attributes,
                    unsigned char *buffer)
{
    struct stat before;
    int fd = opened(directory, file->name, most_bytes, attributes, &before);
    if (fd < 0)
        return false;
    bool good = read_whole(fd, buffer, (size_t)before.st_size) && fstat(fd, &file->status) == 0 &&
                is_unchanged(&before, &file->status);
    (void)close(fd);
    return good;
}

size_t read_files(int fd, struct read_file *files, size_t count, size_t most_bytes, bool attributes,
                  unsigned char *buffer, size_t room)
{
    size_t used = 0, at = 0;
    for (; at < count && room - used > most_bytes; at++) {
        struct read_file *file = &files[at];
        file->at = used;
        file->ended = is_read(fd, file, most_bytes, attributes, buffer + used) ? DONE : LEFT;
        if (file->ended == DONE)
            used += (size_t)file->status.st_size;
    }
    return at;
}

/* Rows */

static unsigned char *put_number(unsigned char *to, uint64_t number, int bytes)
{
    for (int byte = 0; byte < bytes; byte++)
        *to++ = (unsigned char)(number >> 8 * byte);
    return to;
}

bool put_row(const struct stat *status, unsigned char row[ROW_BYTES])
{
    int64_t mtime_ns, ctime_ns;
    if (!in_ns(status->st_mtim, &mtime_ns) || !in_ns(status->st_ctim, &ctime_ns))
        return false;
    row = put_number(row, status->st_mode, 4);
    row = put_number(row, (uint64_t)status->st_size, 8);
    row = put_number(row, (uint64_t)mtime_ns, 8);
    row = put_number(row, (uint64_t)ctime_ns, 8);
    row = put_number(row, status->st_uid, 4);
    row = put_number(row, status->st_gid, 4);
    row = put_number(row, status->st_ino, 8);
    row = put_number(row, status->st_dev, 8);
    row = put_number(row, status->st_nlink, 8);
    (void)put_number(row, (uint64_t)status->st_blocks, 8);
    return true;
}

bool take_row(const unsigned char row[ROW_BYTES], struct made *file)
{
    int64_t size = (int64_t)taken_number(row + 4, 8);
    file->mode = (mode_t)taken_number(row, 4);
    file->length = (size_t)size;
    file->mtime = moment_of((int64_t)taken_number(row + 12, 8));
    file->uid = (uid_t)taken_number(row + 28, 4);
    file->gid = (gid_t)taken_number(row + 32, 4);
    file->source_inode = taken_number(row + 36, 8);
    file->source_device = taken_number(row + 44, 8);
    file->is_alone = taken_number(row + 52, 8) == 1;
    return size >= 0;
}

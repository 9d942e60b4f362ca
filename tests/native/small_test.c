/* Small files in C alone, for the sanitizers: every path through them, a system call that fails at every
 * point, and files that change meanwhile.
 *
 * Usage: small_test FOLDER, an empty directory. Prints what it did; 1: something is wrong,
 * and it says what. Built and run by tests/faults/test_small_files_in_c.py.
 */
#include "../../dirsync/trees/native/small.c" /* what is static there is tested, too */

#include "expect.h"

#include <dirent.h>
#include <stdarg.h>

/* System calls that fail: the linker sends them here (--wrap). */

/* Volatile, for the compiler knows some system calls as functions that touch nothing of this file. */
static volatile long calls_left = -1; /* before one fails; -1: none does */
static volatile bool has_failed;
static void (*after_read)(void); /* called when a file was read; NULL: nothing is */

static bool fails(void)
{
    long left = calls_left;
    if (left >= 0)
        calls_left = left - 1;
    if (left != 0)
        return false;
    has_failed = true;
    errno = EIO;
    return true;
}

#define WRAPPED(type, name, parameters, arguments) \
    type __real_##name parameters;                 \
    type __wrap_##name parameters;                 \
    type __wrap_##name parameters                  \
    {                                              \
        return fails() ? -1 : __real_##name arguments; \
    }

WRAPPED(int, fstat, (int fd, struct stat *status), (fd, status))
WRAPPED(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAPPED(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAPPED(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAPPED(ssize_t, write, (int fd, const void *bytes, size_t length), (fd, bytes, length))
WRAPPED(ssize_t, flistxattr, (int fd, char *names, size_t size), (fd, names, size))
WRAPPED(ssize_t, llistxattr, (const char *path, char *names, size_t size), (path, names, size))
WRAPPED(int, fstatat, (int fd, const char *name, struct stat *status, int flags), (fd, name, status, flags))
WRAPPED(int, linkat, (int from, const char *old, int to, const char *new, int flags), (from, old, to, new, flags))
WRAPPED(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAPPED(int, clock_gettime, (clockid_t clock, struct timespec *now), (clock, now))

ssize_t __real_pread(int, void *, size_t, off_t);
ssize_t __wrap_pread(int, void *, size_t, off_t);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset)
{
    ssize_t got = fails() ? -1 : __real_pread(fd, bytes, length, offset);
    if (after_read != NULL)
        after_read();
    return got;
}

int __real_openat(int, const char *, int, ...);
int __wrap_openat(int, const char *, int, ...);
int __wrap_openat(int directory, const char *name, int flags, ...)
{
    return fails() ? -1 : __real_openat(directory, name, flags, 0600);
}

long __real_syscall(long, ...);
long __wrap_syscall(long, ...);
long __wrap_syscall(long number, ...)
{
    va_list given;
    va_start(given, number);
    int from = va_arg(given, int);
    const char *old = va_arg(given, const char *);
    int to = va_arg(given, int);
    const char *new = va_arg(given, const char *);
    int flags = va_arg(given, int);
    va_end(given);
    return fails() ? -1 : __real_syscall(number, from, old, to, new, flags);
}

int __real_close(int);
int __wrap_close(int);
int __wrap_close(int fd) /* which is closed, whatever it says */
{
    int answer = __real_close(fd);
    return fails() ? -1 : answer;
}

/* Trees */

static int source, destination;

static const struct timespec LONG_AGO[2] = {{1500000000, 1}, {1500000000, 7}};

static void make_file(int parent, const char *name, const char *data, mode_t mode)
{
    int fd = __real_openat(parent, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    EXPECT(fd >= 0 && write(fd, data, strlen(data)) == (ssize_t)strlen(data));
    EXPECT(fchmod(fd, mode) == 0 && futimens(fd, LONG_AGO) == 0);
    __real_close(fd);
}

static void let_the_tick_pass(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
}

static int entries_of(int directory)
{
    int count = 0;
    DIR *stream = fdopendir(__real_openat(directory, ".", O_RDONLY | O_DIRECTORY));
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count - 2;
}

static int open_handles(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static bool holds(int directory, const char *name, const char *data, mode_t mode)
{
    char found[64];
    struct stat status;
    int fd = __real_openat(directory, name, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t length = __real_pread(fd, found, sizeof found, 0);
    bool same = length == (ssize_t)strlen(data) && memcmp(found, data, (size_t)length) == 0 &&
                fstat(fd, &status) == 0 && (status.st_mode & 07777) == mode &&
                is_same_moment(status.st_mtim, LONG_AGO[1]);
    __real_close(fd);
    return same;
}

static const struct making USUAL = {
    .gives_owner = true, .sets_mtime = true, .attributes = true, .sparse = true, .bits = 07777, .most_bytes = 100,
    .places = true};

static const unsigned char RANDOM[] = "abcdefghijklmnopqrstuvwx";

static struct made named(const char *name)
{
    return (struct made){.name = name, .random = RANDOM};
}

static struct made arrived(const char *name)
{
    return (struct made){.name = name, .random = RANDOM, .data = (const unsigned char *)"12345", .length = 5,
                         .mode = S_IFREG | 0640, .is_alone = true, .uid = getuid(), .gid = getgid(), .mtime = LONG_AGO[1]};
}

static bool copies(const struct making *how, const char *name)
{
    struct made file = named(name);
    EXPECT(copy_files(how, source, destination, &file, 1) == 1);
    return file.ended == DONE;
}

static bool writes(const struct making *how, struct made file)
{
    EXPECT(write_files(how, destination, &file, 1) == 1);
    return file.ended == DONE;
}

static void clear(void)
{
    (void)unlinkat(destination, "plain", 0);
    (void)unlinkat(destination, ".dirsync-6162636465666768.tmp", 0);
    EXPECT(entries_of(destination) == 0);
}

/* What is expected of a name, as `expected` of a file has it. */
static void expect_there(const char *name, unsigned char expected[EXPECTED_BYTES])
{
    struct stat status;
    int64_t mtime_ns, ctime_ns;
    EXPECT(__real_fstatat(destination, name, &status, AT_SYMLINK_NOFOLLOW) == 0);
    EXPECT(in_ns(status.st_mtim, &mtime_ns) && in_ns(status.st_ctim, &ctime_ns));
    unsigned char *to = put_number(expected, status.st_mode, 4);
    to = put_number(to, (uint64_t)status.st_size, 8);
    to = put_number(to, (uint64_t)mtime_ns, 8);
    to = put_number(to, (uint64_t)ctime_ns, 8);
    to = put_number(to, status.st_ino, 8);
    EXPECT(put_number(to, status.st_dev, 8) == expected + EXPECTED_BYTES);
}

static bool replaces(const struct making *how, const char *name, const unsigned char *expected, bool is_copied)
{
    struct made file = is_copied ? named(name) : arrived(name);
    file.expected = expected;
    size_t tried = is_copied ? copy_files(how, source, destination, &file, 1) : write_files(how, destination, &file, 1);
    EXPECT(tried == 1);
    return file.ended == DONE;
}

/* Tests */

static void test_what_is_expected_is_replaced(bool is_copied)
{
    unsigned char expected[EXPECTED_BYTES];
    make_file(destination, "plain", "old", 0600);
    expect_there("plain", expected);
    EXPECT(replaces(&USUAL, "plain", expected, is_copied) && holds(destination, "plain", "12345", 0640));
    EXPECT(entries_of(destination) == 1);
    EXPECT(!replaces(&USUAL, "plain", expected, is_copied) && holds(destination, "plain", "12345", 0640));
    clear();
}

static void test_nothing_else_is_replaced(void)
{
    unsigned char expected[EXPECTED_BYTES], other[EXPECTED_BYTES];
    make_file(destination, "plain", "old", 0600);
    expect_there("plain", expected);
    for (size_t at = 0; at < EXPECTED_BYTES; at++) { /* each number counts, to its last byte */
        memcpy(other, expected, sizeof other);
        other[at] ^= 1;
        EXPECT(!replaces(&USUAL, "plain", other, true) && holds(destination, "plain", "old", 0600));
        EXPECT(!replaces(&USUAL, "plain", other, false) && entries_of(destination) == 1);
    }
    EXPECT(unlinkat(destination, "plain", 0) == 0 && !replaces(&USUAL, "plain", expected, true));
    EXPECT(symlinkat("x", destination, "plain") == 0);
    expect_there("plain", expected);
    EXPECT(!replaces(&USUAL, "plain", expected, true) && entries_of(destination) == 1);
    clear();
}

static void test_a_call_that_fails_leaves_the_old_or_the_new(bool is_copied)
{
    unsigned char expected[EXPECTED_BYTES];
    int handles = open_handles(), failures = 0;
    for (long left = 0;; left++) {
        make_file(destination, "plain", "old", 0600);
        expect_there("plain", expected);
        has_failed = false;
        calls_left = left;
        bool is_done = replaces(&USUAL, "plain", expected, is_copied);
        calls_left = -1;
        EXPECT(holds(destination, "plain", is_done ? "12345" : "old", is_done ? 0640 : 0600));
        EXPECT(open_handles() == handles && entries_of(destination) == 1);
        clear();
        if (!has_failed) {
            EXPECT(is_done);
            break;
        }
        failures++;
    }
    EXPECT(failures >= (is_copied ? 15 : 8));
}

static void test_a_copy_is_whole(void)
{
    EXPECT(copies(&USUAL, "plain") && holds(destination, "plain", "12345", 0640));
    EXPECT(entries_of(destination) == 1);
    clear();
    EXPECT(writes(&USUAL, arrived("plain")) && holds(destination, "plain", "12345", 0640));
    clear();
    struct made both[] = {named("nowhere"), named("plain")};
    both[1].random += RANDOM_BYTES;
    EXPECT(copy_files(&USUAL, source, destination, both, 2) == 2);
    EXPECT(both[0].ended == LEFT && both[1].ended == DONE && both[1].bytes == 5 && both[0].bytes == 0);
    clear();
}

static void test_what_is_not_plain_is_left(void)
{
    static const char *const names[] = {"nowhere", "link", "directory", "pipe", "two names", "set-id", "large",
                                        "hole", "attribute", "", "plain/x"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        EXPECT(!copies(&USUAL, names[at]) && entries_of(destination) == 0);
    struct made set_id = arrived("plain"), zeros = arrived("plain"), large = arrived("plain");
    static const unsigned char nothing[HOLE_FROM];
    struct making most = USUAL;
    most.most_bytes = HOLE_FROM;
    struct made pipe = arrived("plain"), second = arrived("plain");
    pipe.mode = S_IFIFO | 0640;
    second.is_alone = false;
    EXPECT(!writes(&USUAL, pipe) && !writes(&USUAL, second));
    set_id.mode |= S_ISGID;
    zeros.data = nothing;
    zeros.length = sizeof nothing;
    large.length = 101;
    EXPECT(!writes(&USUAL, set_id) && !writes(&most, zeros) && !writes(&USUAL, large));
    EXPECT(entries_of(destination) == 0);
    struct making dense = most, other_group = USUAL;
    dense.sparse = false;
    EXPECT(writes(&dense, zeros));
    clear();
    EXPECT(copies(&dense, "hole") && unlinkat(destination, "hole", 0) == 0);
    other_group.gives_owner = false;
    other_group.same_group = true;
    EXPECT(writes(&other_group, arrived("plain")));
    clear();
    struct made foreign = arrived("plain");
    foreign.gid++;
    EXPECT(!writes(&other_group, foreign));
    clear();
}

/* What a new file is like is asked of the first of a call: the others have to be dressed all the same. */
static void test_each_of_several_is_as_it_should_be(void)
{
    struct made files[] = {arrived("plain"), arrived("other"), arrived("third")};
    files[1].random += RANDOM_BYTES;
    files[2].random += 2 * RANDOM_BYTES;
    files[1].uid++;
    files[2].mode = S_IFREG | 0600;
    EXPECT(write_files(&USUAL, destination, files, 3) == 3);
    static const char *const names[] = {"plain", "other", "third"};
    for (size_t at = 0; at < 3; at++) {
        struct stat status;
        EXPECT(files[at].ended == DONE && holds(destination, names[at], "12345", files[at].mode & 07777));
        EXPECT(fstatat(destination, names[at], &status, 0) == 0 && status.st_uid == files[at].uid);
        EXPECT(unlinkat(destination, names[at], 0) == 0);
    }
    struct making staging = USUAL;
    staging.places = false;
    EXPECT(write_files(&staging, destination, files, 2) == 2 && files[0].inode != files[1].inode);
    EXPECT(unlinkat(destination, ".dirsync-696a6b6c6d6e6f70.tmp", 0) == 0);
    clear();
}

static void test_files_that_a_directory_gives_an_acl_are_left(void)
{
    /* version 2; user::rwx, user:1:rwx, group::---, mask::rwx, other::--- */
    static const unsigned char acl[] = {2, 0, 0, 0,    1, 0, 7, 0, 255, 255, 255, 255, 2,   0,   7,   0,
                                        1, 0, 0, 0,    4, 0, 0, 0, 255, 255, 255, 255, 16,  0,   7,   0,
                                        255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
    static const char name[] = "system.posix_acl_default";
    EXPECT(fsetxattr(destination, name, acl, sizeof acl, 0) == 0);
    struct made files[] = {arrived("plain"), arrived("other")};
    EXPECT(write_files(&USUAL, destination, files, 2) == 2);
    EXPECT(files[0].ended == LEFT && files[1].ended == LEFT && entries_of(destination) == 0);
    EXPECT(fremovexattr(destination, name) == 0);
}

static void test_a_file_of_several_names_is_told_of_where_that_is_asked_for(void)
{
    struct making named_too = USUAL;
    named_too.names = true;
    struct stat status, copy;
    struct made files[] = {named("two names"), named("plain")};
    files[1].random += RANDOM_BYTES;
    EXPECT(copy_files(&named_too, source, destination, files, 2) == 2);
    EXPECT(files[0].ended == DONE && !files[0].is_alone && files[1].ended == DONE && files[1].is_alone);
    EXPECT(fstatat(source, "two names", &status, 0) == 0 && fstatat(destination, "two names", &copy, 0) == 0);
    EXPECT(files[0].source_inode == status.st_ino && files[0].source_device == status.st_dev);
    EXPECT(files[0].inode == copy.st_ino && files[0].device == copy.st_dev && copy.st_nlink == 1);
    EXPECT(fstatat(destination, "plain", &copy, 0) == 0 && files[1].inode == copy.st_ino);
    EXPECT(unlinkat(destination, "two names", 0) == 0);
    clear();
    struct made second = arrived("plain");
    second.is_alone = false;
    EXPECT(writes(&named_too, second) && holds(destination, "plain", "12345", 0640));
    clear();
}

/* What a name is linked to that is called `name` in the source, and `leading` in the destination. */
static void model_of(const char *name, const char *leading, bool is_looked_at, unsigned char model[MODEL_BYTES])
{
    struct stat here, there;
    int64_t mtime_ns;
    EXPECT(__real_fstatat(source, name, &here, AT_SYMLINK_NOFOLLOW) == 0);
    EXPECT(__real_fstatat(destination, leading, &there, AT_SYMLINK_NOFOLLOW) == 0 && in_ns(there.st_mtim, &mtime_ns));
    unsigned char *to = put_number(model, here.st_dev, 8);
    to = put_number(to, here.st_ino, 8);
    to = put_number(to, there.st_dev, 8);
    to = put_number(to, there.st_ino, 8);
    to = put_number(to, is_looked_at, 1);
    to = put_number(to, (uint64_t)there.st_size, 8);
    EXPECT(put_number(to, (uint64_t)mtime_ns, 8) == model + MODEL_BYTES);
}

static bool links(const char *name, const unsigned char *model)
{
    struct link file = {.name = name, .leading = "leading", .model = model, .random = RANDOM};
    link_files(source, destination, destination, &file, 1);
    return file.ended == DONE;
}

static int names_of(const char *name)
{
    struct stat status;
    return __real_fstatat(destination, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? (int)status.st_nlink : 0;
}

static void test_a_name_is_linked_to_what_is_meant_alone(void)
{
    unsigned char model[MODEL_BYTES], other[MODEL_BYTES];
    make_file(destination, "leading", "1", 0600);
    for (int is_looked_at = 0; is_looked_at < 2; is_looked_at++) {
        model_of("second", "leading", is_looked_at, model);
        for (size_t at = 0; at < MODEL_BYTES; at++) { /* each number counts that is to be looked at */
            memcpy(other, model, sizeof other);
            other[at] ^= at == 32 ? 2 : 1; /* another true, or a true one for once */
            bool counts = at < 32 || (at == 32 && !is_looked_at) ? true : at > 32 && is_looked_at;
            bool is_done = links("second", other);
            EXPECT(is_done ? names_of("second") == 2 && unlinkat(destination, "second", 0) == 0
                           : names_of("leading") == 1);
            EXPECT(is_done == !counts || at == 32);
            EXPECT(entries_of(destination) == 1);
        }
        EXPECT(links("second", model) && names_of("second") == 2 && entries_of(destination) == 2);
        EXPECT(!links("second", model) && names_of("leading") == 2); /* the name is taken */
        EXPECT(unlinkat(destination, "second", 0) == 0);
    }
    EXPECT(!links("nowhere", model) && !links("plain", model));
    EXPECT(unlinkat(destination, "leading", 0) == 0 && !links("second", model));
    EXPECT(symlinkat("x", destination, "leading") == 0 && !links("second", model) && entries_of(destination) == 1);
    EXPECT(unlinkat(destination, "leading", 0) == 0);
}

static void test_a_call_that_fails_leaves_a_name_or_none(void)
{
    unsigned char model[MODEL_BYTES];
    int failures = 0;
    make_file(destination, "leading", "1", 0600);
    model_of("second", "leading", true, model);
    for (long left = 0;; left++) {
        has_failed = false;
        calls_left = left;
        bool is_done = links("second", model);
        calls_left = -1;
        EXPECT(names_of("second") == (is_done ? 2 : 0) && entries_of(destination) == 1 + is_done);
        if (!has_failed) {
            EXPECT(is_done);
            break;
        }
        failures++;
    }
    EXPECT(failures == 4);
    EXPECT(unlinkat(destination, "second", 0) == 0 && unlinkat(destination, "leading", 0) == 0);
}

static const struct altering ALL = {.sets_mode = true, .sets_mtime = true, .attributes = true};

static void want(uid_t uid, mode_t mode, unsigned char wanted[WANTED_BYTES])
{
    unsigned char *to = put_number(wanted, uid, 4);
    to = put_number(to, getgid(), 4);
    to = put_number(to, mode, 4);
    int64_t mtime_ns;
    EXPECT(in_ns(LONG_AGO[1], &mtime_ns));
    EXPECT(put_number(to, (uint64_t)mtime_ns, 8) == wanted + WANTED_BYTES);
}

static bool alters(const struct altering *how, const char *name, const unsigned char *expected,
                   const unsigned char *wanted)
{
    struct altered file = {.name = name, .expected = expected, .wanted = wanted};
    EXPECT(alter_files(how, source, destination, &file, 1) == 1);
    return file.ended == DONE;
}

static bool is_untouched(const char *name)
{
    struct stat status;
    return __real_fstatat(destination, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (status.st_mode & 07777) == 0600 &&
           status.st_mtim.tv_sec == 7 && status.st_uid == getuid();
}

static void make_old(const char *name)
{
    static const struct timespec old[] = {{7, 7}, {7, 7}};
    make_file(destination, name, "12345", 0600);
    EXPECT(utimensat(destination, name, old, 0) == 0);
}

static void test_what_is_expected_is_altered_and_nothing_else(void)
{
    unsigned char expected[EXPECTED_BYTES], other[EXPECTED_BYTES], wanted[WANTED_BYTES];
    struct stat status;
    make_old("plain");
    expect_there("plain", expected);
    want(getuid() + 1, 0640, wanted);
    for (size_t at = 0; at < EXPECTED_BYTES; at++) {
        memcpy(other, expected, sizeof other);
        other[at] ^= 1;
        EXPECT(!alters(&ALL, "plain", other, wanted) && is_untouched("plain"));
    }
    EXPECT(alters(&ALL, "plain", expected, wanted) && holds(destination, "plain", "12345", 0640));
    EXPECT(fstatat(destination, "plain", &status, 0) == 0 && status.st_uid == getuid() + 1);
    EXPECT(unlinkat(destination, "plain", 0) == 0 && !alters(&ALL, "plain", expected, wanted));
    EXPECT(symlinkat("x", destination, "plain") == 0 && !alters(&ALL, "plain", expected, wanted));
    clear();
    const struct altering owner = {.attributes = true};
    make_old("plain");
    expect_there("plain", expected);
    EXPECT(alters(&owner, "plain", expected, wanted) && fstatat(destination, "plain", &status, 0) == 0);
    EXPECT(status.st_uid == getuid() + 1 && (status.st_mode & 07777) == 0600 && status.st_mtim.tv_sec == 7);
    clear();
}

static void test_directories_are_altered_whatever_their_times(void)
{
    unsigned char wanted[WANTED_BYTES];
    struct stat status;
    want(getuid() + 1, 0750, wanted);
    EXPECT(mkdirat(destination, "directory", 0700) == 0);
    EXPECT(alters(&ALL, "directory", NULL, wanted) && fstatat(destination, "directory", &status, 0) == 0);
    EXPECT(status.st_uid == getuid() + 1 && (status.st_mode & 07777) == 0750);
    EXPECT(status.st_mtim.tv_sec == LONG_AGO[1].tv_sec && status.st_mtim.tv_nsec == LONG_AGO[1].tv_nsec);
    EXPECT(unlinkat(destination, "directory", AT_REMOVEDIR) == 0 && !alters(&ALL, "directory", NULL, wanted));
    make_old("plain");
    EXPECT(!alters(&ALL, "plain", NULL, wanted) && is_untouched("plain"));
    EXPECT(symlinkat("plain", destination, "link") == 0 && !alters(&ALL, "link", NULL, wanted));
    EXPECT(is_untouched("plain") && unlinkat(destination, "link", 0) == 0);
    clear();
}

static void test_files_with_attributes_are_altered_where_nobody_asks_for_them(void)
{
    unsigned char expected[EXPECTED_BYTES], wanted[WANTED_BYTES];
    struct altering plain = ALL;
    plain.attributes = false;
    want(getuid(), 0640, wanted);
    make_old("attribute"); /* the source's has one */
    expect_there("attribute", expected);
    EXPECT(!alters(&ALL, "attribute", expected, wanted) && is_untouched("attribute"));
    EXPECT(alters(&plain, "attribute", expected, wanted) && holds(destination, "attribute", "12345", 0640));
    EXPECT(unlinkat(destination, "attribute", 0) == 0);
    make_old("plain");
    int fd = __real_openat(destination, "plain", O_WRONLY);
    EXPECT(fsetxattr(fd, "user.a", "1", 1, 0) == 0 || fsetxattr(fd, "trusted.a", "1", 1, 0) == 0);
    __real_close(fd);
    expect_there("plain", expected);
    EXPECT(!alters(&ALL, "plain", expected, wanted) && is_untouched("plain"));
    EXPECT(alters(&plain, "plain", expected, wanted) && holds(destination, "plain", "12345", 0640));
    clear();
    make_old("nowhere"); /* the source has none any more */
    expect_there("nowhere", expected);
    EXPECT(!alters(&ALL, "nowhere", expected, wanted) && is_untouched("nowhere"));
    EXPECT(unlinkat(destination, "nowhere", 0) == 0);
}

static void test_a_call_that_fails_alters_nothing_or_says_so(void)
{
    unsigned char expected[EXPECTED_BYTES], wanted[WANTED_BYTES];
    int handles = open_handles(), failures = 0;
    want(getuid() + 1, 0640, wanted);
    for (long left = 0;; left++) {
        make_old("plain");
        expect_there("plain", expected);
        has_failed = false;
        calls_left = left;
        bool is_done = alters(&ALL, "plain", expected, wanted);
        calls_left = -1;
        EXPECT(!is_done || holds(destination, "plain", "12345", 0640));
        EXPECT(open_handles() == handles && entries_of(destination) == 1);
        clear();
        if (!has_failed) {
            EXPECT(is_done);
            break;
        }
        failures += !is_done;
    }
    EXPECT(failures == 7); /* attributes here and there, open, status, owner, mode, times */
}

static void test_a_young_file_is_left(void)
{
    make_file(source, "young", "1", 0600);
    EXPECT(!copies(&USUAL, "young"));
    let_the_tick_pass();
    EXPECT(copies(&USUAL, "young") && unlinkat(destination, "young", 0) == 0);
}

static void test_nothing_is_made_over_something(void)
{
    make_file(destination, "plain", "old", 0600);
    EXPECT(!copies(&USUAL, "plain") && !writes(&USUAL, arrived("plain")));
    EXPECT(holds(destination, "plain", "old", 0600) && entries_of(destination) == 1);
    clear();
    make_file(destination, ".dirsync-6162636465666768.tmp", "old", 0600);
    EXPECT(!copies(&USUAL, "plain") && holds(destination, ".dirsync-6162636465666768.tmp", "old", 0600));
    clear();
}

static void test_staged_files_get_their_names_later(void)
{
    struct making staging = USUAL;
    staging.places = false;
    EXPECT(copies(&staging, "plain") && entries_of(destination) == 1);
    struct placed files[] = {{".dirsync-0000000000000000.tmp", "x", DONE},
                             {".dirsync-6162636465666768.tmp", "plain", LEFT}};
    place_files(destination, files, 2);
    EXPECT(files[0].ended == LEFT && files[1].ended == DONE && holds(destination, "plain", "12345", 0640));
    EXPECT(copies(&staging, "plain"));
    place_files(destination, files + 1, 1);
    EXPECT(files[1].ended == LEFT && entries_of(destination) == 2);
    clear();
}

static void test_a_call_that_fails_leaves_all_or_nothing(bool is_copied)
{
    int handles = open_handles(), failures = 0;
    for (long left = 0;; left++) {
        has_failed = false;
        calls_left = left;
        bool is_done = is_copied ? copies(&USUAL, "plain") : writes(&USUAL, arrived("plain"));
        calls_left = -1;
        EXPECT(is_done ? holds(destination, "plain", "12345", 0640) : entries_of(destination) == 0);
        EXPECT(open_handles() == handles);
        clear();
        if (!has_failed) {
            EXPECT(is_done);
            break;
        }
        failures++;
    }
    EXPECT(failures >= (is_copied ? 14 : 7));
}

static void wait_for_more_than_a_moment(void)
{
    after_read = NULL;
    nanosleep(&(struct timespec){.tv_nsec = A_MOMENT_NS + 1000000}, NULL);
}

static void test_it_goes_on_for_a_moment_only(void)
{
    struct made files[] = {named("plain"), named("empty")};
    after_read = wait_for_more_than_a_moment;
    EXPECT(copy_files(&USUAL, source, destination, files, 2) == 1 && files[0].ended == DONE);
    clear();
}

static void append(void)
{
    after_read = NULL;
    int fd = __real_openat(source, "plain", O_WRONLY | O_APPEND);
    EXPECT(write(fd, "6", 1) == 1);
    __real_close(fd);
}

static void rewrite(void)
{
    after_read = NULL;
    make_file(source, "plain", "54321", 0640);
}

static void test_what_changes_while_it_is_read_is_left(void (*change)(void))
{
    unsigned char buffer[301];
    after_read = change;
    EXPECT(!copies(&USUAL, "plain") && entries_of(destination) == 0 && after_read == NULL);
    make_file(source, "plain", "12345", 0640);
    let_the_tick_pass();
    struct read_file file = {.name = "plain"};
    after_read = change;
    EXPECT(read_files(source, &file, 1, 100, true, buffer, sizeof buffer) == 1 && file.ended == LEFT);
    make_file(source, "plain", "12345", 0640);
    let_the_tick_pass();
}

static void test_reading(void)
{
    unsigned char buffer[112];
    struct read_file files[] = {{.name = "plain"}, {.name = "nowhere"}, {.name = "two names"}, {.name = "empty"},
                                {.name = "attribute"}, {.name = "large"}, {.name = "plain"}};
    size_t count = sizeof files / sizeof *files;
    EXPECT(read_files(source, files, count, 100, true, buffer, sizeof buffer) == count);
    EXPECT(files[0].ended == DONE && files[0].status.st_size == 5 && memcmp(buffer, "12345", 5) == 0);
    EXPECT(files[1].ended == LEFT && files[2].ended == DONE && files[3].ended == DONE);
    EXPECT(files[4].ended == LEFT && files[5].ended == LEFT && files[6].ended == DONE);
    EXPECT(memcmp(buffer + files[6].at, "12345", 5) == 0);
    EXPECT(read_files(source, files, count, 100, false, buffer, 105) == 1); /* what might not fit is for later */
    EXPECT(read_files(source, files, count, 100, false, buffer, 100) == 0);
    EXPECT(read_files(source, files + 4, 1, 100, false, buffer, sizeof buffer) == 1 && files[4].ended == DONE);
    int handles = open_handles();
    for (long left = 0;; left++) {
        has_failed = false;
        calls_left = left;
        EXPECT(read_files(source, files, 1, 100, true, buffer, sizeof buffer) == 1);
        calls_left = -1;
        EXPECT(open_handles() == handles);
        if (!has_failed)
            break;
    }
    EXPECT(files[0].ended == DONE);
}

static void test_a_row_says_what_it_was_made_of(void)
{
    unsigned char row[ROW_BYTES];
    struct stat status = {.st_mode = S_IFREG | 0640, .st_size = 1LL << 40, .st_uid = 0xfffffffe, .st_gid = 7,
                          .st_nlink = 1, .st_mtim = {-2, 5}, .st_ctim = {1, 2}};
    struct made file = named("plain");
    EXPECT(put_row(&status, row) && take_row(row, &file));
    EXPECT(file.mode == (S_IFREG | 0640) && file.length == 1ULL << 40 && file.uid == 0xfffffffe && file.gid == 7);
    EXPECT(file.is_alone && is_same_moment(file.mtime, status.st_mtim));
    memset(row + 4, 0xff, 8);
    EXPECT(!take_row(row, &file));
    status.st_nlink = 2;
    status.st_mtim.tv_sec = LLONG_MIN / NS_A_SECOND;
    EXPECT(put_row(&status, row) && take_row(row, &file) && !file.is_alone);
    EXPECT(file.mtime.tv_sec == LLONG_MIN / NS_A_SECOND && file.mtime.tv_nsec == 5);
    status.st_mtim.tv_sec = LLONG_MAX;
    EXPECT(!put_row(&status, row));
    status.st_mtim.tv_sec = 0;
    status.st_ctim.tv_sec = LLONG_MIN;
    EXPECT(!put_row(&status, row));
}

static void test_memory_that_runs_out_leaves_all(void)
{
    allocations_left = 0;
    EXPECT(!copies(&USUAL, "plain"));
    allocations_left = -1;
    EXPECT(entries_of(destination) == 0);
}

static void make_sources(void)
{
    static const char large[] = "1234567890123456789012345678901234567890123456789012345678901234567890"
                                "12345678901234567890123456789012345678901234567890";
    make_file(source, "plain", "12345", 0640);
    make_file(source, "empty", "", 0640);
    make_file(source, "two names", "1", 0640);
    EXPECT(linkat(source, "two names", source, "second", 0) == 0);
    make_file(source, "set-id", "1", 04755);
    make_file(source, "large", large, 0640);
    EXPECT(symlinkat("plain", source, "link") == 0 && mkdirat(source, "directory", 0700) == 0);
    EXPECT(mknodat(source, "pipe", S_IFIFO | 0600, 0) == 0);
    int fd = __real_openat(source, "hole", O_CREAT | O_WRONLY, 0600);
    EXPECT(ftruncate(fd, HOLE_FROM) == 0);
    __real_close(fd);
    make_file(source, "attribute", "1", 0640);
    fd = __real_openat(source, "attribute", O_WRONLY);
    EXPECT(fsetxattr(fd, "user.a", "1", 1, 0) == 0 || fsetxattr(fd, "trusted.a", "1", 1, 0) == 0);
    __real_close(fd);
    let_the_tick_pass();
}

int main(int count, char **arguments)
{
    if (count != 2 || chdir(arguments[1]) != 0) {
        printf("usage: small_test FOLDER\n");
        return 2;
    }
    EXPECT(mkdir("source", 0700) == 0 && mkdir("destination", 0700) == 0);
    source = open("source", O_RDONLY | O_DIRECTORY);
    destination = open("destination", O_RDONLY | O_DIRECTORY);
    make_sources();
    test_a_copy_is_whole();
    test_what_is_not_plain_is_left();
    test_each_of_several_is_as_it_should_be();
    test_files_that_a_directory_gives_an_acl_are_left();
    test_a_file_of_several_names_is_told_of_where_that_is_asked_for();
    test_a_name_is_linked_to_what_is_meant_alone();
    test_a_call_that_fails_leaves_a_name_or_none();
    test_what_is_expected_is_altered_and_nothing_else();
    test_directories_are_altered_whatever_their_times();
    test_files_with_attributes_are_altered_where_nobody_asks_for_them();
    test_a_call_that_fails_alters_nothing_or_says_so();
    test_a_young_file_is_left();
    test_nothing_is_made_over_something();
    test_staged_files_get_their_names_later();
    test_what_is_expected_is_replaced(true);
    test_what_is_expected_is_replaced(false);
    test_nothing_else_is_replaced();
    test_a_call_that_fails_leaves_the_old_or_the_new(true);
    test_a_call_that_fails_leaves_the_old_or_the_new(false);
    test_a_call_that_fails_leaves_all_or_nothing(true);
    test_a_call_that_fails_leaves_all_or_nothing(false);
    test_what_changes_while_it_is_read_is_left(append);
    test_what_changes_while_it_is_read_is_left(rewrite);
    test_it_goes_on_for_a_moment_only();
    test_reading();
    test_a_row_says_what_it_was_made_of();
    test_memory_that_runs_out_leaves_all();
    __real_close(source);
    __real_close(destination);
    printf("%d problems\n", problems);
    return problems != 0;
}

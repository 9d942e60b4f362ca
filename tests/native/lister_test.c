/* The lister and the glance in C alone, for the sanitizers: every path through them, memory
 * that runs out at every point, and names that come and go meanwhile.
 *
 * Usage: lister_test FOLDER, an empty directory. Prints what it did; 1: something is wrong,
 * and it says what. Built and run by tests/faults/test_native_lister_in_c.py.
 */
#include "../../dirsync/scan/native/lister.c" /* what is static there is tested, too */

#include "../../dirsync/scan/native/blake2b.c"
#include "../../dirsync/scan/native/digests.c"
#include "../../dirsync/scan/native/glance.c"
#include "../../dirsync/scan/native/standing.c"
#include "../../dirsync/scan/native/text.c"

#include "expect.h"

#include <pthread.h>

/* Trees */

static int made(int parent, const char *name)
{
    EXPECT(mkdirat(parent, name, 0755) == 0);
    return openat(parent, name, O_RDONLY | O_DIRECTORY);
}

static void make_file(int fd, const char *name)
{
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    EXPECT(file >= 0 && write(file, "12345", 5) == 5);
    close(file);
}

static uint64_t number(const struct listing *listing, enum column column, size_t row)
{
    int width = column_width[column];
    const unsigned char *bytes = listing->columns[column] + row * (size_t)width;
    uint64_t value = 0;
    for (int byte = width; byte-- > 0;)
        value = value << 8 | bytes[byte];
    return value;
}

static int is_text(const struct text *text, const char *bytes, size_t length)
{
    return text->length == length && (length == 0 || memcmp(text->bytes, bytes, length) == 0);
}

/* What is tested */

static void test_empty_directory_has_no_row(int folder)
{
    int fd = made(folder, "empty");
    struct listing listing;
    EXPECT(list_directory(fd, &listing) == LISTED);
    EXPECT(listing.rows == 0 && listing.names.length == 0 && listing.targets.length == 0);
    free_listing(&listing);
    close(fd);
}

static void test_removed_directory_is_empty(int folder)
{
    int fd = made(folder, "removed");
    EXPECT(unlinkat(folder, "removed", AT_REMOVEDIR) == 0);
    struct listing listing;
    EXPECT(list_directory(fd, &listing) == LISTED && listing.rows == 0);
    free_listing(&listing);
    close(fd);
}

static void test_rows_are_sorted_and_say_what_is_there(int folder)
{
    int fd = made(folder, "few");
    make_file(fd, "prefix-8");
    make_file(fd, "prefix-");
    make_file(fd, "\xff");
    make_file(fd, "a");
    EXPECT(mkdirat(fd, "...", 0700) == 0);
    EXPECT(symlinkat("to", fd, "link") == 0 && symlinkat("elsewhere", fd, "zlink") == 0);
    struct listing listing;
    EXPECT(list_directory(fd, &listing) == LISTED);
    static const char names[] = "...\0a\0link\0prefix-\0prefix-8\0zlink\0\xff";
    EXPECT(listing.rows == 7 && is_text(&listing.names, names, sizeof names - 1));
    EXPECT(is_text(&listing.targets, "to\0elsewhere", 12));
    EXPECT(number(&listing, MODE, 0) == (S_IFDIR | 0700) && number(&listing, SIZE, 0) == 0);
    EXPECT(number(&listing, MODE, 1) == (S_IFREG | 0644) && number(&listing, SIZE, 1) == 5);
    EXPECT(S_ISLNK(number(&listing, MODE, 2)) && number(&listing, NLINK, 2) == 1);
    free_listing(&listing);
    EXPECT(list_directory(fd, &listing) == LISTED && listing.rows == 7); /* the handle was rewound */
    free_listing(&listing);
    close(fd);
}

static void test_long_targets_and_names_fit(int folder)
{
    int fd = made(folder, "long");
    static char target[4096], name[256];
    memset(target, 't', 4095);
    memset(name, 'n', 255);
    for (int length = 1; length <= 255; length += 2) {
        EXPECT(symlinkat(target + 4095 - length * 16, fd, name + 255 - length) == 0);
    }
    EXPECT(symlinkat(target, fd, "longest") == 0);
    struct listing listing;
    EXPECT(list_directory(fd, &listing) == LISTED && listing.rows == 129);
    EXPECT(memcmp(listing.targets.bytes, target, 4095) == 0 && listing.targets.bytes[4095] == '\0');
    free_listing(&listing);
    close(fd);
}

static void test_large_directory_is_listed_whole(int folder)
{
    int fd = made(folder, "large");
    char name[64];
    for (int file = 0; file < 5000; file++) {
        snprintf(name, sizeof name, "%d-a-name-of-a-usual-length", file * 7919 % 5000);
        make_file(fd, name);
    }
    struct listing listing;
    EXPECT(list_directory(fd, &listing) == LISTED && listing.rows == 5000);
    char *names = malloc(listing.names.length + 1); /* the last one does not end with NUL there */
    memcpy(names, listing.names.bytes, listing.names.length);
    names[listing.names.length] = '\0';
    const char *at = names;
    for (size_t row = 1; row < listing.rows; row++) {
        const char *next = at + strlen(at) + 1;
        EXPECT(strcmp(at, next) < 0);
        at = next;
    }
    EXPECT(at + strlen(at) == names + listing.names.length);
    free(names);
    free_listing(&listing);
    close(fd);
}

static void test_what_cannot_be_read_fails_with_its_reason(int folder)
{
    struct listing listing;
    make_file(folder, "file");
    int file = openat(folder, "file", O_RDONLY);
    int path = open(".", O_PATH);
    EXPECT(list_directory(file, &listing) == FAILED && errno == ENOTDIR);
    EXPECT(list_directory(path, &listing) == FAILED && errno == EBADF);
    close(file);
    close(path);
    EXPECT(list_directory(path, &listing) == FAILED && errno == EBADF);
}

static void test_memory_that_runs_out_is_an_error_wherever_it_does(int folder)
{
    int fd = openat(folder, "few", O_RDONLY);
    struct listing listing;
    int refused = 0;
    for (long left = 0;; left++) {
        allocations_left = left;
        enum answer answer = list_directory(fd, &listing);
        int error = errno;
        allocations_left = -1;
        if (answer == LISTED)
            break;
        EXPECT(answer == FAILED && error == ENOMEM);
        refused++;
    }
    EXPECT(listing.rows == 7 && refused == 6); /* records, rows, columns, names, targets twice */
    free_listing(&listing);
    close(fd);
}

static void test_times_that_do_not_fit_become_the_nearest(void)
{
    EXPECT(mtime_ns((struct moment){EARLIEST, 0}) == 0);
    EXPECT(mtime_ns((struct moment){EARLIEST - 1, NS_A_SECOND - 1}) == 0);
    EXPECT(mtime_ns((struct moment){0, 7}) == 2147483648ULL * NS_A_SECOND + 7);
    EXPECT(mtime_ns((struct moment){INT64_MAX, 0}) == UINT64_MAX);
    EXPECT(mtime_ns((struct moment){EARLIEST + 18446744073LL, 709551615}) == UINT64_MAX);
    EXPECT(mtime_ns((struct moment){EARLIEST + 18446744073LL, 709551614}) == UINT64_MAX - 1);
    EXPECT(mtime_ns((struct moment){EARLIEST + 18446744073LL, 709551616}) == UINT64_MAX);
    EXPECT(ctime_ns((struct moment){-1, NS_A_SECOND - 1}) == -1);
    EXPECT(ctime_ns((struct moment){-9223372037LL, 145224192}) == INT64_MIN);
    EXPECT(ctime_ns((struct moment){-9223372037LL, 145224193}) == INT64_MIN + 1);
    EXPECT(ctime_ns((struct moment){-9223372037LL, 145224191}) == INT64_MIN);
    EXPECT(ctime_ns((struct moment){9223372036LL, 854775807}) == INT64_MAX);
    EXPECT(ctime_ns((struct moment){9223372036LL, 854775808}) == INT64_MAX);
    EXPECT(ctime_ns((struct moment){INT64_MAX, 0}) == INT64_MAX);
    EXPECT(ctime_ns((struct moment){INT64_MIN, 1}) == INT64_MIN);
}

/* Digests */

static int is_digest(const unsigned char digest[DIGEST_BYTES], const char *hexadecimal)
{
    char written[2 * DIGEST_BYTES + 1];
    for (int byte = 0; byte < DIGEST_BYTES; byte++)
        snprintf(written + 2 * byte, 3, "%02x", digest[byte]);
    return strcmp(written, hexadecimal) == 0;
}

/* tests/property/test_digest_in_c.py compares with hashlib, at length. */
static void test_digests_are_those_of_blake2b(void)
{
    struct digesting state;
    unsigned char digest[DIGEST_BYTES];
    begin_digest(&state);
    add_to_digest(&state, NULL, 0);
    end_digest(&state, digest);
    EXPECT(is_digest(digest, "cae66941d9efbd404e4d88758ea67670"));
    begin_digest(&state);
    add_to_digest(&state, "abc", 3);
    end_digest(&state, digest);
    EXPECT(is_digest(digest, "cf4ab791c62b8d2b2109c90275287816"));
}

static void test_pieces_make_no_difference_to_a_digest(void)
{
    unsigned char bytes[5 * BLOCK_BYTES + 1], whole[DIGEST_BYTES], digest[DIGEST_BYTES];
    for (size_t byte = 0; byte < sizeof bytes; byte++)
        bytes[byte] = (unsigned char)(byte * 31);
    for (size_t length = 0; length < sizeof bytes; length++) {
        struct digesting state;
        begin_digest(&state);
        add_to_digest(&state, bytes + 1, length);
        end_digest(&state, whole);
        begin_digest(&state);
        for (size_t at = 0, piece = length % 7; at < length; at += piece, piece = piece * 5 % 211 + 1) {
            if (piece > length - at)
                piece = length - at;
            add_to_digest(&state, bytes + 1 + at, piece);
        }
        end_digest(&state, digest);
        EXPECT(memcmp(whole, digest, DIGEST_BYTES) == 0);
    }
}

/* Glances */

/* Digests on record, packed as dirsync/scan/digests.py packs few of them: one bucket. */
struct packing {
    unsigned char bytes[1 + 8 + 8 * (4 + DIGEST_BYTES)];
    size_t length;
};

struct recorded {
    const char *path;
    unsigned char digest[DIGEST_BYTES];
};

static struct packing pack(const struct recorded *recorded, uint32_t count)
{
    struct packing packed = {.bytes = {BUCKET_BITS}, .length = 9 + count * RECORD_BYTES};
    memcpy(packed.bytes + 5, &count, 4);
    for (uint32_t at = 0; at < count; at++) { /* in any order: the keys of one bucket are all looked at */
        struct digesting state;
        unsigned char hash[DIGEST_BYTES];
        begin_digest(&state);
        add_to_digest(&state, recorded[at].path, strlen(recorded[at].path));
        end_digest(&state, hash);
        uint32_t key = half_of(hash, 4);
        memcpy(packed.bytes + 9 + 4 * at, &key, 4);
        memcpy(packed.bytes + 9 + 4 * count + DIGEST_BYTES * at, recorded[at].digest, DIGEST_BYTES);
    }
    return packed;
}

/* Record a directory as it is now. */
static struct recorded record(int top, const char *path, const char *salt)
{
    struct recorded recorded = {.path = path};
    struct glancing asked = {.salt = salt, .salt_length = strlen(salt)};
    struct listing listing;
    struct stat status;
    int fd = openat(top, path, O_RDONLY | O_DIRECTORY);
    EXPECT(fstat(fd, &status) == 0 && list_once(fd, &listing) == LISTED);
    digest_listing(&listing, &asked, status.st_ino, recorded.digest);
    free_listing(&listing);
    close(fd);
    return recorded;
}

static int make_family(int folder)
{
    int fd = made(folder, "family");
    int parent = made(fd, "parent"), inner = made(parent, "m");
    EXPECT(mkdirat(parent, "a", 0700) == 0 && mkdirat(parent, "zz", 0700) == 0);
    EXPECT(mkdirat(inner, "deep", 0700) == 0 && symlinkat("..", inner, "up") == 0);
    make_file(parent, "b");
    EXPECT(symlinkat("a", parent, "link") == 0);
    EXPECT(mkdirat(fd, "empty", 0700) == 0);
    EXPECT(symlinkat("parent", fd, "to parent") == 0);
    close(inner);
    close(parent);
    return fd;
}

#define FAMILY ((size_t)6)
static const char *const FAMILY_PATHS[FAMILY] = {"parent", "parent/a", "parent/m", "parent/m/deep", "parent/zz", "empty"};

static void record_family(int fd, struct recorded *recorded)
{
    for (size_t each = 0; each < FAMILY; each++)
        recorded[each] = record(fd, FAMILY_PATHS[each], "salt");
}

static struct named named(int fd, const char *name)
{
    struct stat status;
    return (struct named){.name = name, .ino = fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_ino : 0};
}

static const struct text NOWHERE = {0};

static struct glancing usual(const struct digests *digests)
{
    return (struct glancing){.digests = digests, .salt = "salt", .salt_length = 4, .levels = 32, .most_rows = 1000};
}

static int is_at(const struct places *places, size_t at, const char *path)
{
    return at < places->count && places->each[at].path_length == strlen(path) &&
           memcmp(places->paths.bytes + places->each[at].path_at, path, strlen(path)) == 0;
}

static void test_glance_goes_through_what_is_as_it_was(int fd)
{
    struct recorded recorded[FAMILY];
    record_family(fd, recorded);
    struct packing packed = pack(recorded, FAMILY);
    struct digests digests;
    EXPECT(open_digests(packed.bytes, packed.length, &digests) == 0 && digests.count == FAMILY);
    struct named both[] = {named(fd, "parent"), named(fd, "empty")};
    static const size_t entries[] = {0, 5, 7, 7}, left[] = {2, 3, 1, 0};
    struct glancing asked = usual(&digests);
    for (asked.levels = 0; asked.levels < 4; asked.levels++) {
        struct glance glance = {0};
        EXPECT(glance_at(&asked, fd, &NOWHERE, both, 2, &glance) == 0);
        EXPECT(glance.entries == entries[asked.levels] && glance.differing.count == 0);
        EXPECT(glance.left.count == left[asked.levels]);
        EXPECT(asked.levels != 1 || (is_at(&glance.left, 0, "parent/a") && is_at(&glance.left, 2, "parent/zz")));
        free_glance(&glance);
    }
    asked.levels = 32;
    asked.has_device = true; /* 0 is no device of files */
    struct glance glance = {0};
    EXPECT(glance_at(&asked, fd, &NOWHERE, both, 2, &glance) == 0 && glance.entries == 5);
    free_glance(&glance);
}

static void test_glance_says_of_everything_else_that_it_differs(int fd)
{
    struct recorded recorded[FAMILY];
    record_family(fd, recorded);
    struct digests digests;
    struct glancing asked = usual(&digests);
    struct named parent = named(fd, "parent");
    for (size_t byte = 0; byte < DIGEST_BYTES; byte++) {
        recorded[2].digest[byte] ^= 1;
        struct packing packed = pack(recorded, FAMILY);
        EXPECT(open_digests(packed.bytes, packed.length, &digests) == 0);
        struct glance glance = {0};
        EXPECT(glance_at(&asked, fd, &NOWHERE, &parent, 1, &glance) == 0 && glance.entries == 5);
        EXPECT(glance.differing.count == 1 && is_at(&glance.differing, 0, "parent/m"));
        free_glance(&glance);
        recorded[2].digest[byte] ^= 1;
    }
    struct recorded others[] = {recorded[0], recorded[0], recorded[0], recorded[0]};
    static const char *const names[] = {"to parent", "no such", "parent/b", ""};
    struct named directories[4];
    for (size_t other = 0; other < 4; other++) {
        others[other].path = names[other];
        directories[other] = named(fd, names[other]);
    }
    struct packing packed = pack(others, 4);
    EXPECT(open_digests(packed.bytes, packed.length, &digests) == 0);
    struct glance glance = {0};
    EXPECT(glance_at(&asked, fd, &NOWHERE, directories, 4, &glance) == 0);
    EXPECT(glance.rows == 0 && glance.differing.count == 4 && is_at(&glance.differing, 3, ""));
    free_glance(&glance);
    EXPECT(glance_at(&asked, -1, &NOWHERE, directories, 1, &glance) == 0 && glance.differing.count == 1);
    free_glance(&glance);
}

static void test_glances_end_when_there_are_rows_enough(int fd)
{
    struct recorded recorded[FAMILY];
    record_family(fd, recorded);
    struct packing packed = pack(recorded, FAMILY);
    struct digests digests;
    EXPECT(open_digests(packed.bytes, packed.length, &digests) == 0);
    struct named directories[] = {named(fd, "empty"), named(fd, "parent"), named(fd, "empty")};
    static const size_t wanted[][3] = {{0, 0, 3}, {1, 5, 4}, {5, 5, 4}, {6, 7, 3}, {8, 7, 0}};
    struct glancing asked = usual(&digests);
    for (size_t each = 0; each < sizeof wanted / sizeof *wanted; each++) {
        struct glance glance = {0};
        asked.most_rows = wanted[each][0];
        EXPECT(glance_at(&asked, fd, &NOWHERE, directories, 3, &glance) == 0);
        EXPECT(glance.entries == wanted[each][1] && glance.left.count == wanted[each][2]);
        free_glance(&glance);
    }
}

static void test_digests_that_are_damaged_are_refused_or_never_read_beyond(int fd)
{
    struct recorded recorded[FAMILY];
    record_family(fd, recorded);
    struct packing packed = pack(recorded, FAMILY);
    struct digests digests;
    for (size_t length = 0; length < packed.length; length++) {
        unsigned char *cut = malloc(length + 1); /* of just that length, for the sanitizer */
        memcpy(cut, packed.bytes, length);
        if (open_digests(cut, length, &digests) == 0)
            (void)find_digest(&digests, "parent", 6);
        free(cut);
    }
    for (size_t byte = 0; byte < packed.length; byte++)
        for (unsigned value = 0; value < 256; value += 15) {
            unsigned char *damaged = malloc(packed.length);
            memcpy(damaged, packed.bytes, packed.length);
            damaged[byte] = (unsigned char)value;
            if (open_digests(damaged, packed.length, &digests) == 0)
                for (size_t each = 0; each < FAMILY; each++)
                    (void)find_digest(&digests, FAMILY_PATHS[each], strlen(FAMILY_PATHS[each]));
            free(damaged);
        }
}

/* What is told is true, or nothing is. */
static void test_memory_that_runs_out_takes_nothing_for_as_it_was(int fd)
{
    struct recorded recorded[FAMILY];
    record_family(fd, recorded);
    struct packing packed = pack(recorded, FAMILY - 1);
    struct digests digests;
    EXPECT(open_digests(packed.bytes, packed.length, &digests) == 0);
    struct named both[] = {named(fd, "parent"), named(fd, "empty")};
    struct glancing asked = usual(&digests);
    long refused = 0;
    for (;; refused++) {
        struct glance glance = {0};
        allocations_left = refused;
        int answer = glance_at(&asked, fd, &NOWHERE, both, 2, &glance);
        bool ran_out = allocations_left == 0;
        allocations_left = -1;
        EXPECT(answer != 0 || glance.differing.count > 0);
        EXPECT(ran_out || (answer == 0 && glance.entries == 7 && is_at(&glance.differing, 0, "empty")));
        free_glance(&glance);
        if (!ran_out)
            break;
        EXPECT(refused < 200);
    }
    EXPECT(refused > 15);
}

/* Names that come and go */

static _Atomic int over;

static void *swap_names(void *argument)
{
    int fd = *(int *)argument;
    while (!over) {
        renameat(fd, "busy-link", fd, "there");
        renameat(fd, "there", fd, "busy-link");
        unlinkat(fd, "busy", 0);
        (void)!symlinkat("a target", fd, "busy");
        unlinkat(fd, "busy", 0);
        close(openat(fd, "busy", O_CREAT | O_WRONLY, 0644));
    }
    return NULL;
}

static void test_names_that_come_and_go_are_listed_or_unseen(int folder)
{
    int fd = made(folder, "busy");
    char name[32];
    for (int file = 0; file < 50; file++) {
        snprintf(name, sizeof name, "quiet-%02d", file);
        make_file(fd, name);
    }
    EXPECT(symlinkat("x", fd, "busy-link") == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, swap_names, &fd) == 0);
    int answers[3] = {0};
    for (int turn = 0; turn < 3000; turn++) {
        struct listing listing;
        enum answer answer = list_directory(fd, &listing);
        answers[answer]++;
        if (answer == LISTED) {
            EXPECT(listing.rows >= 50 && listing.rows <= 54);
            free_listing(&listing);
        }
    }
    over = 1;
    pthread_join(thread, NULL);
    EXPECT(answers[FAILED] == 0);
    printf("while names came and went: %d listed, %d unseen\n", answers[LISTED], answers[UNSEEN]);
    close(fd);
}

/* Standing */

static bool stands_in(int fd)
{
    struct stat here, there;
    return stat(".", &here) == 0 && fstat(fd, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* In a thread of its own; the folder, where the process is. */
static void *stand_and_return(void *given)
{
    int folder = *(int *)given;
    int fd = made(folder, "stood-in");
    EXPECT(own_working_directory() == 0);
    EXPECT(stand_in(fd) == fd && stands_in(folder)); /* it has not left home */
    leave_home();
    EXPECT(stand_in(fd) == AT_FDCWD && stands_in(fd));
    EXPECT(stand_in(-1) == -1 && stands_in(fd));
    EXPECT(stand_in(folder) == AT_FDCWD && stands_in(folder));
    EXPECT(stand_in(fd) == AT_FDCWD);
    return_home();
    EXPECT(stands_in(folder));
    return_home(); /* it is there already */
    EXPECT(stand_in(fd) == fd && stands_in(folder));
    close(fd);
    return NULL;
}

static void test_only_a_thread_of_its_own_working_directory_stands_elsewhere(int folder)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, stand_and_return, &folder) == 0);
    pthread_join(thread, NULL);
    int fd = openat(folder, "stood-in", O_RDONLY | O_DIRECTORY);
    leave_home();
    EXPECT(stand_in(fd) == fd && stands_in(folder));
    return_home();
    close(fd);
}

int main(int count, char **arguments)
{
    if (count != 2 || chdir(arguments[1]) != 0) {
        printf("usage: lister_test FOLDER\n");
        return 2;
    }
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    test_empty_directory_has_no_row(folder);
    test_removed_directory_is_empty(folder);
    test_rows_are_sorted_and_say_what_is_there(folder);
    test_long_targets_and_names_fit(folder);
    test_large_directory_is_listed_whole(folder);
    test_what_cannot_be_read_fails_with_its_reason(folder);
    test_memory_that_runs_out_is_an_error_wherever_it_does(folder);
    test_times_that_do_not_fit_become_the_nearest();
    test_names_that_come_and_go_are_listed_or_unseen(folder);
    test_digests_are_those_of_blake2b();
    test_pieces_make_no_difference_to_a_digest();
    int family = make_family(folder);
    test_glance_goes_through_what_is_as_it_was(family);
    test_glance_says_of_everything_else_that_it_differs(family);
    test_glances_end_when_there_are_rows_enough(family);
    test_digests_that_are_damaged_are_refused_or_never_read_beyond(family);
    test_memory_that_runs_out_takes_nothing_for_as_it_was(family);
    test_only_a_thread_of_its_own_working_directory_stands_elsewhere(folder);
    close(family);
    close(folder);
    printf("%d problems\n", problems);
    return problems != 0;
}

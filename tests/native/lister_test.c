/* The lister and the glance in C alone, for the sanitizers: every path through them, memory
 * that runs out at every point, and names that come and go meanwhile.
 *
 * Usage: lister_test FOLDER, an empty directory. Prints what it did; 1: something is wrong,
 * and it says what. Built and run by tests/faults/test_native_lister_in_c.py.
 */
#include "../../dirsync/scan/native/lister.c" /* what is static there is tested, too */

#include "../../dirsync/scan/native/blake2b.c"
#include "../../dirsync/scan/native/glance.c"

#include <pthread.h>
#include <stdio.h>

static int problems;

#define EXPECT(condition)                                                       \
    do {                                                                        \
        if (!(condition)) {                                                     \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);      \
            problems++;                                                         \
        }                                                                       \
    } while (0)

/* Memory that runs out: the linker sends the lister's calls here (--wrap). */

static long allocations_left = -1; /* -1: any number */

void *__real_malloc(size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_realloc(void *, size_t);

static int runs_out(void)
{
    if (allocations_left < 0)
        return 0;
    if (allocations_left-- > 0)
        return 0;
    allocations_left = 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *bytes, size_t size)
{
    return runs_out() ? NULL : __real_realloc(bytes, size);
}

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

/* Say what is known of a directory that is as it is now. */
static struct known known_now(int parent, const char *name, const char *salt, unsigned char digest[DIGEST_BYTES])
{
    struct known known = {.name = name, .salt = salt, .salt_length = strlen(salt), .digest = digest};
    struct listing listing;
    EXPECT(list_subdirectory(parent, name, &listing) == LISTED);
    digest_listing(&listing, &known, digest);
    free_listing(&listing);
    return known;
}

static int make_family(int folder)
{
    int fd = made(folder, "family");
    int parent = made(fd, "parent");
    for (const char *name = "a\0m\0zz\0"; *name != '\0'; name += strlen(name) + 1)
        EXPECT(mkdirat(parent, name, 0700) == 0);
    make_file(parent, "b");
    EXPECT(symlinkat("a", parent, "link") == 0);
    EXPECT(mkdirat(fd, "empty", 0700) == 0);
    EXPECT(symlinkat("parent", fd, "to parent") == 0);
    close(parent);
    return fd;
}

static void test_glance_tells_the_subdirectories_of_what_is_as_it_was(int fd)
{
    unsigned char digest[DIGEST_BYTES];
    struct known known = known_now(fd, "parent", "salt", digest);
    struct glimpse glimpse;
    glance(fd, &known, &glimpse);
    EXPECT(glimpse.is_as_it_was && glimpse.rows == 5 && glimpse.subdirectories == 3);
    EXPECT(glimpse.names_length == 6 && memcmp(glimpse.names, "a\0m\0zz", 6) == 0);
    struct stat status;
    int parent = openat(fd, "parent", O_RDONLY);
    EXPECT(fstatat(parent, "zz", &status, 0) == 0);
    unsigned char number[8];
    put(number, status.st_ino, 8);
    EXPECT(memcmp(glimpse.inodes + 16, number, 8) == 0);
    put(number, status.st_dev, 8);
    EXPECT(memcmp(glimpse.devices + 16, number, 8) == 0);
    close(parent);
    free_glimpse(&glimpse);
    known = known_now(fd, "empty", "", digest);
    glance(fd, &known, &glimpse);
    EXPECT(glimpse.is_as_it_was && glimpse.rows == 0 && glimpse.subdirectories == 0 && glimpse.inodes == NULL);
    free_glimpse(&glimpse);
}

static void test_glance_tells_nothing_of_anything_else(int fd)
{
    unsigned char digest[DIGEST_BYTES];
    struct known right = known_now(fd, "parent", "salt", digest), known = right;
    struct glimpse glimpse;
    for (int byte = 0; byte < DIGEST_BYTES; byte++) {
        digest[byte] ^= 1;
        glance(fd, &known, &glimpse);
        EXPECT(!glimpse.is_as_it_was && glimpse.rows == 5 && glimpse.inodes == NULL);
        digest[byte] ^= 1;
    }
    known.salt_length = 3;
    glance(fd, &known, &glimpse);
    EXPECT(!glimpse.is_as_it_was && glimpse.rows == 5);
    known = right;
    known.digest = NULL;
    glance(fd, &known, &glimpse);
    EXPECT(!glimpse.is_as_it_was && glimpse.rows == 0);
    known = right;
    static const char *others[] = {"to parent", "no such", "parent/b", ""};
    for (size_t other = 0; other < sizeof others / sizeof *others; other++) {
        known.name = others[other];
        glance(fd, &known, &glimpse);
        EXPECT(!glimpse.is_as_it_was && glimpse.rows == 0);
        free_glimpse(&glimpse); /* no error */
    }
    glance(-1, &right, &glimpse);
    EXPECT(!glimpse.is_as_it_was);
}

static void test_glances_end_when_there_are_rows_enough(int fd)
{
    unsigned char digests[3][DIGEST_BYTES];
    struct known known[4] = {
        known_now(fd, "empty", "", digests[0]),
        known_now(fd, "parent", "", digests[1]),
        known_now(fd, "parent", "", digests[2]),
        {.name = "parent", .salt = "", .digest = NULL},
    };
    static const size_t counts[][2] = {{0, 0}, {1, 2}, {5, 2}, {6, 3}, {10, 3}, {11, 4}, {SIZE_MAX, 4}};
    digests[1][0] ^= 1; /* what differs was listed, too */
    struct glimpse glimpses[4];
    for (size_t each = 0; each < sizeof counts / sizeof *counts; each++) {
        size_t count = glance_at_each(fd, known, 4, counts[each][0], glimpses);
        EXPECT(count == counts[each][1]);
        for (size_t at = 0; at < count; at++) {
            EXPECT(glimpses[at].is_as_it_was == (at == 0 || at == 2));
            free_glimpse(&glimpses[at]);
        }
    }
}

static void test_memory_that_runs_out_makes_a_glance_tell_nothing(int fd)
{
    unsigned char digest[DIGEST_BYTES];
    struct known known = known_now(fd, "parent", "salt", digest);
    struct glimpse glimpse;
    long refused = 0;
    for (;; refused++) {
        allocations_left = refused;
        glance(fd, &known, &glimpse);
        allocations_left = -1;
        if (glimpse.is_as_it_was)
            break;
        EXPECT(glimpse.inodes == NULL && refused < 100);
    }
    EXPECT(refused == 6); /* records, rows, columns, names, the target, subdirectories */
    free_glimpse(&glimpse);
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
    test_glance_tells_the_subdirectories_of_what_is_as_it_was(family);
    test_glance_tells_nothing_of_anything_else(family);
    test_glances_end_when_there_are_rows_enough(family);
    test_memory_that_runs_out_makes_a_glance_tell_nothing(family);
    close(family);
    close(folder);
    printf("%d problems\n", problems);
    return problems != 0;
}

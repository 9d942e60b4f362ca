/* The stride in C alone, for the sanitizers: every path through it, and memory that runs out at every
 * point.
 *
 * Usage: stride_test FOLDER, an empty directory. Prints what it did; 1: something is wrong,
 * and it says what. Built and run by tests/faults/test_native_lister_in_c.py.
 */
#include "../../dirsync/scan/native/stride.c" /* what is static there is tested, too */

#include "../../dirsync/scan/native/lister.c"
#include "../../dirsync/scan/native/standing.c"
#include "../../dirsync/scan/native/telling_rows.c"
#include "../../dirsync/scan/native/text.c"

#include "expect.h"

/* Trees */

static const struct timespec LONG_AGO[2] = {{1500000000, 1}, {1500000000, 1}};

static void make_file(int parent, const char *name, const char *data)
{
    int fd = openat(parent, name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    EXPECT(fd >= 0 && write(fd, data, strlen(data)) == (ssize_t)strlen(data));
    EXPECT(futimens(fd, LONG_AGO) == 0);
    close(fd);
}

static void make_link(int parent, const char *name, const char *target)
{
    EXPECT(symlinkat(target, parent, name) == 0);
    EXPECT(utimensat(parent, name, LONG_AGO, AT_SYMLINK_NOFOLLOW) == 0);
}

static int make_directory(int parent, const char *name)
{
    EXPECT(mkdirat(parent, name, 0755) == 0);
    return openat(parent, name, O_RDONLY | O_DIRECTORY);
}

/* Two directories with a family in each: a/b/c, with files and links on the way. */
static void make_family(int folder, const char *name, int *side)
{
    *side = make_directory(folder, name);
    int a = make_directory(*side, "a"), b = make_directory(a, "b"), c = make_directory(b, "c");
    make_file(a, "file", "1");
    make_file(a, "z-file", "1");
    make_link(a, "link", "there");
    make_link(b, "link", "elsewhere");
    make_file(c, "file", "1");
    EXPECT(utimensat(*side, "a", LONG_AGO, 0) == 0 && utimensat(a, "b", LONG_AGO, 0) == 0);
    EXPECT(utimensat(b, "c", LONG_AGO, 0) == 0);
    close(a);
    close(b);
    close(c);
}

static struct striding usual(void)
{
    return (struct striding){.size = true,
                             .mtime = true,
                             .ownership = true,
                             .hard_links = true,
                             .telling = ".ignore\0other",
                             .telling_length = sizeof ".ignore\0other",
                             .mark = ".dirsync-",
                             .levels = 32,
                             .most_rows = 1000};
}

static bool is_text(const struct text *text, const char *wanted, size_t length)
{
    return text->length == length && memcmp(text->bytes, wanted, length) == 0;
}

#define IS_TEXT(text, wanted) is_text(&(text), wanted, sizeof(wanted) - 1)

static const char *const A[] = {"a"};

/* Tests */

static void test_equal_directories_are_gone_through(int source, int destination)
{
    struct striding asked = usual();
    struct stride stride = {0};
    EXPECT(stride_through(&asked, source, destination, A, 1, &stride) == 0);
    EXPECT(stride.begun == 1 && stride.entries == 7 && stride.rows == 14 && stride.count == 0);
    EXPECT(stride.left.length == 0);
    free_stride(&stride);
    static const char left[3][6] = {"", "a/b", "a/b/c"};
    for (asked.levels = 0; asked.levels < 3; asked.levels++) {
        EXPECT(stride_through(&asked, source, destination, A, 1, &stride) == 0);
        EXPECT(stride.begun == (asked.levels > 0));
        EXPECT(asked.levels == 0 ? stride.left.length == 0
                                 : is_text(&stride.left, left[asked.levels], strlen(left[asked.levels]) + 1));
        free_stride(&stride);
    }
}

static void test_only_rows_that_tell_something_are_told(int source, int destination)
{
    struct striding asked = usual();
    struct stride stride = {0};
    int here = openat(source, "a", O_RDONLY), there = openat(destination, "a", O_RDONLY);
    make_file(here, "first", "1");
    make_file(there, "z", "1");
    EXPECT(unlinkat(there, "link", 0) == 0);
    make_link(there, "link", "other");
    make_link(here, "new-link", "to");
    EXPECT(stride_through(&asked, source, destination, A, 1, &stride) == 0);
    EXPECT(stride.count == 1 && stride.entries == 0 && stride.each[0].is_listed);
    const struct differing *told = &stride.each[0];
    EXPECT(told->new_entries == 6 && told->old_entries == 5);
    EXPECT(IS_TEXT(told->new.names, "b\0first\0link\0new-link") && told->new.rows == 4);
    EXPECT(IS_TEXT(told->old.names, "b\0link\0z") && told->old.rows == 3);
    EXPECT(IS_TEXT(told->new.targets, "there\0to") && IS_TEXT(told->old.targets, "other"));
    struct stat status;
    EXPECT(fstatat(there, "z", &status, 0) == 0 && number_in(&told->old, INO, 2) == status.st_ino);
    EXPECT(number_in(&told->old, NLINK, 2) == 1 && S_ISLNK(number_in(&told->old, MODE, 1)));
    free_stride(&stride);
    EXPECT(unlinkat(here, "first", 0) == 0 && unlinkat(there, "z", 0) == 0 && unlinkat(here, "new-link", 0) == 0);
    EXPECT(unlinkat(there, "link", 0) == 0);
    make_link(there, "link", "there");
    close(here);
    close(there);
}

static void test_names_that_tell_something_are_told(int source, int destination)
{
    static const struct {
        const char *name;
        bool tells;
    } names[] = {{".ignore", true}, {"other", true}, {".ignored", false}, {"ignore", false}, {"x.dirsync-y", true}};
    struct striding asked = usual();
    for (size_t each = 0; each < sizeof names / sizeof *names; each++) {
        struct stride stride = {0};
        int here = openat(source, "a", O_RDONLY), there = openat(destination, "a", O_RDONLY);
        make_file(here, names[each].name, "1");
        make_file(there, names[each].name, "1");
        EXPECT(stride_through(&asked, source, destination, A, 1, &stride) == 0);
        EXPECT((stride.count == 1) == names[each].tells);
        free_stride(&stride);
        EXPECT(linkat(here, names[each].name, here, "again", 0) == 0);
        make_file(there, "again", "1");
        EXPECT(stride_through(&asked, source, destination, A, 1, &stride) == 0);
        EXPECT(stride.count == 1 && stride.each[0].new.rows == 3 && stride.each[0].old.rows == 3);
        free_stride(&stride);
        EXPECT(unlinkat(here, names[each].name, 0) == 0 && unlinkat(there, names[each].name, 0) == 0);
        EXPECT(unlinkat(here, "again", 0) == 0 && unlinkat(there, "again", 0) == 0);
        close(here);
        close(there);
    }
}

static void test_what_cannot_be_listed_is_told_without_listings(int source, int destination)
{
    static const char *const names[] = {"a", "nowhere", "a/file", "", "a"};
    struct striding asked = usual();
    struct stride stride = {0};
    EXPECT(stride_through(&asked, source, destination, names, 5, &stride) == 0);
    EXPECT(stride.begun == 5 && stride.count == 3 && stride.entries == 14);
    for (size_t at = 0; at < stride.count; at++)
        EXPECT(!stride.each[at].is_listed && stride.each[at].new.rows == 0 && stride.each[at].old.rows == 0);
    EXPECT(IS_TEXT(stride.paths, "nowherea/file"));
    free_stride(&stride);
    EXPECT(stride_through(&asked, -1, destination, names, 1, &stride) == 0 && stride.count == 1);
    free_stride(&stride);
}

static void test_many_directories_that_differ_are_all_told(int source, int destination)
{
    int here = make_directory(source, "many"), there = make_directory(destination, "many");
    char each[100][12];
    const char *names[100];
    for (int number = 0; number < 100; number++) {
        snprintf(each[number], sizeof each[number], "%02d", number);
        names[number] = each[number];
        int one = make_directory(here, each[number]), other = make_directory(there, each[number]);
        make_file(one, "file", number % 2 ? "1" : "22");
        make_file(other, "file", "1");
        close(one);
        close(other);
    }
    struct striding asked = usual();
    struct stride stride = {0};
    EXPECT(stride_through(&asked, here, there, names, 100, &stride) == 0);
    EXPECT(stride.begun == 100 && stride.entries == 50 && stride.count == 50 && stride.paths.length == 100);
    free_stride(&stride);
    asked.most_rows = 21;
    EXPECT(stride_through(&asked, here, there, names, 100, &stride) == 0 && stride.begun == 11);
    free_stride(&stride);
    close(here);
    close(there);
}

/* Refuse one allocation after another. Gives how many there are; nothing is ever taken for equal that
 * is not. */
static long refuse_each(int source, int destination, bool once, long *told_without_listings)
{
    struct striding asked = usual();
    only_once = once;
    for (long refused = 0;; refused++) {
        struct stride stride = {0};
        allocations_left = refused;
        was_refused = false;
        int answer = stride_through(&asked, source, destination, A, 1, &stride);
        allocations_left = -1;
        EXPECT(answer != 0 || stride.count == 1);
        *told_without_listings += answer == 0 && !stride.each[0].is_listed;
        EXPECT(was_refused || (answer == 0 && stride.entries == 6 && IS_TEXT(stride.paths, "a/b/c")));
        free_stride(&stride);
        if (!was_refused || refused > 1000)
            return refused;
    }
}

static void test_memory_that_runs_out_hides_no_difference(int source, int destination)
{
    int there = openat(destination, "a/b/c", O_RDONLY);
    make_file(there, "file", "22");
    make_link(there, "new", "x");
    EXPECT(futimens(there, LONG_AGO) == 0);
    long never = 0, sometimes = 0;
    long from_then_on = refuse_each(source, destination, false, &never);
    long once = refuse_each(source, destination, true, &sometimes);
    EXPECT(from_then_on == once && once > 20 && once < 1000 && never == 0 && sometimes > 10);
    printf("memory ran out at %ld points, at %ld of them a directory was told without listings\n", once, sometimes);
    close(there);
}

int main(int count, char **arguments)
{
    if (count != 2 || chdir(arguments[1]) != 0) {
        printf("usage: stride_test FOLDER\n");
        return 2;
    }
    int folder = open(".", O_RDONLY | O_DIRECTORY), source, destination;
    make_family(folder, "source", &source);
    make_family(folder, "destination", &destination);
    test_equal_directories_are_gone_through(source, destination);
    test_only_rows_that_tell_something_are_told(source, destination);
    test_names_that_tell_something_are_told(source, destination);
    test_what_cannot_be_listed_is_told_without_listings(source, destination);
    test_many_directories_that_differ_are_all_told(source, destination);
    test_memory_that_runs_out_hides_no_difference(source, destination);
    close(source);
    close(destination);
    close(folder);
    printf("%d problems\n", problems);
    return problems != 0;
}

/* The limit of a comparison: both trees walked at once, one process each, and nothing done with what
 * is seen.
 *
 * Usage: limit DIRECTORY [DIRECTORY…]. For each directory one openat, getdents64 until it gives
 * nothing, and one close; for each entry one statx. Prints how many entries each tree has; 1:
 * something could not be seen. No program that asks of every entry what it is can do with less,
 * but for more processors.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM ((size_t)32768)

struct record {
    uint64_t ino;
    int64_t offset;
    uint16_t length;
    uint8_t kind;
    char name[];
};

struct names {
    char *bytes; /* each ends with NUL */
    size_t length;
    size_t capacity;
};

static void give_up(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(struct names *names, const char *name)
{
    size_t length = strlen(name) + 1;
    if (names->capacity - names->length < length) {
        names->capacity = names->capacity * 2 + length;
        names->bytes = realloc(names->bytes, names->capacity);
        if (names->bytes == NULL)
            give_up("memory");
    }
    memcpy(names->bytes + names->length, name, length);
    names->length += length;
}

static int is_entry(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Ask what each entry in some records is, and note the directories. Gives how many entries there are. */
static long look(int fd, const char *records, long length, struct names *directories)
{
    long count = 0;
    for (long at = 0; at < length; at += ((const struct record *)(records + at))->length) {
        const char *name = ((const struct record *)(records + at))->name;
        struct statx status;
        if (!is_entry(name))
            continue;
        if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &status) != 0)
            give_up(name);
        if (S_ISDIR(status.stx_mode))
            add(directories, name);
        count++;
    }
    return count;
}

static long walk(int parent, const char *name)
{
    _Alignas(struct record) char records[ROOM];
    struct names directories = {0};
    long count = 0, length;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        give_up(name);
    while ((length = syscall(SYS_getdents64, fd, records, ROOM)) > 0)
        count += look(fd, records, length, &directories);
    if (length < 0)
        give_up(name);
    for (size_t at = 0; at < directories.length; at += strlen(directories.bytes + at) + 1)
        count += walk(fd, directories.bytes + at);
    free(directories.bytes);
    close(fd);
    return count;
}

int main(int count, char **roots)
{
    int failed = count < 2;
    for (int root = 1; root < count; root++) {
        pid_t child = fork();
        if (child < 0)
            give_up("fork");
        if (child == 0) {
            printf("%s: %ld entries\n", roots[root], walk(AT_FDCWD, roots[root]));
            return 0;
        }
    }
    for (int status; wait(&status) > 0;)
        failed |= status != 0;
    return failed;
}

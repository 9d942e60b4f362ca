/* See glance.h for what this promises. */
#define _GNU_SOURCE

#include "glance.h"

#include "blake2b.h"
#include "lister.h"
#include "standing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_NUMBER 21 /* 64 bits in decimal, and NUL */
#define FIRST_PLACES ((size_t)64)

/* Where a glance is. */
struct descent {
    const struct glancing *asked;
    struct glance *told;
    struct text path; /* of the directory at hand */
};

static int look(struct descent *at, int parent, struct named named, size_t levels);

/* Telling */

/* Note where the directory at hand is. Gives 0, or -1. */
static int note(struct descent *at, struct places *places, uint64_t ino)
{
    if (places->count == places->capacity) {
        size_t capacity = places->capacity == 0 ? FIRST_PLACES : places->capacity * 2;
        struct place *each = realloc(places->each, capacity * sizeof *each);
        if (each == NULL)
            return -1;
        places->each = each;
        places->capacity = capacity;
    }
    struct place place = {.path_at = places->paths.length, .path_length = at->path.length, .ino = ino};
    if (add_bytes(&places->paths, at->path.bytes, at->path.length) != 0)
        return -1;
    places->each[places->count++] = place;
    return 0;
}

/* Comparing */

static size_t column_bytes(const struct listing *listing, enum column column)
{
    return listing->rows * column_width[column];
}

static void digest_listing(const struct listing *listing, const struct glancing *asked, uint64_t ino,
                           unsigned char digest[DIGEST_BYTES])
{
    struct digesting state;
    char number[LONGEST_NUMBER];
    int digits = snprintf(number, sizeof number, "%" PRIu64, ino);
    begin_digest(&state);
    add_to_digest(&state, listing->names.bytes, listing->names.length);
    for (enum column column = MODE; column <= INO; column++)
        add_to_digest(&state, listing->columns[column], column_bytes(listing, column));
    add_to_digest(&state, listing->targets.bytes, listing->targets.length);
    add_to_digest(&state, asked->salt, asked->salt_length);
    add_to_digest(&state, number, (size_t)digits);
    end_digest(&state, digest);
}

static bool is_as_it_was(const struct listing *listing, const struct glancing *asked, uint64_t ino,
                         const unsigned char *expected)
{
    unsigned char digest[DIGEST_BYTES];
    digest_listing(listing, asked, ino, digest);
    return memcmp(digest, expected, DIGEST_BYTES) == 0;
}

/* Going on */

static bool is_to_enter(const struct listing *listing, size_t row, const struct glancing *asked)
{
    if (!S_ISDIR(number_in(listing, MODE, row)))
        return false;
    return !asked->has_device || number_in(listing, DEV, row) == asked->device;
}

/* Go on to what is in the directory at hand; `name`, of which that is part of the path, ends with NUL. */
static int enter(struct descent *at, int fd, struct named named, size_t levels)
{
    size_t outside = at->path.length;
    if (add_bytes(&at->path, named.name, strlen(named.name)) != 0)
        return -1;
    int answer = levels == 0 || at->told->rows >= at->asked->most_rows
                     ? note(at, &at->told->left, named.ino)
                     : look(at, fd, named, levels);
    at->path.length = outside;
    return answer;
}

static int enter_each(struct descent *at, int fd, struct listing *listing, size_t levels)
{
    size_t outside = at->path.length;
    if (listing->rows == 0)
        return 0;
    if (make_room(&listing->names, 1) != 0 || add_bytes(&at->path, "/", 1) != 0)
        return -1;
    listing->names.bytes[listing->names.length] = '\0'; /* behind the last name, too */
    const char *name = listing->names.bytes;
    int answer = 0;
    for (size_t row = 0; answer == 0 && row < listing->rows; row++) {
        if (is_to_enter(listing, row, at->asked))
            answer = enter(at, fd, (struct named){.name = name, .ino = number_in(listing, INO, row)}, levels);
        name += strlen(name) + 1;
    }
    at->path.length = outside;
    return answer;
}

/* Glance at the directory at hand, and go on. Gives 0, or -1. */
static int look(struct descent *at, int parent, struct named named, size_t levels)
{
    const unsigned char *expected = find_digest(at->asked->digests, at->path.bytes, at->path.length);
    int fd = expected == NULL ? -1 : open_directory(parent, named.name);
    if (fd < 0)
        return note(at, &at->told->differing, named.ino);
    struct listing listing;
    bool is_listed = list_once(fd, &listing) == LISTED;
    int answer;
    if (is_listed)
        at->told->rows += listing.rows;
    if (is_listed && is_as_it_was(&listing, at->asked, named.ino, expected)) {
        at->told->entries += listing.rows;
        answer = enter_each(at, fd, &listing, levels - 1);
    } else {
        answer = note(at, &at->told->differing, named.ino);
    }
    if (is_listed)
        free_listing(&listing);
    (void)close(fd); /* nothing was written through it */
    return answer;
}

int glance_at(const struct glancing *asked, int parent, const struct text *path, const struct named *named,
              size_t count, struct glance *glance)
{
    struct descent at = {.asked = asked, .told = glance};
    int answer = add_bytes(&at.path, path->bytes, path->length);
    leave_home();
    for (size_t each = 0; answer == 0 && each < count; each++)
        answer = enter(&at, parent, named[each], asked->levels);
    return_home();
    free(at.path.bytes);
    return answer;
}

static void free_places(struct places *places)
{
    free(places->paths.bytes);
    free(places->each);
}

void free_glance(struct glance *glance)
{
    free_places(&glance->differing);
    free_places(&glance->left);
    *glance = (struct glance){0};
}

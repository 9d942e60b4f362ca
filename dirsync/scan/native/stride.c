/* See stride.h for what this promises. */
#define _GNU_SOURCE

#include "stride.h"

#include "standing.h"
#include "telling_rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DIFFERING ((size_t)16)

/* Where a stride is. */
struct marching {
    const struct striding *asked;
    struct stride *told;
    struct text path; /* of the directory at hand */
};

/* One directory on both sides. */
struct pair {
    int source, destination; /* handles; -1: it could not be opened */
    bool is_listed;
    int64_t ctime_ns;
    struct listing new, old;
};

static int look(struct marching *at, int source, int destination, const char *name, size_t levels);

/* Telling */

/* Tell of the directory at hand, and take over its listings. Gives 0, or -1. */
static int tell(struct marching *at, struct pair *pair)
{
    struct stride *told = at->told;
    size_t new_entries = pair->new.rows, old_entries = pair->old.rows;
    if (pair->is_listed && keep_telling_rows(&pair->new, &pair->old, at->asked) != 0)
        return -1;
    if (told->count == told->capacity) {
        size_t capacity = told->capacity == 0 ? FIRST_DIFFERING : told->capacity * 2;
        struct differing *each = realloc(told->each, capacity * sizeof *each);
        if (each == NULL)
            return -1;
        told->each = each;
        told->capacity = capacity;
    }
    size_t path_at = told->paths.length;
    if (add_bytes(&told->paths, at->path.bytes, at->path.length) != 0)
        return -1;
    told->each[told->count++] = (struct differing){
        .path_at = path_at,
        .path_length = at->path.length,
        .is_listed = pair->is_listed,
        .ctime_ns = pair->ctime_ns,
        .new_entries = new_entries,
        .old_entries = old_entries,
        .new = pair->new,
        .old = pair->old,
    };
    pair->new = pair->old = (struct listing){0};
    return 0;
}

/* Leave the directory at hand for another stride. Gives 0, or -1. */
static int leave(struct marching *at)
{
    if (add_bytes(&at->told->left, at->path.bytes, at->path.length) != 0)
        return -1;
    return add_bytes(&at->told->left, "", 1);
}

/* Comparing */

static bool same_column(const struct pair *pair, enum column column)
{
    size_t length = pair->new.rows * column_width[column];
    return memcmp(pair->new.columns[column], pair->old.columns[column], length) == 0;
}

static bool same_text(const struct text *one, const struct text *other)
{
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->bytes, other->bytes, one->length) == 0);
}

static bool same_columns(const struct pair *pair, const struct striding *asked)
{
    if (pair->new.rows != pair->old.rows)
        return false;
    if (pair->new.rows == 0)
        return true;
    return same_text(&pair->new.names, &pair->old.names) && same_column(pair, MODE) &&
           same_text(&pair->new.targets, &pair->old.targets) && (!asked->size || same_column(pair, SIZE)) &&
           (!asked->mtime || same_column(pair, MTIME_NS)) &&
           (!asked->ownership || (same_column(pair, UID) && same_column(pair, GID)));
}

static bool has_file_of_several_names(const struct listing *listing)
{
    for (size_t row = 0; row < listing->rows; row++)
        if (S_ISREG(number_in(listing, MODE, row)) && number_in(listing, NLINK, row) != 1)
            return true;
    return false;
}

/* Whether a listing has a name; `name` ends with NUL. */
static bool has_name(const struct listing *listing, const char *name)
{
    const char *at = listing->names.bytes, *end = at + listing->names.length;
    size_t length = strlen(name);
    while (at < end) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        size_t found = (size_t)((nul == NULL ? end : nul) - at);
        if (found == length && memcmp(at, name, length) == 0)
            return true;
        at += found + 1;
    }
    return false;
}

static bool has_telling_name(const struct listing *listing, const struct striding *asked)
{
    const char *end = asked->telling + asked->telling_length;
    for (const char *name = asked->telling; name < end; name += strlen(name) + 1)
        if (has_name(listing, name))
            return true;
    return false;
}

static bool has_mark(const struct listing *listing, const struct striding *asked)
{
    return listing->rows > 0 &&
           memmem(listing->names.bytes, listing->names.length, asked->mark, strlen(asked->mark)) != NULL;
}

/* Whether there is nothing to decide about two listings. What is asked of one of two with equal
 * names need not be asked of the other. */
static bool is_equal(const struct pair *pair, const struct striding *asked)
{
    return same_columns(pair, asked) && !has_mark(&pair->old, asked) && !has_telling_name(&pair->new, asked) &&
           !(asked->hard_links &&
             (has_file_of_several_names(&pair->new) || has_file_of_several_names(&pair->old)));
}

/* Going on */

/* List both sides, where both are open. */
static void list(struct pair *pair)
{
    if (pair->source < 0 || pair->destination < 0 || ctime_of(pair->source, &pair->ctime_ns) != 0)
        return;
    if (list_once(pair->source, &pair->new) != LISTED)
        return;
    if (list_once(pair->destination, &pair->old) == LISTED)
        pair->is_listed = true;
    else
        free_listing(&pair->new);
}

/* Go on to a subdirectory of the one at hand, or leave it. Gives 0, or -1. */
static int enter(struct marching *at, const struct pair *pair, const char *name, size_t levels)
{
    size_t outside = at->path.length;
    if (add_bytes(&at->path, name, strlen(name)) != 0)
        return -1;
    int answer = levels == 0 || at->told->rows >= at->asked->most_rows
                     ? leave(at)
                     : look(at, pair->source, pair->destination, name, levels);
    at->path.length = outside;
    return answer;
}

static bool is_to_enter(const struct listing *listing, size_t row, const struct striding *asked)
{
    if (!S_ISDIR(number_in(listing, MODE, row)))
        return false;
    return !asked->has_device || number_in(listing, DEV, row) == asked->device;
}

/* Go on to each subdirectory of an equal directory. Gives 0, or -1. */
static int enter_each(struct marching *at, struct pair *pair, size_t levels)
{
    size_t outside = at->path.length;
    struct listing *listing = &pair->new;
    if (listing->rows == 0)
        return 0;
    if (make_room(&listing->names, 1) != 0 || add_bytes(&at->path, "/", 1) != 0)
        return -1;
    listing->names.bytes[listing->names.length] = '\0'; /* behind the last name, too */
    const char *name = listing->names.bytes;
    int answer = 0;
    for (size_t row = 0; answer == 0 && row < listing->rows; row++) {
        if (is_to_enter(listing, row, at->asked))
            answer = enter(at, pair, name, levels);
        name += strlen(name) + 1;
    }
    at->path.length = outside;
    return answer;
}

/* Look at the directory at hand, and go on. Gives 0, or -1. */
static int look(struct marching *at, int source, int destination, const char *name, size_t levels)
{
    struct pair pair = {.source = open_directory(source, name), .destination = open_directory(destination, name)};
    list(&pair);
    at->told->rows += pair.new.rows + pair.old.rows;
    int answer;
    if (pair.is_listed && is_equal(&pair, at->asked)) {
        at->told->entries += pair.new.rows;
        answer = enter_each(at, &pair, levels - 1);
    } else {
        answer = tell(at, &pair);
    }
    free_listing(&pair.new);
    free_listing(&pair.old);
    if (pair.source >= 0)
        (void)close(pair.source); /* nothing was written through either */
    if (pair.destination >= 0)
        (void)close(pair.destination);
    return answer;
}

int stride_through(const struct striding *asked, int source, int destination, const char *const *names,
                   size_t count, struct stride *stride)
{
    struct marching at = {.asked = asked, .told = stride};
    int answer = 0;
    leave_home();
    while (answer == 0 && stride->begun < count && asked->levels > 0 && stride->rows < asked->most_rows) {
        const char *name = names[stride->begun++];
        at.path.length = 0;
        answer = add_bytes(&at.path, name, strlen(name));
        if (answer == 0)
            answer = look(&at, source, destination, name, asked->levels);
    }
    return_home();
    free(at.path.bytes);
    return answer;
}

void free_stride(struct stride *stride)
{
    for (size_t at = 0; at < stride->count; at++) {
        free_listing(&stride->each[at].new);
        free_listing(&stride->each[at].old);
    }
    free(stride->each);
    free(stride->paths.bytes);
    free(stride->left.bytes);
    *stride = (struct stride){0};
}

/* See telling_rows.h for what this promises. */
#define _GNU_SOURCE

#include "telling_rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A row of a listing, and what has no column. */
struct cursor {
    const struct listing *listing;
    size_t row;
    const char *name, *target; /* not NUL-terminated: another one may follow, or nothing */
    size_t name_length, target_length;
};

/* Text that is joined by NUL */

static size_t length_of(const struct text *text, const char *at)
{
    size_t left = (size_t)(text->bytes + text->length - at);
    const char *nul = memchr(at, '\0', left);
    return nul == NULL ? left : (size_t)(nul - at);
}

static bool is_link(const struct cursor *at)
{
    return S_ISLNK(number_in(at->listing, MODE, at->row));
}

/* Measure the name, and the target if the row has one. */
static void measure(struct cursor *at)
{
    if (at->row == at->listing->rows)
        return;
    at->name_length = length_of(&at->listing->names, at->name);
    at->target_length = is_link(at) ? length_of(&at->listing->targets, at->target) : 0;
}

static struct cursor first_of(const struct listing *listing)
{
    struct cursor at = {.listing = listing, .name = listing->names.bytes, .target = listing->targets.bytes};
    measure(&at);
    return at;
}

static void advance(struct cursor *at)
{
    if (is_link(at))
        at->target += at->target_length + 1;
    at->name += at->name_length + 1;
    at->row++;
    measure(at);
}

/* Comparing */

/* Compare the names at hand as listings are sorted; one that has no more comes last. */
static int compare_names(const struct cursor *one, const struct cursor *other)
{
    if (one->row == one->listing->rows || other->row == other->listing->rows)
        return (one->row == one->listing->rows) - (other->row == other->listing->rows);
    size_t shorter = one->name_length < other->name_length ? one->name_length : other->name_length;
    int order = memcmp(one->name, other->name, shorter);
    if (order != 0)
        return order;
    return (one->name_length > other->name_length) - (one->name_length < other->name_length);
}

static bool same_number(const struct cursor *new, const struct cursor *old, enum column column)
{
    return number_in(new->listing, column, new->row) == number_in(old->listing, column, old->row);
}

static bool same_row(const struct cursor *new, const struct cursor *old, const struct striding *asked)
{
    return same_number(new, old, MODE) && (!asked->size || same_number(new, old, SIZE)) &&
           (!asked->mtime || same_number(new, old, MTIME_NS)) &&
           (!asked->ownership || (same_number(new, old, UID) && same_number(new, old, GID))) &&
           new->target_length == old->target_length &&
           (new->target_length == 0 || memcmp(new->target, old->target, new->target_length) == 0);
}

static bool is_telling_name(const struct cursor *at, const struct striding *asked)
{
    const char *end = asked->telling + asked->telling_length;
    for (const char *name = asked->telling; name < end; name += strlen(name) + 1)
        if (strlen(name) == at->name_length && memcmp(name, at->name, at->name_length) == 0)
            return true;
    return memmem(at->name, at->name_length, asked->mark, strlen(asked->mark)) != NULL;
}

static bool has_several_names(const struct cursor *at)
{
    return S_ISREG(number_in(at->listing, MODE, at->row)) && number_in(at->listing, NLINK, at->row) != 1;
}

/* Whether rows of one name tell something. */
static bool is_telling(const struct cursor *new, const struct cursor *old, const struct striding *asked)
{
    return !same_row(new, old, asked) || S_ISDIR(number_in(new->listing, MODE, new->row)) ||
           is_telling_name(new, asked) ||
           (asked->hard_links && (has_several_names(new) || has_several_names(old)));
}

/* Leaving out */

/* Mark the rows of both sides that tell something. */
static void mark_telling(const struct listing *new, const struct listing *old, const struct striding *asked,
                         bool *of_new, bool *of_old)
{
    struct cursor here = first_of(new), there = first_of(old);
    while (here.row < new->rows || there.row < old->rows) {
        int order = compare_names(&here, &there);
        bool tells = order != 0 || is_telling(&here, &there, asked);
        if (order <= 0) {
            of_new[here.row] = tells;
            advance(&here);
        }
        if (order >= 0) {
            of_old[there.row] = tells;
            advance(&there);
        }
    }
}

/* Move a part of a text behind what is kept of it, which ends before that. */
static void keep_part(struct text *text, size_t *kept, const char *part, size_t length, bool is_first)
{
    if (!is_first)
        text->bytes[(*kept)++] = '\0';
    memmove(text->bytes + *kept, part, length);
    *kept += length;
}

static void keep_numbers(struct listing *listing, size_t from, size_t to)
{
    for (enum column column = MODE; column < COLUMNS; column++) {
        size_t width = column_width[column];
        memmove(listing->columns[column] + to * width, listing->columns[column] + from * width, width);
    }
}

/* Keep the marked rows of a listing, in its own memory. */
static void keep(struct listing *listing, const bool *marked)
{
    size_t rows = 0, names = 0, links = 0, targets = 0;
    struct cursor at = first_of(listing);
    while (at.row < listing->rows) {
        struct cursor row = at;
        bool links_on = is_link(&row);
        advance(&at); /* before anything is moved over what it looks at */
        if (!marked[row.row])
            continue;
        keep_part(&listing->names, &names, row.name, row.name_length, rows == 0);
        if (links_on)
            keep_part(&listing->targets, &targets, row.target, row.target_length, links++ == 0);
        keep_numbers(listing, row.row, rows++);
    }
    listing->rows = rows;
    listing->names.length = names;
    listing->targets.length = targets;
}

int keep_telling_rows(struct listing *new, struct listing *old, const struct striding *asked)
{
    bool *marks = calloc(new->rows + old->rows + 1, sizeof *marks); /* never nothing, which may be NULL */
    if (marks == NULL)
        return -1;
    bool *of_old = marks + new->rows;
    mark_telling(new, old, asked, marks, of_old);
    keep(new, marks);
    keep(old, of_old);
    free(marks);
    return 0;
}

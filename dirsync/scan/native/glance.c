/* See glance.h for what this promises. */
#include "glance.h"

#include "blake2b.h"
#include "lister.h"

#include <stdlib.h>
#include <string.h>

#define KIND 0xf0 /* the bits of the second byte of a mode that name the kind */
#define DIRECTORY 0x40

static size_t column_bytes(const struct listing *listing, enum column column)
{
    return listing->rows * column_width[column];
}

static void digest_listing(const struct listing *listing, const struct known *known,
                           unsigned char digest[DIGEST_BYTES])
{
    struct digesting state;
    begin_digest(&state);
    add_to_digest(&state, listing->names.bytes, listing->names.length);
    for (enum column column = MODE; column <= INO; column++)
        add_to_digest(&state, listing->columns[column], column_bytes(listing, column));
    add_to_digest(&state, listing->targets.bytes, listing->targets.length);
    add_to_digest(&state, known->salt, known->salt_length);
    end_digest(&state, digest);
}

static bool is_directory(const struct listing *listing, size_t row)
{
    return (listing->columns[MODE][column_width[MODE] * row + 1] & KIND) == DIRECTORY;
}

static size_t count_subdirectories(const struct listing *listing)
{
    size_t count = 0;
    for (size_t row = 0; row < listing->rows; row++)
        count += (size_t)is_directory(listing, row);
    return count;
}

/* Lay the columns and the names out in one block. Gives 0, or -1 where memory ran out. */
static int make_block(size_t subdirectories, size_t names_length, struct glimpse *glimpse)
{
    size_t width = column_width[INO] + column_width[DEV];
    unsigned char *block = malloc(subdirectories * width + names_length);
    if (block == NULL)
        return -1;
    glimpse->subdirectories = subdirectories;
    glimpse->inodes = block;
    glimpse->devices = block + subdirectories * column_width[INO];
    glimpse->names = (char *)block + subdirectories * width;
    return 0;
}

/* Copy the number in a row of a column, and step behind the copy. */
static void copy_number(const struct listing *listing, enum column column, size_t row, unsigned char **to)
{
    size_t width = column_width[column];
    memcpy(*to, listing->columns[column] + row * width, width);
    *to += width;
}

/* Copy what is told of the subdirectories; there is room for it. */
static void copy_subdirectories(const struct listing *listing, struct glimpse *glimpse)
{
    unsigned char *inode = glimpse->inodes, *device = glimpse->devices;
    const char *name = listing->names.bytes, *end = name + listing->names.length;
    for (size_t row = 0; row < listing->rows; row++) {
        const char *nul = memchr(name, '\0', (size_t)(end - name));
        size_t length = (size_t)((nul == NULL ? end : nul) - name);
        if (is_directory(listing, row)) {
            if (inode != glimpse->inodes)
                glimpse->names[glimpse->names_length++] = '\0';
            memcpy(glimpse->names + glimpse->names_length, name, length);
            glimpse->names_length += length;
            copy_number(listing, INO, row, &inode);
            copy_number(listing, DEV, row, &device);
        }
        if (nul != NULL)
            name = nul + 1;
    }
}

/* Tell what a listing that has the digest on record has in it. Gives whether that is so. */
static bool recognize(const struct listing *listing, const struct known *known, struct glimpse *glimpse)
{
    unsigned char digest[DIGEST_BYTES];
    digest_listing(listing, known, digest);
    if (memcmp(digest, known->digest, DIGEST_BYTES) != 0)
        return false;
    size_t subdirectories = count_subdirectories(listing);
    if (subdirectories == 0)
        return true;
    if (make_block(subdirectories, listing->names.length, glimpse) != 0)
        return false;
    copy_subdirectories(listing, glimpse);
    return true;
}

void glance(int parent, const struct known *known, struct glimpse *glimpse)
{
    *glimpse = (struct glimpse){0};
    struct listing listing;
    if (known->digest == NULL || list_subdirectory(parent, known->name, &listing) != LISTED)
        return;
    glimpse->rows = listing.rows;
    glimpse->is_as_it_was = recognize(&listing, known, glimpse);
    free_listing(&listing);
}

size_t glance_at_each(int parent, const struct known *known, size_t count, size_t most_rows,
                      struct glimpse *glimpses)
{
    size_t rows = 0, at = 0;
    while (at < count && rows < most_rows) {
        glance(parent, &known[at], &glimpses[at]);
        rows += glimpses[at++].rows;
    }
    return at;
}

void free_glimpse(struct glimpse *glimpse)
{
    free(glimpse->inodes);
    *glimpse = (struct glimpse){0};
}

/* See digests.h for what this promises. */
#include "digests.h"

#include "blake2b.h"

#include <string.h>

#define KEY_BYTES ((size_t)4)
#define RECORD_BYTES (KEY_BYTES + DIGEST_BYTES)
#define BUCKET_BITS 32 /* of the hash, of which the upper ones name the bucket */

static size_t number_at(const unsigned char *numbers, size_t at)
{
    uint32_t number; /* as this machine has it: no other reads what is packed */
    memcpy(&number, numbers + at * KEY_BYTES, KEY_BYTES);
    return number;
}

int open_digests(const unsigned char *packed, size_t length, struct digests *digests)
{
    if (length == 0 || packed[0] == 0 || packed[0] > BUCKET_BITS)
        return -1;
    size_t keys_at = 1 + KEY_BYTES * (((size_t)1 << (BUCKET_BITS - packed[0])) + 1);
    if (length < keys_at || (length - keys_at) % RECORD_BYTES != 0)
        return -1;
    digests->shift = packed[0];
    digests->count = (length - keys_at) / RECORD_BYTES;
    digests->starts = packed + 1;
    digests->keys = packed + keys_at;
    digests->digests = digests->keys + KEY_BYTES * digests->count;
    return 0;
}

static uint32_t half_of(const unsigned char hash[DIGEST_BYTES], int first)
{
    const unsigned char *half = hash + first;
    return (uint32_t)half[0] << 24 | (uint32_t)half[1] << 16 | (uint32_t)half[2] << 8 | half[3];
}

const unsigned char *find_digest(const struct digests *digests, const void *path, size_t length)
{
    struct digesting state;
    unsigned char hash[DIGEST_BYTES];
    begin_digest(&state);
    add_to_digest(&state, path, length);
    end_digest(&state, hash);
    size_t bucket = (size_t)((uint64_t)half_of(hash, 0) >> digests->shift);
    uint32_t key = half_of(hash, 4);
    size_t end = number_at(digests->starts, bucket + 1);
    if (end > digests->count)
        end = digests->count;
    for (size_t at = number_at(digests->starts, bucket); at < end; at++)
        if (number_at(digests->keys, at) == key)
            return digests->digests + at * DIGEST_BYTES;
    return NULL;
}

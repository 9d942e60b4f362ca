/* BLAKE2b without a key, as RFC 7693 has it: a digest of bytes that come piece by piece.
 *
 * Use        begin_digest, then add_to_digest any number of times, then end_digest once.
 *            Where the pieces begin and end makes no difference, and they need no alignment.
 * Digest     DIGEST_BYTES of it. That is another digest than the beginning of a longer one.
 * Memory     The state is the caller's, holds no pointer, and needs no giving back.
 * Threads    Any number at once, each with a state of its own.
 */
#ifndef DIRSYNC_BLAKE2B_H
#define DIRSYNC_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 16
#define BLOCK_BYTES 128

struct digesting {
    uint64_t hash[8];
    uint64_t taken[2]; /* bytes that are in the hash, the lower half first */
    size_t waiting;    /* bytes in the block: up to all of it, for the last one is special */
    unsigned char block[BLOCK_BYTES];
};

void begin_digest(struct digesting *state);

void add_to_digest(struct digesting *state, const void *bytes, size_t length);

void end_digest(struct digesting *state, unsigned char digest[DIGEST_BYTES]);

#endif

/* See blake2b.h for what this promises. The names in capitals are the RFC's. */
#include "blake2b.h"

#include <string.h>

/* RFC 7693, 2.6: the first 64 bits behind the points of the square roots of 2, 3, 5 … 19. */
static const uint64_t IV[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static uint64_t turned(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word = 0;
    for (int byte = 0; byte < 8; byte++)
        word |= (uint64_t)bytes[byte] << (8 * byte);
    return word;
}

/* 3.1: half of G: mix a word of the message into four of the state. A macro, as the rest of a
 * round, so that each index is a constant and the state stays in registers. */
#define HALF_G(a, b, c, d, x, bits, more_bits)                                  \
    do {                                                                        \
        v[a] += v[b] + m[x];                                                    \
        v[d] = turned(v[d] ^ v[a], bits);                                       \
        v[c] += v[d];                                                           \
        v[b] = turned(v[b] ^ v[c], more_bits);                                  \
    } while (0)

/* Four G that share no word of the state: side by side, for the processor does several things
 * at once. One after another they took a fifth longer. The letters are b, c and d of each. */
#define FOUR_G(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2, x3, y3) \
    do {                                                                        \
        HALF_G(0, b0, c0, d0, x0, 32, 24);                                      \
        HALF_G(1, b1, c1, d1, x1, 32, 24);                                      \
        HALF_G(2, b2, c2, d2, x2, 32, 24);                                      \
        HALF_G(3, b3, c3, d3, x3, 32, 24);                                      \
        HALF_G(0, b0, c0, d0, y0, 16, 63);                                      \
        HALF_G(1, b1, c1, d1, y1, 16, 63);                                      \
        HALF_G(2, b2, c2, d2, y2, 16, 63);                                      \
        HALF_G(3, b3, c3, d3, y3, 16, 63);                                      \
    } while (0)

/* 2.7 and 3.2: one round, down the columns and along the diagonals; its arguments are a row of SIGMA. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    do {                                                                        \
        FOUR_G(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, s0, s1, s2, s3, s4, s5, s6, s7); \
        FOUR_G(5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, s8, s9, s10, s11, s12, s13, s14, s15); \
    } while (0)

/* 3.2: take one block into the hash, of which `length` bytes are not padding. */
static void compress(struct digesting *state, const unsigned char *block, size_t length, int is_last)
{
    uint64_t m[16], v[16];
    state->taken[0] += length;
    state->taken[1] += state->taken[0] < length;
    for (int word = 0; word < 16; word++)
        m[word] = word_at(block + 8 * word);
    for (int word = 0; word < 8; word++) {
        v[word] = state->hash[word];
        v[word + 8] = IV[word];
    }
    v[12] ^= state->taken[0];
    v[13] ^= state->taken[1];
    if (is_last)
        v[14] = ~v[14];
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    for (int word = 0; word < 8; word++)
        state->hash[word] ^= v[word] ^ v[word + 8];
}

void begin_digest(struct digesting *state)
{
    memcpy(state->hash, IV, sizeof IV);
    state->hash[0] ^= 0x01010000 ^ DIGEST_BYTES; /* 2.5: depth and fan-out of 1, no key */
    state->taken[0] = state->taken[1] = 0;
    state->waiting = 0;
}

void add_to_digest(struct digesting *state, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        if (state->waiting == BLOCK_BYTES) { /* more follows: it is not the last one */
            compress(state, state->block, BLOCK_BYTES, 0);
            state->waiting = 0;
        }
        size_t part = BLOCK_BYTES - state->waiting;
        if (part > length)
            part = length;
        if (part == BLOCK_BYTES && length > BLOCK_BYTES) {
            compress(state, from, BLOCK_BYTES, 0); /* where it lies */
        } else {
            memcpy(state->block + state->waiting, from, part);
            state->waiting += part;
        }
        from += part;
        length -= part;
    }
}

void end_digest(struct digesting *state, unsigned char digest[DIGEST_BYTES])
{
    memset(state->block + state->waiting, 0, BLOCK_BYTES - state->waiting);
    compress(state, state->block, state->waiting, 1);
    for (int byte = 0; byte < DIGEST_BYTES; byte++)
        digest[byte] = (unsigned char)(state->hash[byte / 8] >> (8 * (byte % 8)));
}

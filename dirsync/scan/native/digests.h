/* The digests on record of a tree's directories, found by their paths.
 *
 * They are packed, and told apart, as dirsync/scan/digests.py says; bytes are read as they lie,
 * and need no alignment. Nothing is kept but the caller's bytes, which have to stay meanwhile:
 * any number of threads may search them at once.
 */
#ifndef DIRSYNC_DIGESTS_H
#define DIRSYNC_DIGESTS_H

#include <stddef.h>
#include <stdint.h>

struct digests {
    const unsigned char *starts;  /* of each bucket, and where the last one ends: u32 */
    const unsigned char *keys;    /* u32 a digest */
    const unsigned char *digests; /* DIGEST_BYTES each */
    size_t count;
    unsigned shift;
};

/* Take packed digests. Gives 0, or -1 where no such bytes are ever packed. */
int open_digests(const unsigned char *packed, size_t length, struct digests *digests);

/* Find the digest of a path: DIGEST_BYTES of the caller's bytes. NULL: none is on record.
 * Cost: one hash, and a look at one or two keys. */
const unsigned char *find_digest(const struct digests *digests, const void *path, size_t length);

#endif

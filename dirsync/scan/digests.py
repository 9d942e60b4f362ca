"""What the digest of every directory of a tree was, in 24 bytes a directory.

A directory is found by 64 bits of a hash of its path: the upper half says in which
bucket, the lower half which of the one or two there. Two paths that agree in all of
them do no harm: a digest that is not the directory's own does not equal what its
listing comes to, so the directory is compared, as if it had changed.

Packed, they are the number of bits by which a hash's upper half is shifted to name its
bucket (one byte), where each bucket starts and where the last one ends, the lower halves
in the order of the hashes (u32, as this machine has them), and the digests in that
order. `native/digests.c` finds them in the same bytes.
"""

from __future__ import annotations

import functools
import os
from array import array
from collections.abc import Iterable
from itertools import accumulate

from dirsync.model.listing import DIGEST_BYTES

_KEY_BYTES = 4
_RECORD_BYTES = _KEY_BYTES + DIGEST_BYTES
_HALF_BITS = 32
_LOWER_HALF = (1 << _HALF_BITS) - 1


class Digests:
    """The digests of one tree's directories; for worker processes, put where they can read them."""

    def __init__(self, packed: bytes, *, file: str | None = None) -> None:
        """Take what `packed_digests` gave; `file` holds the same."""
        self.packed = packed
        self._file = file
        self._shift = packed[0]
        keys_at = 1 + _KEY_BYTES * (_buckets(self._shift) + 1)
        count = (len(packed) - keys_at) // _RECORD_BYTES
        self._digests_at = keys_at + _KEY_BYTES * count
        whole = memoryview(packed)
        self._starts = array("I", whole[1:keys_at].tobytes())  # of each bucket, and where the last one ends
        self._keys = array("I", whole[keys_at : self._digests_at].tobytes())

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, path: bytes) -> bytes | None:
        """Give a directory's digest; None: it has none, or is not known."""
        key = _key_of(path)
        bucket = key >> _HALF_BITS >> self._shift
        try:
            at = self._keys.index(key & _LOWER_HALF, self._starts[bucket], self._starts[bucket + 1])
        except ValueError:
            return None
        beginning = self._digests_at + at * DIGEST_BYTES
        return self.packed[beginning : beginning + DIGEST_BYTES]

    def put_into(self, file: str) -> Digests:
        """Write them to a file; give those that other processes can be handed.

        Raises:
            OSError: it cannot be written.
        """
        with open(file, "wb") as opened:
            opened.write(self.packed)
        return Digests(self.packed, file=file)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel by the file's name; each process reads it once."""
        assert self._file is not None
        return _read_once, (self._file, os.stat(self._file).st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read_once(file: str, mtime_ns: int) -> Digests:
    with open(file, "rb") as opened:
        return Digests(opened.read(), file=file)


def packed_digests(digests: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """Pack the digests of paths as `Digests` finds them."""
    known = {_key_of(path): digest for path, digest in digests if digest and len(digest) == DIGEST_BYTES}
    keys = sorted(known)
    shift = _HALF_BITS - max(len(keys).bit_length() - 1, 0)
    lower_halves = array("I", [key & _LOWER_HALF for key in keys])
    columns = (_starts(keys, shift=shift).tobytes(), lower_halves.tobytes())
    return b"".join((bytes([shift]), *columns, *map(known.__getitem__, keys)))


def _key_of(path: bytes) -> int:
    """Give what a path is sorted and found by."""
    from hashlib import blake2b  # takes long to load, and most runs have no digests

    hashed = blake2b(path, digest_size=DIGEST_BYTES).digest()
    return int.from_bytes(hashed[: 2 * _KEY_BYTES], "big")


def _buckets(shift: int) -> int:
    """Count the buckets: as many as the bits tell apart that are left of an upper half."""
    return 1 << (_HALF_BITS - shift)


def _starts(keys: list[int], *, shift: int) -> array[int]:
    counts = array("I", bytes(_KEY_BYTES * (_buckets(shift) + 1)))
    for key in keys:
        counts[(key >> _HALF_BITS >> shift) + 1] += 1
    return array("I", accumulate(counts))

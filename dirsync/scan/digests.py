"""What the digest of every directory of a tree was, in 24 bytes a directory.

A directory is found by a hash of its path: its upper half says in which bucket, its lower
half which of the few there. Where two paths agree in both, there is one digest for them. That
does no harm: a digest that is not the directory's own does not equal what its listing comes to,
so the directory is compared, as if it had changed.

Packed, they are the number of bits by which a hash's upper half is shifted to name its
bucket (one byte), where each bucket starts and where the last one ends, the lower halves
in the order of the buckets (u32, as this machine has them), and the digests in that
order. `native/digests.c` finds them in the same bytes.
"""

from __future__ import annotations

import functools
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from operator import add

from dirsync.model.listing import DIGEST_BYTES

_KEY_BYTES = 4
_RECORD_BYTES = _KEY_BYTES + DIGEST_BYTES
_HALF_BITS = 32
_LOWER_HALF = (1 << _HALF_BITS) - 1
_MOST_A_BUCKET = 8  # rows, on average; packed anew, there are one or two
_MOST_BUCKETS_A_ROW = 8


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
        row = self._row_at(_place_of(path, shift=self._shift))
        return None if row is None else self._digests_of(row, row + 1)

    def altered(self, digests: Mapping[bytes, bytes | None]) -> bytes | None:
        """Pack them anew, with other digests of some paths, or none; no other path has to be known.

        None: there are too many for the buckets by now, or too few, so pack all of them.
        """
        altered = {_place_of(path, shift=self._shift): digest for path, digest in digests.items()}
        grown = array("i", bytes(_KEY_BYTES * len(self._starts)))
        keys, found, left_at = array("I"), [], 0
        for row, place, goes, digest in sorted(self._edit(*each) for each in altered.items()):
            keys += self._keys[left_at:row]
            found.append(self._digests_of(left_at, row))
            if digest:
                keys.append(place & _LOWER_HALF)
                found.append(digest)
            grown[(place >> _HALF_BITS) + 1] += bool(digest) - goes
            left_at = row + goes
        keys += self._keys[left_at:]
        found.append(self._digests_of(left_at, len(self)))
        buckets = _buckets(self._shift)
        if len(keys) > _MOST_A_BUCKET * buckets or buckets > _MOST_BUCKETS_A_ROW * len(keys):
            return None
        starts = array("I", map(add, self._starts, accumulate(grown)))
        return _packed(self._shift, starts, keys, found)

    def _edit(self, place: int, digest: bytes | None) -> tuple[int, int, int, bytes]:
        """Say at which row, at which place, whether that row goes, and what comes before the next one."""
        row = self._row_at(place)
        kept = digest if digest is not None and len(digest) == DIGEST_BYTES else b""
        if row is None:
            return self._starts[(place >> _HALF_BITS) + 1], place, 0, kept
        return row, place, 1, kept

    def _row_at(self, place: int) -> int | None:
        bucket = place >> _HALF_BITS
        try:
            return self._keys.index(place & _LOWER_HALF, self._starts[bucket], self._starts[bucket + 1])
        except ValueError:
            return None

    def _digests_of(self, start: int, end: int) -> bytes:
        beginning = self._digests_at
        return self.packed[beginning + start * DIGEST_BYTES : beginning + end * DIGEST_BYTES]

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
    shift = _HALF_BITS - max(len(known).bit_length() - 1, 0)
    keys = list(_of_rows(sorted(known), shift=shift))
    lower_halves = array("I", [key & _LOWER_HALF for key in keys])
    return _packed(shift, _starts(keys, shift=shift), lower_halves, map(known.__getitem__, keys))


def _of_rows(keys: list[int], *, shift: int) -> Iterator[int]:
    """Give the hashes in a list, in order, but for those that have their row in common with one before."""
    bucket, lower_halves = -1, set[int]()
    for key in keys:
        if key >> _HALF_BITS >> shift != bucket:
            bucket = key >> _HALF_BITS >> shift
            lower_halves.clear()
        if key & _LOWER_HALF not in lower_halves:
            lower_halves.add(key & _LOWER_HALF)
            yield key


def _packed(shift: int, starts: array[int], lower_halves: array[int], digests: Iterable[bytes]) -> bytes:
    return b"".join((bytes([shift]), starts.tobytes(), lower_halves.tobytes(), *digests))


def _place_of(path: bytes, *, shift: int) -> int:
    """Give the bucket of a path, and behind it, in 32 bits, the lower half: all by which a row is told."""
    key = _key_of(path)
    return (key >> _HALF_BITS >> shift) << _HALF_BITS | (key & _LOWER_HALF)


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

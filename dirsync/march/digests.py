"""What the digest of every directory of a tree was, in 24 bytes a directory.

A directory is found by a hash of its path. Two paths with one hash do no harm: a
digest that is not the directory's own does not equal what its listing comes to, so
the directory is compared, as if it had changed.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import os
from array import array
from collections.abc import Iterable

_KEY_BYTES = 8
_DIGEST_BYTES = 16
_RECORD_BYTES = _KEY_BYTES + _DIGEST_BYTES


class Digests:
    """The digests of one tree's directories; picklable: worker processes read its file."""

    def __init__(self, file: str) -> None:
        """Read what `written_digests` wrote."""
        self._file = file
        with open(file, "rb") as opened:
            count = os.fstat(opened.fileno()).st_size // _RECORD_BYTES
            self._keys = array("Q")
            self._keys.frombytes(opened.read(count * _KEY_BYTES))
            self._digests = opened.read(count * _DIGEST_BYTES)

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, path: bytes) -> bytes | None:
        """Give a directory's digest; None: it has none, or is not known."""
        key = _key_of(path)
        at = bisect.bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            return None
        return self._digests[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES]

    def __reduce__(self) -> tuple[object, ...]:
        """Travel by the file's name; each process reads it once."""
        return _read_once, (self._file, os.stat(self._file).st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read_once(file: str, mtime_ns: int) -> Digests:
    return Digests(file)


def written_digests(digests: Iterable[tuple[bytes, bytes | None]], *, file: str) -> Digests:
    """Write the digests of paths to a file, and give what finds them there.

    Raises:
        OSError: it cannot be written.
    """
    known = {_key_of(path): digest for path, digest in digests if digest is not None}
    keys = sorted(known)
    with open(file, "wb") as opened:
        opened.write(array("Q", keys).tobytes())
        opened.write(b"".join(map(known.__getitem__, keys)))
    return Digests(file)


def _key_of(path: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(path, digest_size=_KEY_BYTES).digest(), "little")

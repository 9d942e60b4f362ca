"""Naming content by its hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from dirsync.model.job import HashAlgorithm

_BLOCK_BYTES = 1 << 20


def hash_handle(handle: int, algorithm: HashAlgorithm, *, check: Callable[[], None]) -> bytes:
    """Hash an open file from its start to its end, in blocks of 1 MiB.

    `check` is called before each block, and may raise to stop.

    Raises:
        OSError: it cannot be read.
    """
    hasher = _hasher(algorithm)
    with open(os.dup(handle), "rb", buffering=0) as file:
        file.seek(0)
        block = bytearray(_BLOCK_BYTES)
        view = memoryview(block)
        while count := file.readinto(block):
            hasher.update(view[:count])
            check()
    return hasher.digest()


def _hasher(algorithm: HashAlgorithm) -> hashlib._Hash:
    match algorithm:
        case HashAlgorithm.BLAKE3:
            import blake3

            return blake3.blake3()  # type: ignore[return-value]
        case HashAlgorithm.SHA256:
            return hashlib.sha256()

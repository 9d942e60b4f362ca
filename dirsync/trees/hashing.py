"""Naming content by its hash."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dirsync.model.job import HashAlgorithm
from dirsync.trees import fsops

if TYPE_CHECKING:
    import hashlib

_BLOCK_BYTES = 1 << 20  # larger ones leave the processor's cache, smaller ones only cost calls
TICK_NS = 10_000_000  # two edits within one tick of the clock that stamps files leave the same ctime
# Linux writes changed pages to the disk after 30 s by itself (vm.dirty_expire_centisecs);
# until then a process that has them mapped goes on writing without moving the ctime.
_ON_DISK_AFTER_NS = 60_000_000_000


class Content(NamedTuple):
    """What an open file held when it was read."""

    hash: bytes
    status: os.stat_result  # of before it was read
    unchanged: bool  # size and times were the same afterwards
    certain: bool  # more than that: whoever edits the file later will have moved its ctime


def content_of_handle(
    handle: int,
    algorithm: HashAlgorithm,
    *,
    from_disk: bool = False,
    lasting: bool = True,
    check: Callable[[], None],
) -> Content:
    """Hash an open file, and tell whether its size and times stand for what was read.

    `from_disk`: what memory holds of the file is dropped first. `lasting` False: nobody relies on it
    later, so a young file is not written to its disk first, and nothing is certain. `check` is
    called before each block, and may raise to stop.

    Raises:
        OSError: it is no regular file, or cannot be read or, with `from_disk`, flushed.
    """
    settled = await_tick(os.fstat(handle).st_ctime_ns)
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "no regular file any more")
    flushed = lasting and _flush_if_young(handle, before, must=from_disk)
    if from_disk and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    name = hash_handle(handle, algorithm, check=check)
    unchanged = _same(before, os.fstat(handle))
    return Content(name, before, unchanged, settled and flushed and unchanged)


def await_tick(ctime_ns: int) -> bool:
    """Let the tick in which a file was last changed pass; False: its ctime lies in the future."""
    age_ns = time.time_ns() - ctime_ns
    if 0 <= age_ns < TICK_NS:
        time.sleep((TICK_NS - age_ns) / 1e9)
    return age_ns >= 0


def _flush_if_young(handle: int, status: os.stat_result, *, must: bool) -> bool:
    """Write a file that was changed lately to its disk; tell whether that went well."""
    if time.time_ns() - status.st_ctime_ns > _ON_DISK_AFTER_NS:
        return True
    with contextlib.nullcontext() if must else contextlib.suppress(OSError):
        fsops.sync_file(handle)
        return True
    return False


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def hash_handle(handle: int, algorithm: HashAlgorithm, *, check: Callable[[], None]) -> bytes:
    """Hash an open file from its start to its end; other threads run meanwhile.

    `check` is called after each block of `_BLOCK_BYTES`, and may raise to stop.

    Raises:
        OSError: it cannot be read.
    """
    hasher = _hasher(algorithm)
    for block in _blocks(handle):
        hasher.update(block)
        check()
    return hasher.digest()


class _Buffer(threading.local):
    """A thread's own place to read into: made once, for making it takes longer than a small file."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_BLOCK_BYTES))


_buffer = _Buffer()


def _blocks(handle: int) -> Iterator[memoryview]:
    """Give what an open file holds; a block is valid until the next is asked for."""
    view = _buffer.view
    if not hasattr(os, "preadv"):  # Windows
        with open(os.dup(handle), "rb", buffering=0) as file:
            file.seek(0)
            while count := file.readinto(view):
                yield view[:count]
        return
    offset = 0
    while count := os.preadv(handle, (view,), offset):
        yield view[:count]
        offset += count


def _hasher(algorithm: HashAlgorithm) -> hashlib._Hash:
    match algorithm:
        case HashAlgorithm.BLAKE3:
            import blake3

            return blake3.blake3()  # type: ignore[return-value]
        case HashAlgorithm.SHA256:
            import hashlib

            return hashlib.sha256()

"""Copying the bytes of one open file into another: cloned, else in kernel, holes kept.

The kernel moves the bytes (`FICLONE`, `copy_file_range`) where it can; where it
cannot, they pass through here. Progress is told, and a request to stop is looked
at, at least every `STEP_BYTES`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

from dirsync.trees import fsops, kernel

STEP_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20
_CLONE_FROM_BYTES = 16 << 10  # below, a clone costs more than it saves
_CANNOT = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM})

Told = Callable[[int], None]  # called with the bytes moved since the last call; may raise to stop


class DataCopier:
    """Copies file contents; learns once what the two file systems cannot do."""

    def __init__(self, *, sparse: bool) -> None:
        self.sparse = sparse
        self._may_clone = True
        self._may_copy_in_kernel = True

    def copy(self, source: int, destination: int, *, size: int, allocated: int, told: Told) -> bool:
        """Copy `size` bytes into an empty file; tell whether the source had as many.

        `allocated` is what the source takes on its disk, in bytes: less than `size`
        means holes.
        """
        if size >= _CLONE_FROM_BYTES and self._may_clone and self._clone(source, destination):
            told(size)
            return True
        if self.sparse and allocated < size:
            extents = data_extents(source, size)
            whole = all(self._copy_range(source, destination, start, end, told) for start, end in extents)
            fsops.set_size(destination, size=size)
            return whole
        return self._copy_range(source, destination, 0, size, told)

    def _clone(self, source: int, destination: int) -> bool:
        fsops.gate("clone")
        try:
            kernel.clone(source, destination)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            self._may_clone = False
        return self._may_clone

    def _copy_range(self, source: int, destination: int, start: int, end: int, told: Told) -> bool:
        while start < end:
            moved = self._move(source, destination, start, min(STEP_BYTES, end - start))
            if moved == 0:
                return False
            start += moved
            told(moved)
        return True

    def _move(self, source: int, destination: int, offset: int, count: int) -> int:
        fsops.gate("write")
        if self._may_copy_in_kernel:
            try:
                moved = os.copy_file_range(source, destination, count, offset, offset)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self._may_copy_in_kernel = False
            else:
                if moved:
                    return moved
        return _move_through_here(source, destination, offset, count)


def _move_through_here(source: int, destination: int, offset: int, count: int) -> int:
    """Read and write; also where the kernel claims an end that reading does not see (procfs)."""
    block = os.pread(source, min(count, _BUFFER_BYTES), offset)
    written = 0
    while written < len(block):
        written += os.pwrite(destination, memoryview(block)[written:], offset + written)
    return written


def data_extents(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the parts of a file that are no holes, as offsets from and to.

    Where the file system cannot tell, the whole file is data.

    Source: lseek(2), SEEK_DATA and SEEK_HOLE.
    """
    start = 0
    while start < size:
        try:
            start = os.lseek(handle, start, os.SEEK_DATA)
            end = min(os.lseek(handle, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            start, end = start, size
        if start < end:
            yield start, end
        start = end

"""System calls that Python does not offer: `renameat2`, `syncfs`, `FICLONE`.

Each raises `OSError(ENOSYS)` where the system does not have it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Any

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_FICLONE = 0x40049409

_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def exchange(fd: int, one: bytes, to: int, other: bytes) -> None:
    """Exchange names of two directories, or of one, in one atomic step.

    Raises:
        OSError: EINVAL or ENOSYS where the file system or the system cannot.

    Source: rename(2).
    """
    _rename2(fd, one, to, other, _RENAME_EXCHANGE)


def rename_to_free_name(fd: int, old: bytes, new: bytes) -> None:
    """Rename within a directory; never over something.

    Raises:
        FileExistsError: there is something at `new`.

    Source: rename(2).
    """
    move_to_free_name(fd, old, fd, new)


def move_to_free_name(fd_from: int, old: bytes, fd_to: int, new: bytes) -> None:
    """Rename from one directory to another; never over something.

    Raises:
        FileExistsError: there is something at `new`.
        OSError: EXDEV where the two are on different file systems.

    Source: rename(2).
    """
    _rename2(fd_from, old, fd_to, new, _RENAME_NOREPLACE)


def _rename2(fd: int, old: bytes, to: int, new: bytes, flags: int) -> None:
    if _libc is None or not hasattr(_libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _libc.renameat2(fd, old, to, new, flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(old), None, os.fsdecode(new))


def sync_file_system(fd: int) -> None:
    """Make everything written to the file system behind a handle durable.

    Raises:
        OSError: the kernel could not write something (since Linux 5.8 it says so).

    Source: syncfs(2).
    """
    if _libc is None:
        os.sync()
    elif _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def clone(source: int, destination: int) -> None:
    """Make a file share all its data with another, copied on write.

    Raises:
        OSError: EOPNOTSUPP, EXDEV, EINVAL and others where it cannot.

    Source: ioctl_ficlone(2).
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl

    fcntl.ioctl(destination, _FICLONE, source)

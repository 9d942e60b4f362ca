"""System calls that Python does not offer: `renameat2`, `syncfs`, `FICLONE`.

Each raises `OSError(ENOSYS)` where the system does not have it.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from typing import Any

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_FICLONE = 0x40049409


@functools.cache
def _libc() -> Any:
    """Give the C library, where it is known to have these calls."""
    import ctypes  # takes long to load, and a run that finds nothing to do needs none of this

    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _last_error() -> int:
    import ctypes

    return ctypes.get_errno()


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
    libc = _libc()
    if libc is None or not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(fd, old, to, new, flags) != 0:
        number = _last_error()
        raise OSError(number, os.strerror(number), os.fsdecode(old), None, os.fsdecode(new))


def path_of_name(fd: int, name: bytes) -> bytes:
    """Give a path to a name in an open directory, for calls that take no handle of one.

    No component of it is resolved anew; the last one is for the caller not to follow.

    Source: proc_pid_fd(5).
    """
    return b"/proc/self/fd/%d/%s" % (fd, name)


def sync_file_system(fd: int) -> None:
    """Make everything written to the file system behind a handle durable.

    Raises:
        OSError: the kernel could not write something (since Linux 5.8 it says so).

    Source: syncfs(2).
    """
    libc = _libc()
    if libc is None:
        os.sync()
    elif libc.syncfs(fd) != 0:
        number = _last_error()
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

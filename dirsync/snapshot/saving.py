"""A file that is there whole or not at all, beside whatever had its name before."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import IO

from dirsync.errors import RunError
from dirsync.model.names import local_text
from dirsync.trees import fsops
from dirsync.trees.local import OPEN_ROOT


@contextlib.contextmanager
def saved(path: bytes) -> Iterator[IO[bytes]]:
    """Give a file that takes the name `path` when the block ends well, and is gone otherwise.

    A link to a file leads to the file that is replaced. What is no file (a device, a
    pipe) is never replaced, but written to.

    Raises:
        RunError: it cannot be written.
    """
    try:
        with _written_to(path) if _is_no_file(path) else _replacing(os.path.realpath(path)) as file:
            yield file
    except OSError as error:
        raise RunError(f"'{local_text(path)}' cannot be written: {error.strerror or error}") from error


def _is_no_file(path: bytes) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _written_to(path: bytes) -> IO[bytes]:
    return open(path, "wb")  # a directory: the error says so


@contextlib.contextmanager
def _replacing(path: bytes) -> Iterator[IO[bytes]]:
    parent, name = os.path.split(path)
    fd = os.open(parent, OPEN_ROOT)
    try:
        temporary = fsops.temporary_name()
        handle = fsops.create_file(fd, temporary)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                fsops.set_mode_of_handle(handle, mode=0o666 & ~_umask())
                fsops.sync_file(handle)
            fsops.rename(fd, temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                fsops.unlink(fd, temporary)
            raise
        with contextlib.suppress(OSError):  # some file systems cannot flush a directory
            fsops.sync_file(fd)
    finally:
        os.close(fd)


def _umask() -> int:
    """Give what the user takes from the mode of new files; the system call would set it for all threads.

    Source: proc_pid_status(5), since Linux 4.7.
    """
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o077

"""The only place that changes a local tree, one system call a function.

Every function works on a name in an open directory, never on a path, and passes
through one gate first: tests put a function there to fail or to kill the process
at the n-th operation.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator

from dirsync.trees import kernel

Gate = Callable[[str], None]

TEMPORARY_MARK = b".dirsync-"
_TEMPORARY_NAME = re.compile(rb"\.dirsync-[0-9a-f]{16}\.tmp")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RANDOM_BYTES = 8
_NAMES_DRAWN = 64
_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})


def _open_gate(operation: str) -> None:
    """Let every operation pass."""


gate: Gate = _open_gate


def is_open() -> bool:
    """Whether nobody stands at the gate, so that several operations may be done in one call."""
    return gate is _open_gate


def temporary_name() -> bytes:
    """Make up a name for a file that is not yet what it will be; 29 bytes, which nobody can foresee."""
    return TEMPORARY_MARK + next(_drawn.names) + b".tmp"


def _made_up() -> Iterator[bytes]:
    """Give 16 random hexadecimal digits at a time; the system is asked once for many."""
    while True:
        drawn = os.urandom(_RANDOM_BYTES * _NAMES_DRAWN).hex().encode()
        for at in range(0, len(drawn), 2 * _RANDOM_BYTES):
            yield drawn[at : at + 2 * _RANDOM_BYTES]


def temporary_names(random: bytes) -> list[bytes]:
    """Make temporary names of random bytes, eight for each."""
    digits = random.hex().encode()
    step = 2 * _RANDOM_BYTES
    return [TEMPORARY_MARK + digits[at : at + step] + b".tmp" for at in range(0, len(digits), step)]


class _Drawn(threading.local):
    """A thread's own names: two threads cannot draw from one generator at a time."""

    def __init__(self) -> None:
        self.names = _made_up()


_drawn = _Drawn()


def is_temporary(name: bytes) -> bool:
    """Whether a name is one that `temporary_name` makes up."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def create_file(fd: int, name: bytes) -> int:
    """Create a file that only its owner may read; give it open for writing."""
    gate("create_file")
    return os.open(name, _CREATE, 0o600, dir_fd=fd)


def make_directory(fd: int, name: bytes) -> None:
    """Make a directory that only its owner may enter."""
    gate("make_directory")
    os.mkdir(name, 0o700, dir_fd=fd)


def make_symlink(fd: int, name: bytes, *, target: bytes) -> None:
    """Make a symlink."""
    gate("make_symlink")
    os.symlink(target, name, dir_fd=fd)


def rename(fd: int, old: bytes, new: bytes) -> None:
    """Rename within a directory, over what is there."""
    gate("rename")
    os.rename(old, new, src_dir_fd=fd, dst_dir_fd=fd)


def rename_to_free_name(fd: int, old: bytes, new: bytes) -> None:
    """Rename within a directory, never over something that has just appeared there.

    Where the file system cannot do that in one step, there is a moment between the
    look and the rename.

    Raises:
        FileExistsError: there is something at `new`.
    """
    gate("rename_to_free_name")
    try:
        kernel.rename_to_free_name(fd, old, new)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        _check_free(fd, new)
        os.rename(old, new, src_dir_fd=fd, dst_dir_fd=fd)


def move_to_free_name(fd_from: int, old: bytes, fd_to: int, new: bytes) -> None:
    """Rename from one directory to another, never over something that has just appeared there.

    Where the file system cannot do that in one step, there is a moment between the
    look and the rename.

    Raises:
        FileExistsError: there is something at `new`.
        OSError: EXDEV where the two are on different file systems.
    """
    gate("move_to_free_name")
    try:
        kernel.move_to_free_name(fd_from, old, fd_to, new)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        _check_free(fd_to, new)
        os.rename(old, new, src_dir_fd=fd_from, dst_dir_fd=fd_to)


def _check_free(fd: int, name: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=fd, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(name))


def move(fd: int, old: bytes, to: int, new: bytes) -> None:
    """Rename from one directory to a name in another, over what is there."""
    gate("move")
    os.rename(old, new, src_dir_fd=fd, dst_dir_fd=to)


def link(fd: int, name: bytes, to: int, new: bytes) -> None:
    """Give what is no directory one more name; a symlink is not followed.

    Raises:
        FileExistsError: there is something at `new`.
        OSError: EMLINK, EXDEV, EPERM, EOPNOTSUPP where it can have no more names or none there.
    """
    gate("link")
    os.link(name, new, src_dir_fd=fd, dst_dir_fd=to, follow_symlinks=False)


def exchange(fd: int, one: bytes, to: int, other: bytes) -> None:
    """Exchange names of two directories (or of one), in one atomic step where the file system can.

    Elsewhere (vfat, some network file systems) there is a moment in which `other`
    does not exist.
    """
    gate("exchange")
    try:
        kernel.exchange(fd, one, to, other)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        aside = temporary_name()
        os.rename(other, aside, src_dir_fd=to, dst_dir_fd=to)
        os.rename(one, other, src_dir_fd=fd, dst_dir_fd=to)
        os.rename(aside, one, src_dir_fd=to, dst_dir_fd=fd)


def unlink(fd: int, name: bytes) -> None:
    """Remove a name that is no directory's."""
    gate("unlink")
    os.unlink(name, dir_fd=fd)


def remove_directory(fd: int, name: bytes) -> None:
    """Remove an empty directory."""
    gate("remove_directory")
    os.rmdir(name, dir_fd=fd)


def set_owner(fd: int, name: bytes, *, uid: int, gid: int) -> None:
    """Give an object to a user and a group; -1 leaves one as it is. Clears set-id bits."""
    gate("set_owner")
    os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)


def set_mode(fd: int, name: bytes, *, mode: int) -> None:
    """Set the permission bits of a file or a directory; a symlink is never followed.

    Raises:
        OSError: ELOOP where a symlink has taken the name.
    """
    gate("set_mode")
    if not hasattr(os, "O_PATH"):
        os.chmod(name, mode, dir_fd=fd)
        return
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        if stat.S_ISLNK(os.fstat(handle).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        os.chmod(f"/proc/self/fd/{handle}", mode)
    finally:
        os.close(handle)


def set_mtime(fd: int, name: bytes, *, mtime_ns: int) -> None:
    """Set the modification time of an object, and its access time to now."""
    gate("set_mtime")
    os.utime(name, ns=(time.time_ns(), mtime_ns), dir_fd=fd, follow_symlinks=False)


def set_owner_of_handle(handle: int, *, uid: int, gid: int) -> None:
    """Give an open object to a user and a group; -1 leaves one as it is."""
    gate("set_owner")
    os.fchown(handle, uid, gid)


def set_mode_of_handle(handle: int, *, mode: int) -> None:
    """Set the permission bits of an open object."""
    gate("set_mode")
    os.fchmod(handle, mode)


def set_mtime_of_handle(handle: int, *, mtime_ns: int) -> None:
    """Set the modification time of an open object, and its access time to now."""
    gate("set_mtime")
    os.utime(handle, ns=(time.time_ns(), mtime_ns))


def set_xattr(fd: int, name: bytes, *, attribute: str, value: bytes) -> None:
    """Set an extended attribute of an object; a symlink is never followed."""
    gate("set_xattr")
    os.setxattr(kernel.path_of_name(fd, name), attribute, value, follow_symlinks=False)


def remove_xattr(fd: int, name: bytes, *, attribute: str) -> None:
    """Remove an extended attribute of an object; a symlink is never followed."""
    gate("remove_xattr")
    os.removexattr(kernel.path_of_name(fd, name), attribute, follow_symlinks=False)


def set_xattr_of_handle(handle: int, *, attribute: str, value: bytes) -> None:
    """Set an extended attribute of an open object."""
    gate("set_xattr")
    os.setxattr(handle, attribute, value)


def remove_xattr_of_handle(handle: int, *, attribute: str) -> None:
    """Remove an extended attribute of an open object."""
    gate("remove_xattr")
    os.removexattr(handle, attribute)


def set_size(handle: int, *, size: int) -> None:
    """Cut or extend an open file, with a hole, to a size in bytes."""
    gate("set_size")
    os.ftruncate(handle, size)


def sync_file(handle: int) -> None:
    """Make an open file, and what was written to it through any handle, durable.

    A failure is final: the kernel may have dropped what it could not write, and a
    second call would find nothing left to complain about.

    Source: fsync(2).
    """
    gate("sync_file")
    os.fsync(handle)


def sync_file_system(handle: int) -> None:
    """Make everything written to a file system durable."""
    gate("sync_file_system")
    kernel.sync_file_system(handle)

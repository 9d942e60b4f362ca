"""Keeping what a run displaces: at its old path below the run's directory in the version area.

What is deleted goes there in one rename, directories as a whole. What is overwritten
gets a second name there before the new object takes the first, so at every moment it
has one. Where something of another kind takes its place, the two are exchanged.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator

from dirsync.mirror.area import make_directories
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.model.entry import Entry
from dirsync.trees import fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.data import DataCopier
from dirsync.trees.handles import join, split
from dirsync.trees.local import LocalTree

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV})


class Trash:
    """The version area of one run, seen from one tree; for one thread."""

    def __init__(
        self, tree: LocalTree, area: bytes, *, carrier: AttributeCarrier, told: Callable[[int], None]
    ) -> None:
        """Keep things below `area`, a path in the tree that is made when it is first needed."""
        self._tree = tree
        self._area = area
        self._carrier = carrier
        self._told = told

    def take(self, path: bytes) -> None:
        """Move an object there, whole."""
        with self._place_and_slot(path) as (fd, name, to, new):
            fsops.move(fd, name, to, new)

    def displace(self, temporary: bytes, path: bytes, *, old: Entry, is_directory: bool) -> None:
        """Put the object that has a temporary name beside `path` in its place, and keep the old one."""
        with self._place_and_slot(path) as (fd, name, to, new):
            if old.is_directory or is_directory:
                _exchange(fd, temporary, name, to, new)
            elif _linked(fd, name, to, new):
                fsops.rename(fd, temporary, name)
            elif os.fstat(fd).st_dev == os.fstat(to).st_dev:
                _exchange(fd, temporary, name, to, new)
            else:  # on another file system, mounted within the destination
                self._copy_aside(path, to, new, old)
                fsops.rename(fd, temporary, name)

    def _copy_aside(self, path: bytes, to: int, new: bytes, old: Entry) -> None:
        with contextlib.suppress(FileNotFoundError):  # of an attempt that failed afterwards
            fsops.unlink(to, new)
        if old.target is not None:
            fsops.make_symlink(to, new, target=old.target)
            fsops.set_owner(to, new, uid=old.uid, gid=old.gid)
            fsops.set_mtime(to, new, mtime_ns=old.mtime_ns)
            return
        handle = self._tree.open_file(path)
        try:
            copy = fsops.create_file(to, new)
            try:
                self._fill(handle, copy, path)
            finally:
                os.close(copy)
        finally:
            os.close(handle)

    def _fill(self, handle: int, copy: int, path: bytes) -> None:
        status = os.fstat(handle)
        allocated = status.st_blocks * 512
        DataCopier(sparse=True).copy(
            handle, copy, size=status.st_size, allocated=allocated, told=lambda _: self._told(0)
        )
        with contextlib.suppress(PermissionError):
            fsops.set_owner_of_handle(copy, uid=status.st_uid, gid=status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
        fsops.set_mode_of_handle(copy, mode=mode)
        self._carrier.give(self._carrier.read(Bearer(handle), path), Bearer(copy), path, mode=mode)
        fsops.set_mtime_of_handle(copy, mtime_ns=status.st_mtime_ns)
        fsops.sync_file(copy)

    # The area

    @contextlib.contextmanager
    def _place_and_slot(self, path: bytes) -> Iterator[tuple[int, bytes, int, bytes]]:
        """Give directory and name of an object, and of its slot in the area, whose directory is made."""
        parent, name = split(path)
        above, new = split(join(self._area, path))
        make_directories(self._tree, above)
        with self._tree.handles.held(parent) as fd:
            yield fd, name, self._tree.handles.handle(above), new


def _linked(fd: int, name: bytes, to: int, new: bytes) -> bool:
    """Give an object a second name in its slot; False: these file systems cannot."""
    try:
        fsops.link(fd, name, to, new)
    except FileExistsError:
        if not _are_one(fd, name, to, new):
            raise
        # of an attempt that failed afterwards
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _are_one(fd: int, name: bytes, to: int, new: bytes) -> bool:
    """Whether two names are of one object."""
    one, other = (os.stat(at, dir_fd=where, follow_symlinks=False) for where, at in ((fd, name), (to, new)))
    return os.path.samestat(one, other)


def _exchange(fd: int, temporary: bytes, name: bytes, to: int, new: bytes) -> None:
    """Bring the new object to the slot, then exchange the two: the name is never without an object."""
    fsops.move(fd, temporary, to, new)
    try:
        fsops.exchange(to, new, fd, name)
    except OSError:
        fsops.move(to, new, fd, temporary)
        raise

"""Copying one file or symlink: whole and under a temporary name, or not at all.

The source is looked at again after reading: a file that changed meanwhile is copied
again, and given up as unstable when it does not come to rest.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import NamedTuple

from dirsync.errors import PathError, TransientError
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.placing import drop, place
from dirsync.mirror.settings import Settings
from dirsync.model.entry import Entry
from dirsync.model.links import Identity
from dirsync.trees import fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.data import DataCopier, Told
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree, entry_of

# Two edits within one tick of the clock that stamps files leave the same ctime, so a
# file that has just been changed is read only when that tick is over. The longest tick
# of Linux is 10 ms (HZ=100); since 6.13 stamps are finer where somebody looked.
_TICK_NS = 10_000_000


class Copied(NamedTuple):
    """Which object of the destination is a replica of which of the source."""

    source: Identity
    destination: Identity


class FileCopier:
    """Copies files and symlinks between two trees; for one thread."""

    def __init__(
        self,
        source: LocalTree,
        destination: LocalTree,
        *,
        settings: Settings,
        carrier: AttributeCarrier,
        told: Told,
        sleep: Callable[[float], None],
    ) -> None:
        """Work between two trees; `sleep` waits so many seconds, and may raise to stop."""
        self._source = source
        self._destination = destination
        self._settings = settings
        self._carrier = carrier
        self._told = told
        self._sleep = sleep
        self._data = DataCopier(sparse=settings.sparse)

    def copy_file(self, path: bytes, *, old: Entry | None) -> Copied | None:
        """Copy one file; `old` is what the plan saw at its place. None: it has no other names.

        Raises:
            TransientError: the source changed while it was read.
            PathError: the source is no file any more, or the destination has changed.
            OSError: a system call failed; the destination is as it was.
        """
        handle = self._source.open_file(path)
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise PathError(path, "no regular file any more; left for the next run")
            before = self._settled(handle, before)
            return self._copy_open_file(handle, before, path, old=old)
        finally:
            os.close(handle)

    def _copy_open_file(
        self, handle: int, before: os.stat_result, path: bytes, *, old: Entry | None
    ) -> Copied | None:
        parent, _ = split(path)
        directory = self._destination.handles.handle(parent)
        temporary = fsops.temporary_name()
        copy = fsops.create_file(directory, temporary)
        try:
            whole = self._data.copy(
                handle, copy, size=before.st_size, allocated=before.st_blocks * 512, told=self._told
            )
            attributes = self._carrier.read(Bearer(handle), path)
            self._set_metadata(copy, entry_of(path, before, None), old=old, attributes=attributes)
            if not whole or not _is_unchanged(before, os.fstat(handle)):
                raise TransientError(path, "unstable: it kept changing while it was read")
            place(self._destination, temporary, path, old=old, is_directory=False)
            return _copied(before, os.fstat(copy)) if before.st_nlink > 1 else None
        except BaseException:
            drop(self._destination.handles.handle(parent), temporary)
            raise
        finally:
            os.close(copy)

    def _set_metadata(
        self, copy: int, new: Entry, *, old: Entry | None, attributes: dict[str, bytes]
    ) -> None:
        """Set the owner, then the mode (a change of owner clears set-id bits), attributes, and times."""
        settings = self._settings
        current = os.fstat(copy)
        uid, gid = settings.owner_for(new, old, current=current)
        if (uid, gid) != (current.st_uid, current.st_gid):
            fsops.set_owner_of_handle(copy, uid=uid, gid=gid)
        mode = settings.mode_for(new, old, uid=uid, gid=gid)
        fsops.set_mode_of_handle(copy, mode=mode)
        self._carrier.give(attributes, Bearer(copy), new.path, mode=mode)
        if settings.mtime:
            fsops.set_mtime_of_handle(copy, mtime_ns=new.mtime_ns)

    def _settled(self, handle: int, status: os.stat_result) -> os.stat_result:
        """Let the tick in which a file was last changed pass, and look at it again."""
        age_ns = time.time_ns() - status.st_ctime_ns
        if not -_TICK_NS < age_ns < _TICK_NS:
            return status
        self._sleep((_TICK_NS - age_ns) / 1e9)
        return os.fstat(handle)

    def copy_symlink(self, new: Entry, *, old: Entry | None) -> None:
        """Make a symlink that points where the source's does.

        Raises:
            PathError: the destination has changed.
            OSError: a system call failed; the destination is as it was.
        """
        assert new.target is not None
        parent, name = split(new.path)
        attributes = self._carrier.read(Bearer(self._source.handles.handle(parent), name), new.path)
        fd = self._destination.handles.handle(parent)
        temporary = fsops.temporary_name()
        fsops.make_symlink(fd, temporary, target=new.target)
        try:
            current = os.stat(temporary, dir_fd=fd, follow_symlinks=False)
            uid, gid = self._settings.owner_for(new, old, current=current)
            if (uid, gid) != (current.st_uid, current.st_gid):
                fsops.set_owner(fd, temporary, uid=uid, gid=gid)
            self._carrier.give(attributes, Bearer(fd, temporary), new.path, mode=new.permissions)
            if self._settings.mtime:
                fsops.set_mtime(fd, temporary, mtime_ns=new.mtime_ns)
            place(self._destination, temporary, new.path, old=old, is_directory=False)
        except BaseException:
            drop(self._destination.handles.handle(parent), temporary)
            raise


def _copied(source: os.stat_result, copy: os.stat_result) -> Copied:
    return Copied((source.st_dev, source.st_ino), (copy.st_dev, copy.st_ino))


def _is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )

"""Copying one file or symlink: whole and under a temporary name, or not at all.

The source is looked at again after reading: a file that changed meanwhile is copied
again, and given up as unstable when it does not come to rest.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from dirsync.errors import PathError, RunError, TransientError
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.placing import drop, place
from dirsync.mirror.salvage import Salvage
from dirsync.mirror.settings import Settings
from dirsync.mirror.trash import Trash
from dirsync.mirror.unchanged import CHANGED_IN_SOURCE, is_as_planned
from dirsync.model.entry import Entry, Kind
from dirsync.model.links import Identity, identity_of
from dirsync.trees import fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.data import DataCopier, Told
from dirsync.trees.handles import join, split
from dirsync.trees.local import LocalTree
from dirsync.trees.source import OpenFile, SourceTree


class Copied(NamedTuple):
    """Which object of the destination is a replica of which of the source."""

    source: Identity
    destination: Identity


class Staged(NamedTuple):
    """A copy that is complete under its temporary name, and not yet in its place."""

    path: bytes  # where it belongs
    temporary: bytes  # its name beside that place
    old: Entry | None  # what the plan saw there
    copied: Copied
    has_links: bool  # the source has other names


class FileCopier:
    """Copies files and symlinks between two trees; for one thread."""

    def __init__(
        self,
        source: SourceTree,
        destination: LocalTree,
        *,
        settings: Settings,
        carrier: AttributeCarrier,
        trash: Trash | None,
        salvage: Salvage | None,
        told: Told,
        sleep: Callable[[float], None],
    ) -> None:
        """Work between two trees; `trash` keeps what is displaced, if anything does, and `salvage`
        what arrived of a file that was cut off.

        `sleep` waits so many seconds, and may raise to stop.
        """
        self._source = source
        self._destination = destination
        self._settings = settings
        self._carrier = carrier
        self._trash = trash
        self._salvage = salvage
        self._told = told
        self._sleep = sleep
        self._data = DataCopier(sparse=settings.sparse)

    def copy_file(self, path: bytes, *, old: Entry | None, planned: Entry | None = None) -> Staged:
        """Copy one file, and tell what was staged for it; `old` is what the plan saw at its place.

        `planned` is what the source must still be; None: whatever it is by now.

        Raises:
            TransientError: the source changed while it was read.
            PathError: the source is no file any more, or the destination has changed.
            OSError: a system call failed; the destination is as it was.
        """
        staged = self.stage(path, old=old, planned=planned)
        self.publish(staged)
        return staged

    def stage(self, path: bytes, *, old: Entry | None, planned: Entry | None = None) -> Staged:
        """Copy one file to a temporary name beside its place, complete but for its durability.

        Raises: as `copy_file`; then nothing is left behind.
        """
        file = self._source.opened(path)
        try:
            before = file.status()
            if not stat.S_ISREG(before.st_mode):
                raise PathError(path, "no regular file any more; left for the next run")
            if planned is not None and not is_as_planned(self._source.described(path, before), planned):
                raise PathError(path, CHANGED_IN_SOURCE)
            return self._stage_open_file(file, file.settled(self._sleep), path, old=old)
        finally:
            file.close()

    def _stage_open_file(
        self, file: OpenFile, before: os.stat_result, path: bytes, *, old: Entry | None
    ) -> Staged:
        directory = self._destination.handles.handle(split(path)[0])
        temporary = fsops.temporary_name()
        copy = fsops.create_file(directory, temporary)
        try:
            try:
                whole = file.copy_to(
                    copy,
                    self._data,
                    before=before,
                    told=self._told,
                    basis=lambda: self._basis(old),
                )
                attributes = self._carrier.read(file, path)
                new = self._source.described(path, before)
                made = self._set_metadata(copy, new, old=old, attributes=attributes)
                if not whole or not _is_unchanged(before, file.status()):
                    raise TransientError(path, "unstable: it kept changing while it was read")
            finally:
                os.close(copy)  # some file systems tell only now what they could not write
        except RunError:  # the run is cut off, not this file alone
            self._keep_or_drop(path, temporary)
            raise
        except BaseException:
            self._drop(path, temporary)
            raise
        copied = Copied(identity_of(new), (made.st_dev, made.st_ino))
        return Staged(path, temporary, old, copied, before.st_nlink > 1)

    def publish(self, staged: Staged) -> None:
        """Give a staged copy its name.

        Raises:
            PathError: the destination no longer holds what was expected.
            OSError: the rename failed; the destination is as it was, the copy dropped.
        """
        try:
            self._place(staged.temporary, staged.path, old=staged.old)
        except BaseException:
            self.drop(staged)
            raise

    def _place(self, temporary: bytes, path: bytes, *, old: Entry | None) -> None:
        place(self._destination, temporary, path, old=old, is_directory=False, trash=self._trash)

    def drop(self, staged: Staged) -> None:
        """Remove a staged copy that does not get its name."""
        self._drop(staged.path, staged.temporary)

    def _keep_or_drop(self, path: bytes, temporary: bytes) -> None:
        """Remove a copy that did not come to its end, unless what arrived of it may be of use again."""
        if self._salvage is None or not self._salvage.keep(join(split(path)[0], temporary)):
            self._drop(path, temporary)

    def _drop(self, path: bytes, temporary: bytes) -> None:
        with contextlib.suppress(OSError):
            drop(self._destination.handles.handle(split(path)[0]), temporary)

    def _set_metadata(
        self, copy: int, new: Entry, *, old: Entry | None, attributes: dict[str, bytes]
    ) -> os.stat_result:
        """Set the owner, then the mode (a change of owner clears set-id bits), attributes, and times.

        Gives what the copy was before that.
        """
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
        return current

    def _basis(self, old: Entry | None) -> int | None:
        """Open what a copy is to replace; None: there is no such file."""
        if old is None or old.kind is not Kind.FILE:
            return None
        with contextlib.suppress(OSError):
            return self._destination.open_file(old.path)
        return None

    def copy_symlink(self, new: Entry, *, old: Entry | None) -> None:
        """Make a symlink that points where the source's does.

        Raises:
            PathError: the destination has changed.
            OSError: a system call failed; the destination is as it was.
        """
        assert new.target is not None
        parent, _ = split(new.path)
        attributes = self._carrier.read(self._source.bearer(new.path), new.path)
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
            self._place(temporary, new.path, old=old)
        except BaseException:
            drop(self._destination.handles.handle(parent), temporary)
            raise


def _is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )

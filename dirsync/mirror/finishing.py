"""Giving directories their metadata once all in them is done: owner, mode, attributes, times."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.settings import Settings
from dirsync.mirror.together import go_together
from dirsync.model.change import Change
from dirsync.model.entry import Entry
from dirsync.trees import fsops, small_files
from dirsync.trees.attributes import Bearer
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree
from dirsync.trees.small_files import Altering, ToAlter
from dirsync.trees.source import SourceTree


class Finisher:
    """Sets the metadata of directories; for one thread."""

    def __init__(
        self,
        source: SourceTree,
        destination: LocalTree,
        *,
        settings: Settings,
        carrier: AttributeCarrier,
        opened_up: dict[bytes, int],
    ) -> None:
        """Work between two trees; a directory that gets its mode is taken out of `opened_up`."""
        self._source = source
        self._destination = destination
        self._settings = settings
        self._carrier = carrier
        self._opened_up = opened_up
        self._altering = Altering(
            sets_mode=True, sets_mtime=settings.mtime, attributes=bool(settings.attributes)
        )

    def finish(self, new: Entry, old: Entry | None) -> None:
        """Set the metadata of a directory; `old` None: this run made it.

        Raises:
            OSError: a system call failed; some of it may be set.
        """
        fd = self._destination.handles.handle(new.path)
        current = os.fstat(fd)
        attributes = self._attributes(new.path)
        if attributes is not None:
            self._carrier.give(attributes, Bearer(fd), new.path, mode=stat.S_IMODE(current.st_mode))
        uid, gid = self._settings.owner_for(new, old, current=current)
        changes_owner = (uid, gid) != (current.st_uid, current.st_gid)
        if changes_owner:
            fsops.set_owner_of_handle(fd, uid=uid, gid=gid)
        mode = self._settings.mode_for(new, old, uid=uid, gid=gid)
        if changes_owner or mode != stat.S_IMODE(current.st_mode):
            fsops.set_mode_of_handle(fd, mode=mode)
        self._opened_up.pop(new.path, None)
        if self._settings.mtime:
            fsops.set_mtime_of_handle(fd, mtime_ns=new.mtime_ns)

    def _attributes(self, path: bytes) -> dict[str, bytes] | None:
        """Read a directory's attributes at the source; None: they do not matter, or it has gone since."""
        if not self._settings.attributes:
            return None
        try:
            bearer = self._source.directory_bearer(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._carrier.read(bearer, path)

    # Many in one call

    def finish_together(self, changes: Sequence[Change]) -> list[bool]:
        """Finish directories as far as that is plain, many in one call; of each, whether it is done."""
        done = [False] * len(changes)
        if not go_together(self._source, self._settings):
            return done
        for parent, numbered in self._by_parents(changes).items():
            try:
                source = self._source.handles.handle(parent)
                into = self._destination.handles.handle(parent)
                ended = self._finished(source, into, [wanted for _, wanted in numbered])
            except OSError:  # what it is about will be told of each directory
                continue
            for (number, _), is_done in zip(numbered, ended, strict=True):
                done[number] = bool(is_done)
        return done

    def _by_parents(self, changes: Sequence[Change]) -> dict[bytes, list[tuple[int, ToAlter]]]:
        """Give what may be finished together, numbered, by the directory it is in."""
        found: dict[bytes, list[tuple[int, ToAlter]]] = {}
        for number, change in enumerate(changes):
            wanted = self._wanted(change.entry, change.old)
            if wanted is not None:
                found.setdefault(split(change.path)[0], []).append((number, wanted))
        return found

    def _wanted(self, new: Entry, old: Entry | None) -> ToAlter | None:
        """Give what a directory is to get; None: it is for the usual way.

        As one is whose mode may keep others out that come after it, beneath it.
        """
        owner = self._owner(new, old)
        if not new.path or new.path in self._opened_up or owner is None or not small_files.is_told(new):
            return None
        uid, gid = owner
        mode = self._settings.mode_for(new, old, uid=uid, gid=gid)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            return None
        return ToAlter(split(new.path)[1], None, uid, gid, mode, new.mtime_ns)

    def _owner(self, new: Entry, old: Entry | None) -> tuple[int, int] | None:
        """Say whom a directory is to belong to, as far as that is known without a look at it; else None.

        Where it belongs to somebody else by now, it cannot be given to whom this says: only root could.
        """
        kept = self._settings.kept
        wanted = new if self._settings.ownership else old
        if wanted is not None and kept.any_owner:
            return wanted.uid, wanted.gid
        if wanted is not None and wanted.gid in kept.groups:
            return (kept.uid if old is None else old.uid), wanted.gid
        return None if old is None else (old.uid, old.gid)

    def _finished(self, source: int, into: int, wanted: Sequence[ToAlter]) -> bytes:
        ended = b""
        while len(ended) < len(wanted):
            ended += small_files.alter(self._altering, source, into, wanted[len(ended) :])
        return ended

"""Files of one directory whose metadata alone differ, set together; what is not goes the usual way."""

from __future__ import annotations

from collections.abc import Sequence

from dirsync.mirror.settings import Settings
from dirsync.mirror.together import Together, go_together
from dirsync.model.operation import Operation
from dirsync.trees import small_files
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree
from dirsync.trees.small_files import Altering, ToAlter
from dirsync.trees.source import SourceTree


class Alterer:
    """Sets the metadata of files in their places; for one thread."""

    def __init__(self, source: SourceTree, destination: LocalTree, *, settings: Settings) -> None:
        self._source = source
        self._destination = destination
        self._settings = settings
        carried = bool(settings.attributes and settings.kept.attributes)
        self._altering = Altering(settings.mode, settings.mtime, carried)

    def serves(self) -> bool:
        """Whether files are to be tried."""
        return go_together(self._source, self._settings)

    def directory_of(self, operation: Operation) -> bytes | None:
        """Give the directory of a file that is altered; None: the step is another."""
        change = operation.change
        new, old = change.new, change.old
        if new is None or old is None or not change.is_in_place or new.path != old.path:
            return None
        return split(new.path)[0] if small_files.may_be_altered(new, old) else None

    def tried(self, operations: Sequence[Operation]) -> Together:
        """Alter files of one directory, for a moment, but one at least."""
        wanted = [self._wanted(operation) for operation in operations]
        ended = self._altered(operations, wanted)
        left = [operation for operation, is_done in zip(operations, ended, strict=False) if not is_done]
        done = [(operation, None) for operation, is_done in zip(operations, ended, strict=False) if is_done]
        return Together([*done], left, list(operations[len(ended) :]))

    def _wanted(self, operation: Operation) -> ToAlter:
        settings = self._settings
        new, old = operation.change.entry, operation.change.old
        assert old is not None
        uid, gid = settings.kept.kept_owner(new, old) if settings.ownership else (old.uid, old.gid)
        mode = settings.mode_for(new, old, uid=uid, gid=gid)
        return ToAlter(split(old.path)[1], old, uid, gid, mode, new.mtime_ns)

    def _altered(self, operations: Sequence[Operation], wanted: Sequence[ToAlter]) -> bytes:
        assert isinstance(self._source, LocalTree)
        directory = split(operations[0].change.path)[0]
        try:
            source = self._source.handles.handle(directory)
            into = self._destination.handles.handle(directory)
            return small_files.alter(self._altering, source, into, wanted)
        except OSError:  # what it is about will be told of each file
            return bytes(len(operations))

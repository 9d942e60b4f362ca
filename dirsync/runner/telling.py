"""What comes of each step of a run: counted, remembered, and passed on to who watches."""

from __future__ import annotations

import logging
import stat
from collections.abc import Sequence

from dirsync.model.change import Change, Failure
from dirsync.model.names import shown
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.model.result import Counts
from dirsync.runner.hashes import HashRecord
from dirsync.runner.history import History
from dirsync.runner.observer import Observer
from dirsync.runner.renames import Renames
from dirsync.runner.unverified import Unverified
from dirsync.trees.handles import ancestors

logger = logging.getLogger(__name__)


class Telling:
    """Is told by the mirror, and by whoever gives a path up; calls come from one thread."""

    def __init__(
        self,
        counts: Counts,
        *,
        observer: Observer,
        renames: Renames,
        record: HashRecord,
        unverified: Unverified | None,
        history: History,
    ) -> None:
        """Fill `counts`; `unverified` None: nothing is read back."""
        self._counts = counts
        self._observer = observer
        self._renames = renames
        self._record = record
        self._unverified = unverified
        self._history = history
        self._operations_done = 0
        self._bytes_moved = 0
        self.mounts: frozenset[bytes] = frozenset()  # other file systems within the destination
        self.mounts_touched: set[bytes] = set()
        self.given_up: set[bytes] = set()

    def planned(self, planned: Counts, *, copies: bool) -> None:
        """Count what a plan would do; `copies`: it is the plan of a job that copies at all."""
        counts = self._counts
        counts.created, counts.modified, counts.metadata = planned.created, planned.modified, planned.metadata
        counts.moved, counts.deleted = planned.moved, planned.deleted
        counts.bytes_copied = planned.bytes_copied if copies else 0

    def done(self, operation: Operation) -> None:
        """Count an operation that was carried out."""
        self._renames.note(operation)
        if operation.counted:
            self._counts.count(operation.change)
            self._observer.changed(operation.change)
            self._history.note(operation.change)
            self._forget_hash(operation.change)
        if operation.phase is Phase.LINK and self._unverified is not None:
            self._unverified.note([operation])  # if it was copied instead
        if self.mounts:
            self.mounts_touched |= self.mounts.intersection(ancestors(operation.change.path))
        self._operations_done += 1
        self._observer.progressed(self._operations_done, self._bytes_moved)

    def made(self, operations: Sequence[Operation]) -> None:
        """Count files and symlinks that were copied to where there was nothing."""
        changes = [operation.change for operation in operations]
        self._renames.note_made(changes)
        self._counts.created += len(changes)
        byte_count = sum(new.size for _, _, new, *_ in changes if new is not None and stat.S_ISREG(new.mode))
        self._counts.bytes_copied += byte_count
        for change in changes:
            self._observer.changed(change)
        self._history.note_made(changes, byte_count=byte_count)
        if self.mounts:
            for change in changes:
                self.mounts_touched |= self.mounts.intersection(ancestors(change.path))
        self._operations_done += len(operations)
        self._observer.progressed(self._operations_done, self._bytes_moved)

    def made_files(self, files: NewFiles) -> None:
        """Count files that were planned together, and copied to where there was nothing."""
        entry_count, byte_count = files.entry_count, files.byte_count
        self._counts.created += entry_count
        self._counts.bytes_copied += byte_count
        self._observer.created(files)
        self._history.note_made_files(files, byte_count=byte_count)
        if self.mounts:
            self.mounts_touched |= self.mounts.intersection([files.directory, *ancestors(files.directory)])
        self._operations_done += entry_count
        self._observer.progressed(self._operations_done, self._bytes_moved)
        self._renames.note_made_files(files)  # may write, and fail: what was made is told by then

    def _forget_hash(self, change: Change) -> None:
        """Drop the hash on record of a path that the source no longer has."""
        if change.old is not None and (change.new is None or change.new.path != change.old.path):
            self._record.forget(change.old.path)

    def failed(self, failure: Failure) -> None:
        """Count and tell a path that was given up; once, for the first reason."""
        logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
        if failure.path not in self.given_up:
            self.given_up.add(failure.path)
            self._counts.failed += 1
            self._observer.failed(failure)

    def noticed(self, text: str) -> None:
        """Pass on what the destination cannot keep."""
        logger.info("notice: %s", text)
        self._observer.noticed(text)

    def moved(self, byte_count: int) -> None:
        """Pass progress on."""
        if byte_count:
            self._bytes_moved += byte_count
            self._observer.progressed(self._operations_done, self._bytes_moved)

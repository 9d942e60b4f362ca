"""An observer that keeps what a message will say of a run, up to a bound, and passes everything on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from dirsync.model.change import Change, ChangeKind, Changes, Failure
from dirsync.model.result import RunResult
from dirsync.notify.happening import EndedRun, Kept
from dirsync.runner.observer import Observer, Stage, Totals

KEPT = 10_000  # failures, deletions, other changes, of each; what is more is counted
_KEPT_NOTICES = 20
_WHOLE = 1 << 256


class Collecting:
    """Watches one run for whoever is to be told, and for the observer it stands before."""

    def __init__(self, inner: Observer, *, ended: Callable[[EndedRun], None]) -> None:
        """`ended` is handed the run when it is over, by the run's own thread: it must not wait."""
        self._inner = inner
        self._ended = ended
        self._failures: list[Failure] = []
        self._deletions: list[Change] = []
        self._others: list[Change] = []
        self._notices: list[str] = []
        self._kept = Kept(
            failures=self._failures, deletions=self._deletions, others=self._others, notices=self._notices
        )

    def stage(self, stage: Stage) -> None:
        self._inner.stage(stage)

    def scanned(self, entries: int) -> None:
        self._inner.scanned(entries)

    def planned(self, totals: Totals) -> None:
        self._inner.planned(totals)

    def progressed(self, operations: int, bytes_copied: int) -> None:
        self._inner.progressed(operations, bytes_copied)

    def changed(self, change: Change) -> None:
        kept = self._kept
        if change.kind is ChangeKind.DELETED:
            kept.deletion_count += 1
            if kept.deletion_count <= KEPT:
                self._deletions.append(change)
        else:
            kept.other_count += 1
            if kept.other_count <= KEPT:
                self._others.append(change)
        self._inner.changed(change)

    def created(self, many: Changes) -> None:
        kept = self._kept
        room = KEPT - kept.other_count
        if room > 0:
            self._others += many.changes()[:room]
        kept.other_count += many.entry_count
        self._inner.created(many)

    def failed(self, failure: Failure) -> None:
        kept = self._kept
        kept.failure_count += 1
        if kept.failure_count <= KEPT:
            self._failures.append(failure)
        hashed = int.from_bytes(hashlib.sha256(failure.path).digest())
        kept.failed_paths = (kept.failed_paths + hashed) % _WHOLE  # whatever their order
        self._inner.failed(failure)

    def noticed(self, text: str) -> None:
        if len(self._notices) < _KEPT_NOTICES:
            self._notices.append(text)
        self._inner.noticed(text)

    def finished(self, result: RunResult) -> None:
        self._inner.finished(result)
        self._ended(EndedRun(result=result, kept=self._kept))

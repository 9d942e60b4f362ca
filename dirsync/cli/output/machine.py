"""Machine output: one JSON object a line, each with an `event`.

Secrets are masked as lines are written (`records.py`), and not here.
"""

from __future__ import annotations

from dirsync.cli.output.lines import Lines, error_line
from dirsync.model.change import Aspect, Change, ChangeKind, Changes, Failure
from dirsync.model.job import Job
from dirsync.model.names import fields_of
from dirsync.model.result import RunResult
from dirsync.model.result_fields import Fields as Fields
from dirsync.model.result_fields import counts_fields as counts_fields
from dirsync.model.result_fields import moment as moment
from dirsync.model.result_fields import result_fields as result_fields
from dirsync.runner.observer import Stage, Totals


class MachineObserver:
    """Writes what a run tells as JSON lines; notices go to standard error."""

    def __init__(self, job: Job, *, lines: Lines, quiet: bool) -> None:
        self._job = job.name
        self._lines = lines
        self._quiet = quiet

    def changed(self, change: Change) -> None:
        self._lines.record(change_fields(change, job=self._job))

    def created(self, many: Changes) -> None:
        for change in many.changes():
            self.changed(change)

    def failed(self, failure: Failure) -> None:
        self._lines.record(failure_fields(failure, job=self._job))

    def noticed(self, text: str) -> None:
        if not self._quiet:
            error_line(self._lines.mask(f"{self._job}: {text}"))

    def finished(self, result: RunResult) -> None:
        self._lines.record(result_fields(result))

    def stage(self, stage: Stage) -> None: ...
    def scanned(self, entries: int) -> None: ...
    def planned(self, totals: Totals) -> None: ...
    def progressed(self, operations: int, bytes_copied: int) -> None: ...


def change_fields(change: Change, *, job: str | None) -> Fields:
    """Describe one change; what differs is told of what was there before and is still there.

    `job` None, here and below: no job told it.
    """
    moved_from = change.old.path if change.kind is ChangeKind.MOVED and change.old is not None else None
    return {
        "event": "change",
        "job": job,
        "kind": change.kind.value,
        **path_fields("path", change.path),
        "old_path": None,
        **({} if moved_from is None else path_fields("old_path", moved_from)),
        "aspects": [aspect.value for aspect in Aspect if aspect in change.aspects],
    }


def failure_fields(failure: Failure, *, job: str | None) -> Fields:
    """Describe one path given up."""
    return {
        "event": "failure",
        "job": job,
        **path_fields("path", failure.path),
        "reason": failure.reason,
    }


def path_fields(key: str, path: bytes) -> Fields:
    """Write a path as it is where it is UTF-8, else escaped and once more byte for byte."""
    fields = fields_of(key, path)
    return {**fields, key: fields[key] or "."}

"""What people see of a run: progress while it goes on, a summary when it is over."""

from __future__ import annotations

import time

from msgspec import Struct

from dirsync.cli.output.lines import Lines, Mask, error_line
from dirsync.cli.output.progress import Figures, Progress
from dirsync.cli.output.reasons import change_line
from dirsync.cli.output.summary import Failures, error_lines, summary_line
from dirsync.model.change import Change, Changes, Failure
from dirsync.model.job import Job, JobType
from dirsync.model.result import RunResult
from dirsync.runner.observer import Stage, Totals


class Layout(Struct, frozen=True, kw_only=True):
    """What the lines of a run are made of."""

    lists_changes: bool = False  # each change is a line
    tells_time: bool = False  # more runs come: the summary begins with the time
    names_job: bool = False  # other runs speak at the same time: each line names its job


_BATCH_SECONDS = 0.1  # lines are printed in batches: a live display redraws itself below each


class HumanObserver:
    """Shows one run: changes where asked to list them, progress, and the summary."""

    def __init__(self, job: Job, *, lines: Lines, progress: Progress, layout: Layout) -> None:
        self._job = job.name
        self._type: JobType = job.type
        self._lines = lines
        self._progress = progress
        self._layout = layout
        self._prefix = f"{job.name}  " if layout.names_job else ""
        self._figures = Figures(now=time.monotonic())
        self._failures = Failures()
        self._notices: list[str] = []
        self._batch: list[str] = []
        self._printed_at = 0.0

    def stage(self, stage: Stage) -> None:
        self._figures.stage = stage
        self._refresh()

    def scanned(self, entries: int) -> None:
        self._figures.entries = entries
        self._refresh()

    def planned(self, totals: Totals) -> None:
        self._figures.plan(totals, now=time.monotonic())
        self._refresh()

    def progressed(self, operations: int, bytes_copied: int) -> None:
        self._figures.advance(operations, bytes_copied, now=time.monotonic())
        self._refresh()

    def changed(self, change: Change) -> None:
        if self._layout.lists_changes:
            self._batch.append(self._prefix + change_line(change, job_type=self._type))
            self._refresh()

    def created(self, many: Changes) -> None:
        if self._layout.lists_changes:
            for change in many.changes():
                self.changed(change)

    def failed(self, failure: Failure) -> None:
        self._failures.add(failure)

    def noticed(self, text: str) -> None:
        self._notices.append(text)

    def ended(self, error: str | None) -> None:
        """End the display of what is no run of a job, and tell what failed."""
        self._print_batch()
        self._progress.close()
        _print_errors(self._job, error, self._failures, mask=self._lines.mask)

    def finished(self, result: RunResult) -> None:
        self._conclude(result, summary_line(result))

    def _conclude(self, result: RunResult, summary: str) -> None:
        self._print_batch()
        self._progress.close()
        self._lines.line(self._time() + summary)
        for text in self._notices:
            self._lines.line(f"{result.job}  note: {text}")
        _print_errors(result.job, result.error, self._failures, mask=self._lines.mask)

    def _time(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S  ") if self._layout.tells_time else ""

    def _refresh(self) -> None:
        if time.monotonic() - self._printed_at >= _BATCH_SECONDS:
            self._print_batch()
        self._progress.show(self._figures)

    def _print_batch(self) -> None:
        if self._batch:
            self._lines.line("\n".join(self._batch))
            self._batch.clear()
        self._printed_at = time.monotonic()


class QuietObserver:
    """Shows only what went wrong, on standard error."""

    def __init__(self, *, mask: Mask) -> None:
        self._mask = mask
        self._failures = Failures()

    def failed(self, failure: Failure) -> None:
        self._failures.add(failure)

    def finished(self, result: RunResult) -> None:
        _print_errors(result.job, result.error, self._failures, mask=self._mask)

    def stage(self, stage: Stage) -> None: ...
    def scanned(self, entries: int) -> None: ...
    def planned(self, totals: Totals) -> None: ...
    def progressed(self, operations: int, bytes_copied: int) -> None: ...
    def changed(self, change: Change) -> None: ...
    def created(self, many: Changes) -> None: ...
    def noticed(self, text: str) -> None: ...


def _print_errors(job: str, error: str | None, failures: Failures, *, mask: Mask) -> None:
    for line in error_lines(job, error, failures):
        error_line(mask(line))

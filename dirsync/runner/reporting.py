"""Gathering a report: from the ledger how runs ended, from the catalog what they recorded."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from dirsync.catalog.overview import Overview
from dirsync.catalog.retention import checkpoint
from dirsync.errors import RunError
from dirsync.model.change import ChangeKind
from dirsync.model.entry import Kind
from dirsync.model.job import Job, JobType, Severity
from dirsync.model.recorded import RecordedChange, RecordedRun
from dirsync.model.result import Counts, Outcome
from dirsync.model.tallies import RunsTally, SubtreeTally
from dirsync.report.calendar import span_begins
from dirsync.report.folding import Top, folded
from dirsync.report.report import BadRun, Fold, Folds, JobReport, LastRun, OpenChanges, Report, Size
from dirsync.runner.ledger import Ledger, outcome_by_now
from dirsync.runner.ledger import RecordedRun as LedgerRun
from dirsync.runner.recorded_jobs import Record, Records

_BAD = frozenset({Outcome.FAILED, Outcome.CRASHED, Outcome.HELD, Outcome.CANCELLED, Outcome.PARTIAL})
_COMPARED = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL})  # of check runs: what they counted is all
_BAD_RUNS_SHOWN = 5
_LOOKED_AT = 200_000  # changes: of more, the newest are looked at one by one, so that it takes no minutes
_FOLDED_UP_TO = 30_000  # deletions, or moves: the newest of them
_OPEN_FOLDED_UP_TO = 2_000  # open changes of one severity: the newest of them
_SHOWN = 8  # changes of one sort
_INFO_SHOWN = 3  # of those that matter least
_SUBTREES_SHOWN = 10
_LARGEST_SHOWN = 5

Mask = Callable[[str], str]


def gather(
    jobs: Sequence[Job],
    *,
    ledger: Ledger,
    records: Records,
    since: datetime.datetime,
    now: datetime.datetime,
    depth: int,
    mask: Mask,
) -> Report:
    """Gather what jobs recorded since a moment; changes are counted by directories up to a depth.

    A catalog that cannot be used is the trouble of its jobs, and no error.

    Raises:
        RunError: the ledger cannot be read.
    """
    gathering = _Gathering(ledger, records, since=since, now=now, depth=depth, mask=mask)
    return Report(
        host=socket.gethostname(), made_at=now, since=since, jobs=[gathering.job(job) for job in jobs]
    )


class _Gathering:
    """One report, job by job."""

    def __init__(
        self,
        ledger: Ledger,
        records: Records,
        *,
        since: datetime.datetime,
        now: datetime.datetime,
        depth: int,
        mask: Mask,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._since = since
        self._now = now
        self._depth = depth
        self._mask = mask

    def job(self, job: Job) -> JobReport:
        """Report on one job."""
        report = self._of_the_ledger(job)
        try:
            record = self._records.of(job)
            return report if record is None else self._with_the_record(report, record)
        except RunError as error:
            return replace(report, trouble=self._told(job.name, str(error)))

    # The ledger

    def _of_the_ledger(self, job: Job) -> JobReport:
        last = self._ledger.last_run(job.name)
        runs = self._ledger.tally(job.name, since=self._since)
        return JobReport(
            name=job.name,
            type=job.type,
            source=job.source.name,
            is_scheduled=job.enabled and job.schedule is not None,
            last=None if last is None else self._last(last),
            runs=runs,
            bad_runs=tuple(self._bad_runs(job)),
            counts=self._counts(job, runs),
            bytes_added=runs.counts.bytes_copied,
        )

    def _counts(self, job: Job, runs: RunsTally) -> Counts:
        """Give what the ledger counts: what sync runs did, and how two sides differed when last compared."""
        if job.type is JobType.CHECK:
            compared = self._ledger.last_run(job.name, outcomes=_COMPARED)
            return Counts() if compared is None else compared.counts
        return runs.counts if job.type is JobType.SYNC else Counts()

    def _last(self, run: LedgerRun) -> LastRun:
        error = None if run.error is None else self._told(run.job, run.error)
        outcome = outcome_by_now(run)
        return LastRun(started_at=run.started_at, outcome=outcome, error=error, counts=run.counts)

    def _bad_runs(self, job: Job) -> Iterator[BadRun]:
        runs = self._ledger.runs_ended(job.name, since=self._since, outcomes=_BAD, limit=_BAD_RUNS_SHOWN)
        for run in runs:
            assert run.outcome is not None
            gave_up = f"{run.counts.failed:,} paths were given up" if run.counts.failed else ""
            yield BadRun(
                run_id=run.run_id,
                started_at=run.started_at,
                outcome=run.outcome,
                reason=gave_up if run.error is None else self._told(run.job, run.error),
            )

    def _told(self, job: str, error: str) -> str:
        """Give an error as it is told of a job that is named already."""
        return self._mask(error.removeprefix(f"'{job}': "))

    # The catalog

    def _with_the_record(self, report: JobReport, record: Record) -> JobReport:
        catalog, known = record
        overview = Overview(catalog, known.job_id)
        reader = _Changes(record, overview)
        report = replace(report, rot=reader.rot(), open=tuple(reader.open()))
        report = self._with_sizes(report, record, overview)
        first = overview.first_change_since(self._since)
        if first is None or first >= known.next_change:
            return report
        newest = max(first, known.next_change - _LOOKED_AT)
        subtrees = overview.subtrees(first=newest, depth=self._depth)
        counts = _total(subtrees) if newest == first else overview.counts_since(self._since)
        most_first = sorted(subtrees, key=lambda each: (-each.counts.changes, each.path))
        return replace(
            report,
            counts=counts if report.type is JobType.TRACK else report.counts,
            looked_at=None if newest == first else _LOOKED_AT,
            deletions=reader.of_kind(ChangeKind.DELETED, first=newest, count=counts.deleted),
            moves=reader.of_kind(ChangeKind.MOVED, first=newest, count=counts.moved),
            subtrees=tuple(most_first[:_SUBTREES_SHOWN]),
            other_subtrees=max(0, len(subtrees) - _SUBTREES_SHOWN),
            largest=tuple(map(reader.fold, overview.largest(first=newest, limit=_LARGEST_SHOWN))),
        )

    def _with_sizes(self, report: JobReport, record: Record, overview: Overview) -> JobReport:
        """Add how much there is, how much there was, and what came in between."""
        catalog, known = record
        first_run = catalog.first_run(known.job_id)
        begun_at = self._since if first_run is None else max(self._since, first_run.started_at)
        spans = tuple(overview.spans(span_begins(begun_at, self._now)))
        if report.type is not JobType.TRACK:
            return replace(report, spans=spans)
        before = overview.before(self._since)
        return replace(
            report,
            spans=spans,
            size=Size(entries=known.entries, byte_count=known.bytes_total),
            size_before=None if before is None else Size(entries=before[0], byte_count=before[1]),
            first_recorded=self._first_recorded(first_run),
            kept_since=self._kept_since(record, first_run),
            bytes_added=sum(span.bytes_added for span in spans),
            bytes_modified=sum(span.bytes_modified for span in spans),
            bytes_deleted=sum(span.bytes_deleted for span in spans),
        )

    def _first_recorded(self, run: RecordedRun | None) -> Size | None:
        """Give what the first run of a job recorded, if that is part of this."""
        if run is None or not run.is_baseline or run.started_at < self._since:
            return None
        return Size(entries=run.entries, byte_count=run.bytes_total)

    def _kept_since(self, record: Record, run: RecordedRun | None) -> datetime.datetime | None:
        """Give when the oldest run that is kept began, if this looks further back, where runs were pruned."""
        if run is None or run.started_at <= self._since or checkpoint(*record) is None:
            return None
        return run.started_at


class _Changes:
    """The changes of one job that a report shows."""

    def __init__(self, record: Record, overview: Overview) -> None:
        self._catalog, self._known = record
        self._overview = overview
        self._began: dict[int, datetime.datetime | None] = {}

    def rot(self) -> Folds:
        """Give the rot that nobody has accepted."""
        count, changes = self._overview.open_rot(limit=_SHOWN)
        return Folds(shown=tuple(map(self.fold, changes)), count=count)

    def open(self) -> Iterator[OpenChanges]:
        """Give what nobody has accepted, the gravest first."""
        counts = self._overview.open_counts()
        for severity in reversed(Severity):
            if severity in counts:
                glimpses = self._overview.open_glimpses(severity, limit=_OPEN_FOLDED_UP_TO)
                shown = _INFO_SHOWN if severity is Severity.INFO else _SHOWN
                folds = self._folds(folded(glimpses), count=counts[severity], shown=shown)
                yield OpenChanges(severity=severity, folds=folds)

    def of_kind(self, kind: ChangeKind, *, first: int, count: int) -> Folds:
        """Give the changes of a kind from an id on: those that stand for most first."""
        if not count:
            return Folds()
        tops = folded(self._overview.glimpses(kind, first=first, limit=_FOLDED_UP_TO))
        tops.sort(key=lambda top: -top.beneath)  # stable: else the newest first
        return self._folds(tops, count=count)

    def fold(self, change: RecordedChange, *, top: Top | None = None) -> Fold:
        """Give a change with what it stands for."""
        return Fold(
            change=change,
            at=self._begin_of(change.run_id),
            beneath=0 if top is None else top.beneath,
            byte_count=_size_of(change) if top is None else top.byte_count,
        )

    def _folds(self, tops: Sequence[Top], *, count: int, shown: int = _SHOWN) -> Folds:
        first = tops[:shown]
        found = self._overview.changes_with(top.change_id for top in first)
        folds = (self.fold(found[top.change_id], top=top) for top in first if top.change_id in found)
        return Folds(shown=tuple(folds), count=count)

    def _begin_of(self, run_id: int) -> datetime.datetime | None:
        if run_id not in self._began:
            run = self._catalog.run(self._known.job_id, run_id)
            self._began[run_id] = None if run is None else run.started_at
        return self._began[run_id]


def _size_of(change: RecordedChange) -> int:
    row = change.new or change.old
    return row.size if row is not None and row.kind is Kind.FILE else 0


def _total(subtrees: Iterable[SubtreeTally]) -> Counts:
    total = Counts()
    for each in subtrees:
        for kind in ChangeKind:
            setattr(total, kind.value, getattr(total, kind.value) + getattr(each.counts, kind.value))
    return total

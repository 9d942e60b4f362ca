"""What a report says, before it is said."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Sequence

from msgspec import Struct, field

from dirsync.model.job import JobType, Severity
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Counts, Outcome
from dirsync.model.tallies import RunsTally, SpanTally, SubtreeTally


class Verdict(enum.Enum):
    """Whether somebody has to look at a job, the gravest last."""

    FINE = "fine"
    REVIEW = "to review"
    ALARM = "alarm"


class Fold(Struct, frozen=True, kw_only=True):
    """One change, and those it carried along: what was in a directory that came or went."""

    change: RecordedChange
    at: datetime.datetime | None  # when its run began; None: that is not on record any more
    beneath: int = 0  # changes it stands for besides itself
    byte_count: int = 0  # of all their files


class Folds(Struct, frozen=True, kw_only=True):
    """The first of some changes."""

    shown: tuple[Fold, ...] = ()
    count: int = 0  # of all the changes

    @property
    def more(self) -> int:
        """How many changes are neither shown nor stood for."""
        return self.count - sum(1 + fold.beneath for fold in self.shown)


class OpenChanges(Struct, frozen=True, kw_only=True):
    """Changes of one severity that nobody has accepted, of whatever run."""

    severity: Severity
    folds: Folds


class BadRun(Struct, frozen=True, kw_only=True):
    """One run that did not do all it should."""

    run_id: int
    started_at: datetime.datetime
    outcome: Outcome
    reason: str  # why; empty: the run did not say


class LastRun(Struct, frozen=True, kw_only=True):
    """The newest run of a job."""

    started_at: datetime.datetime
    outcome: Outcome | None  # None: it goes on
    error: str | None
    counts: Counts


class Size(Struct, frozen=True, kw_only=True):
    """How much a catalog holds of a job."""

    entries: int
    byte_count: int


class JobReport(Struct, frozen=True, kw_only=True):
    """What one job recorded."""

    name: str
    type: JobType
    source: bytes
    is_scheduled: bool
    last: LastRun | None  # None: it never ran
    runs: RunsTally = field(default_factory=RunsTally)
    bad_runs: tuple[BadRun, ...] = ()  # the newest, newest first
    trouble: str | None = None  # why its catalog could not be read; None: it was, or there is none
    kept_since: datetime.datetime | None = None  # what ran before was pruned; None: nothing of this was
    size: Size | None = None  # None: of a job that records no entries, or nothing yet
    size_before: Size | None = None  # None: no run is from before
    first_recorded: Size | None = None  # by its first run, if that is part of this; None: it is not
    counts: Counts = field(default_factory=Counts)  # changes; of a check job, differences at its last run
    bytes_added: int = 0
    bytes_modified: int = 0
    bytes_deleted: int = 0
    rot: Folds = field(default_factory=Folds)  # not accepted, of whatever run
    open: tuple[OpenChanges, ...] = ()  # the gravest first; a severity without any is left out
    looked_at: int | None = None  # changes, the newest, that what follows was made of; None: all
    deletions: Folds = field(default_factory=Folds)
    moves: Folds = field(default_factory=Folds)
    subtrees: tuple[SubtreeTally, ...] = ()  # where most changed, most first
    other_subtrees: int = 0  # directories besides
    spans: tuple[SpanTally, ...] = ()
    largest: tuple[Fold, ...] = ()

    def open_count(self, severity: Severity) -> int:
        """Count the changes of a severity that nobody has accepted."""
        return sum(each.folds.count for each in self.open if each.severity is severity)


class Report(Struct, frozen=True, kw_only=True):
    """What some jobs recorded since a moment."""

    host: str
    made_at: datetime.datetime  # aware
    since: datetime.datetime  # aware
    jobs: Sequence[JobReport]

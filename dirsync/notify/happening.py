"""What there is to tell: a run that ended, or one that did not come."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from msgspec import Struct, field

from dirsync.model.change import Change, Failure
from dirsync.model.notifier import Occasion
from dirsync.model.result import Outcome, RunResult


class Kept(Struct, kw_only=True):
    """What was kept of a run: the first failures, deletions and other changes, and how many there were."""

    failures: Sequence[Failure] = ()
    failure_count: int = 0
    deletions: Sequence[Change] = ()
    deletion_count: int = 0
    others: Sequence[Change] = ()
    other_count: int = 0
    notices: Sequence[str] = ()  # what a person should know that is no failure
    failed_paths: int = 0  # a sum over the hashes of all paths given up: equal sums, equal sets


class EndedRun(Struct, frozen=True, kw_only=True):
    """A run that ended, and what was kept of it."""

    result: RunResult
    kept: Kept = field(default_factory=Kept)

    @property
    def occasions(self) -> frozenset[Occasion]:
        """What it is an occasion for; nothing where the run was skipped, or ended by a signal."""
        match self.result.outcome:
            case Outcome.FAILED | Outcome.CRASHED:
                return frozenset({Occasion.FAILURE})
            case Outcome.PARTIAL:
                return frozenset({Occasion.PARTIAL})
            case Outcome.HELD:
                return frozenset({Occasion.HELD})
            case Outcome.SUCCEEDED if self.result.counts.changes:
                return frozenset({Occasion.SUCCESS, Occasion.CHANGES})
            case Outcome.SUCCEEDED:
                return frozenset({Occasion.SUCCESS})
            case _:
                return frozenset()


class Staleness(Struct, frozen=True, kw_only=True):
    """A job whose last success is too long ago."""

    job: str
    last_success_at: datetime.datetime | None  # aware; None: it never succeeded
    stale_after_seconds: float
    now: datetime.datetime  # aware


class Recovery(Struct, frozen=True, kw_only=True):
    """A job that is well again, without its run at hand."""

    job: str
    last_success_at: datetime.datetime | None  # aware; None: not known

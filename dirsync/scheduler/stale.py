"""Jobs whose last success is too long ago: who is, and when an alarm is raised.

An alarm is raised once, then once a day while it lasts, and that it is over is told once. What
was told is in the ledger, and so is when a job was first seen: a restart neither repeats an
alarm nor has a job that never succeeded begin anew.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterable

from msgspec import Struct

from dirsync.config.scalars import written_seconds
from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.runner.context import FOR_PEOPLE, running
from dirsync.runner.ledger import Ledger
from dirsync.scheduler.clock import Clock

logger = logging.getLogger(__name__)

REPEAT = datetime.timedelta(days=1)  # between two alarms of one job
_FIRST_SEEN = "first_seen"  # the fact that says since when a job without a success is waited for
_ALARM = "stale_alarm"  # the fact that says when the last alarm was raised; none: it is over
_LONGEST_SECONDS = 60.0  # between two looks
_LOOKS_IN_TIME = 4  # at least so many while a job's `stale_after` passes
_SUCCESS = frozenset({Outcome.SUCCEEDED})


class Stale(Struct, frozen=True, kw_only=True):
    """That the last success of a job is too long ago, or no longer is."""

    job: str
    last_success_at: datetime.datetime | None  # when it ended, aware, UTC; None: there was none
    stale_after_seconds: float
    over: bool = False


Told = Callable[[Stale], None]


def nobody(_: Stale) -> None:
    """Tell nobody but the log."""


def staleness(job: Job, ledger: Ledger, *, now: datetime.datetime) -> Stale | None:
    """Tell whether a job is stale (None: it is not, or nobody asked); a partial run is no success.

    Raises:
        RunError: the ledger cannot be read.
    """
    if job.stale_after_seconds is None or not job.enabled:
        return None
    success_at = last_success(ledger, job.name)
    since = first_seen(ledger, job.name) if success_at is None else success_at
    if since is None or (now - since).total_seconds() <= job.stale_after_seconds:
        return None
    return Stale(job=job.name, last_success_at=success_at, stale_after_seconds=job.stale_after_seconds)


def last_success(ledger: Ledger, job: str) -> datetime.datetime | None:
    """Find when the last run of a job that succeeded ended; None: none has.

    Raises:
        RunError: the ledger cannot be read.
    """
    run = ledger.last_run(job, outcomes=_SUCCESS)
    return None if run is None else run.finished_at


def first_seen(ledger: Ledger, job: str) -> datetime.datetime | None:
    """Find when a job ran first or the scheduler first saw it; None: neither is on record.

    Raises:
        RunError: the ledger cannot be read.
    """
    run = ledger.first_run(job)
    moments = (_remembered(ledger, job, _FIRST_SEEN), None if run is None else run.started_at)
    return min((moment for moment in moments if moment is not None), default=None)


class StaleWatch:
    """Looks at jobs now and then, and tells who became stale and who no longer is.

    `told` is called by the thread that looks, which has other things to do as well.
    """

    def __init__(self, ledger: Ledger, *, clock: Clock, told: Told = nobody) -> None:
        self._ledger = ledger
        self._clock = clock
        self._told = told
        self._jobs: tuple[Job, ...] = ()
        self._next_look = 0.0  # by the clock that nobody sets

    def declare(self, jobs: Iterable[Job]) -> None:
        """Make these the jobs; those that nobody has seen before are waited for from now on."""
        self._jobs = tuple(job for job in jobs if job.enabled and job.stale_after_seconds is not None)
        self.look_soon()

    def look_soon(self) -> None:
        """Look at the next turn: a run has ended."""
        self._next_look = self._clock.monotonic()

    def turn(self) -> None:
        """Look, if it is time to.

        Raises: what `told` raises, and:
            RunError: the ledger cannot be read or written.
        """
        if self._jobs and self._clock.monotonic() >= self._next_look:
            shortest = min(job.stale_after_seconds or 0.0 for job in self._jobs)
            self._next_look = self._clock.monotonic() + min(
                _LONGEST_SECONDS, max(1.0, shortest / _LOOKS_IN_TIME)
            )
            for job in self._jobs:
                self._look_at(job)

    def _look_at(self, job: Job) -> None:
        now = self._clock.now()
        if first_seen(self._ledger, job.name) is None:
            self._ledger.remember(job.name, _FIRST_SEEN, now.isoformat())
        alarm_at = _remembered(self._ledger, job.name, _ALARM)
        stale = staleness(job, self._ledger, now=now)
        if stale is not None and (alarm_at is None or not now - REPEAT < alarm_at <= now):
            try:
                self._tell(stale)
            finally:
                self._ledger.remember(job.name, _ALARM, now.isoformat())
        elif stale is None and alarm_at is not None:
            self._ledger.forget(job.name, _ALARM)
            self._tell(_over(job, last_success(self._ledger, job.name)))

    def _tell(self, stale: Stale) -> None:
        with running(stale.job):
            if stale.over:
                logger.info("no longer stale: it has succeeded")
            else:
                logger.error("stale: %s", in_words(stale), extra=FOR_PEOPLE)
        self._told(stale)


def in_words(stale: Stale) -> str:
    """Say why a job is stale."""
    limit = written_seconds(stale.stale_after_seconds)
    if stale.last_success_at is None:
        return f"it has not succeeded yet, and 'stale_after' is {limit}"
    at = stale.last_success_at.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"it succeeded last on {at}, and 'stale_after' is {limit}"


def _over(job: Job, success_at: datetime.datetime | None) -> Stale:
    assert job.stale_after_seconds is not None
    return Stale(
        job=job.name, last_success_at=success_at, stale_after_seconds=job.stale_after_seconds, over=True
    )


def _remembered(ledger: Ledger, job: str, key: str) -> datetime.datetime | None:
    text = ledger.recall(job, key)
    try:
        return None if text is None else datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None  # nothing that a release ever wrote

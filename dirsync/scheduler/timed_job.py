"""One job as the engine, the library `schedule`, sees it.

The engine keeps jobs sorted by their due times and asks which are due; when that
is, is decided here, by our own rules, in UTC. Its own rules know no cron lines,
need pytz, and let errors of a job end the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import schedule
from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import Ledger, RecordedRun
from dirsync.scheduler.clock import Clock
from dirsync.scheduler.due import Past, last_start, next_due, rebased
from dirsync.scheduler.window import OpeningHours

logger = logging.getLogger(__name__)

RETRY_SECONDS = 60.0  # how soon a skipped run is tried again, at the latest


class TimedJob(schedule.Job):
    """A job and its due time; `next_run` is aware UTC, or None: never."""

    def __init__(
        self, job: Job, timing: Schedule, *, engine: schedule.Scheduler, ledger: Ledger, clock: Clock
    ) -> None:
        super().__init__(1, engine)
        self.job = job
        self.running = False
        self._timing = timing
        self._ledger = ledger
        self._clock = clock
        self._past = Past(job=job.name, known_since=clock.now(), last_started_at=None)
        self._seen_run: int | None = None  # the newest recorded run that `_past` knows of
        self._retry_at: datetime | None = None  # None: the last run was not skipped
        self._looks_away = False

    def __repr__(self) -> str:
        """Name the job, for the engine's own log lines; its way needs a unit of time."""
        return f"<{self.job.name!r} due {self.next_run or 'never'}>"

    __str__ = __repr__

    @property
    def key(self) -> str:
        """What it is told apart by from all else that has a schedule."""
        return self.job.name

    @property
    def timing(self) -> Schedule:
        """The schedule in force."""
        return self._timing

    def offer_to(self, start: Callable[[TimedJob], None]) -> None:
        """Hand the job to its engine, which calls `start` when it is due."""
        self.do(start, self)

    def declare(self, job: Job, timing: Schedule) -> None:
        """Take over a changed declaration; it holds from the next run on."""
        self.job = job
        if timing != self._timing:
            self._timing = timing
            self._forget_past_times()
        self.plan()

    def plan(self) -> None:
        """Count the due time again from what is known now."""
        self._schedule_next_run()

    @property
    def should_run(self) -> bool:
        """Whether the job is due and does not run already."""
        return not self.running and self.next_run is not None and self._clock.now() >= self.next_run

    def run(self) -> None:
        """Start the job if it is still due: another process may have run it, its window may be closed."""
        self.plan()
        if self.should_run and self.job_func is not None:
            self.job_func()

    def started(self) -> None:
        """Note that a run of the job begins."""
        self.running = True
        self._past = replace(self._past, last_started_at=self._clock.now())
        self._retry_at = None

    def finished(self, outcome: Outcome) -> None:
        """Note how the run ended and count the next due time."""
        self.running = False
        if outcome is Outcome.SKIPPED:
            self._retry_at = self._clock.now() + self._retry_delay()
        self.plan()

    def look_away(self) -> None:
        """Take no notice of the run that begins now: it looks at what changed alone."""
        self._looks_away = True

    def look_again(self) -> None:
        """Take notice of runs from here on."""
        recorded = self._last_start()
        self._seen_run = self._seen_run if recorded is None else recorded.run_id
        self._looks_away = False

    def _schedule_next_run(self) -> None:
        """Compute `next_run`; the engine calls this by its own name."""
        now = self._clock.now()
        self._look_into_ledger()
        try:
            self._past = rebased(self._timing, self._past, now=now)
            due = next_due(self._timing, self._past, now=now)
            retry = self._next_retry(now)
        except RunError as error:
            logger.error("'%s' cannot be scheduled: %s", self.job.name, error)
            due = retry = None
        self.next_run = min((moment for moment in (due, retry) if moment is not None), default=None)
        logger.debug("'%s' is due next: %s", self.job.name, self.next_run or "never")

    def _look_into_ledger(self) -> None:
        """Take over the last recorded start if it is newer than what is known, whoever ran it."""
        if self._looks_away:
            return
        recorded = self._last_start()
        if recorded is not None and recorded.run_id != self._seen_run:
            self._seen_run = recorded.run_id
            self._past = replace(self._past, last_started_at=recorded.started_at)

    def _last_start(self) -> RecordedRun | None:
        try:
            return last_start(self._ledger, self.job.name)
        except RunError as error:
            logger.error("'%s': last run not known: %s", self.job.name, error)
            return None

    def _next_retry(self, now: datetime) -> datetime | None:
        if self._retry_at is None:
            return None
        self._retry_at = min(self._retry_at, now + self._retry_delay())  # the clock may have been set back
        return OpeningHours(self._timing).opening(max(self._retry_at, now))

    def _retry_delay(self) -> timedelta:
        return timedelta(seconds=min(RETRY_SECONDS, self._timing.every_seconds or RETRY_SECONDS))

    def _forget_past_times(self) -> None:
        """Keep times of the day that are declared only now from counting as missed."""
        now, last = self._clock.now(), self._past.last_started_at
        if last is not None and self._timing.every_seconds is None:
            last = max(last, now)
        self._past = replace(self._past, known_since=now, last_started_at=last)

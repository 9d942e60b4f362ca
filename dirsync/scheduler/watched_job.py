"""One job that runs when its source changes: soon after the last event, and not for every one.

The first run looks at all of the source, and so does every run of which it is not certain that
what is marked is all that changed: events were missed, the watch is another one, the run before
did not succeed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.marks import Marks
from dirsync.model.result import Outcome
from dirsync.scheduler.clock import Clock
from dirsync.scheduler.window import OpeningHours

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.2  # after the last event: whoever writes one file often writes more
PATIENCE_SECONDS = 2.0  # after the first: whoever never stops does not keep it waiting
RETRY_SECONDS = 60.0  # until a run that failed, or a source that cannot be watched, is tried again
LONGEST_RETRY_SECONDS = 3600.0  # it is twice as long each time


class Watch(Protocol):
    """What tells which directories of a source have changed."""

    @property
    def is_lost(self) -> bool:
        """Whether events were missed."""
        ...

    def begin(self) -> None:
        """Begin; from here on nothing that changes is missed."""

    def end(self) -> None:
        """Watch no more."""

    def waits_since(self) -> tuple[float, float] | None:
        """Say when (monotonic) the first and the last of the marks that wait were made."""

    def take(self) -> Marks:
        """Give the marks that wait."""


OpenWatch = Callable[[Job], Watch]  # not begun yet


class WatchedJob:
    """A job, its watch, and when what that tells has to be looked at."""

    def __init__(self, job: Job, *, open_watch: OpenWatch, clock: Clock) -> None:
        self.job = job
        self.running = False
        self._open_watch = open_watch
        self._clock = clock
        self._watch: Watch | None = None  # None: the source is not watched
        self._needs_all = True  # the next run has to look at everything
        self._not_before = clock.monotonic()  # of such a run
        self._retry_seconds = RETRY_SECONDS
        self._told: str | None = None  # why it cannot be watched, as it was said last

    @property
    def key(self) -> str:
        """What its runs are told apart by from those on a schedule; no job's name holds a slash."""
        return f"{self.job.name}/watch"

    def seconds_until_due(self) -> float | None:
        """Say in how many seconds it has to run; 0 or less: now. None: nothing happened."""
        if self.running:
            return None
        now = self._clock.monotonic()
        self._look_after_watch()
        if self._needs_all:
            wait = self._not_before - now
        else:
            assert self._watch is not None
            waits_since = self._watch.waits_since()
            if waits_since is None:
                return None
            first_at, last_at = waits_since
            wait = min(last_at + QUIET_SECONDS, first_at + PATIENCE_SECONDS) - now
        return max(wait, self._seconds_until_window())

    def _look_after_watch(self) -> None:
        if not self._needs_all and (self._watch is None or self._watch.is_lost):
            self._needs_all = True
            self._not_before = self._clock.monotonic()

    def _seconds_until_window(self) -> float:
        """Say how long no run may start yet, for the job's schedule has a window."""
        if self.job.schedule is None or self.job.schedule.window is None:
            return 0.0
        now = self._clock.now()
        opens_at = OpeningHours(self.job.schedule).opening(now)
        return RETRY_SECONDS if opens_at is None else (opens_at - now).total_seconds()

    def begin_run(self, *, looks_at_all: bool = False) -> Marks | None:
        """Say what a run that begins now has to look at; None: everything, after `watch_if_need_be`."""
        self.running = True
        self._needs_all = self._needs_all or looks_at_all
        if self._needs_all or self._watch is None or self._watch.is_lost:
            self._needs_all = True  # until it has succeeded
            return None
        return self._watch.take()

    def watch_if_need_be(self) -> None:
        """Have the source watched before a run looks at all of it; it may take seconds."""
        if self._watch is None or self._watch.is_lost:
            self._watch_anew()
        else:
            self._watch.take()

    def finished(self, outcome: Outcome) -> None:
        """Note how a run ended."""
        self.running = False
        self._needs_all = outcome is not Outcome.SUCCEEDED or self._watch is None
        if not self._needs_all:
            self._retry_seconds = RETRY_SECONDS
            return
        self._not_before = self._clock.monotonic() + self._retry_seconds
        if outcome is not Outcome.SUCCEEDED:
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)

    def end(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch.end()
            self._watch = None

    def _watch_anew(self) -> None:
        """Watch the source before it is looked at; where that cannot be, each run looks at all."""
        self.end()
        watch = self._open_watch(self.job)
        try:
            watch.begin()
        except RunError as error:
            if str(error) != self._told:
                self._told = str(error)
                logger.warning(
                    "'%s': %s; all of it is looked at every %d s", self.job.name, error, RETRY_SECONDS
                )
            return
        self._told = None
        self._watch = watch

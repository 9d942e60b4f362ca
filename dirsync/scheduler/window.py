"""The hours and days in which a run may start."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo

from dirsync.model.timing import Schedule, Weekday, Window
from dirsync.scheduler.zone import moment_of, zone_named

_MIDNIGHT = time(0)
_DAYS_LOOKED_AHEAD = 15
_TICK = timedelta(microseconds=1)


class OpeningHours:
    """A schedule's window, and for `every` its days.

    With `at` and `cron` the days belong to the times they name: a time of Monday
    that waits for its window may start on Tuesday.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._zone: tzinfo = zone_named(schedule.timezone)
        self._window = schedule.window or Window(begin=_MIDNIGHT, end=_MIDNIGHT)
        self._days = schedule.on if schedule.every_seconds is not None else frozenset(Weekday)

    def admit(self, moment: datetime) -> bool:
        """Whether a run may start at a moment; a window's end is outside."""
        local = moment.astimezone(self._zone)
        return local.weekday() in self._days and self._holds(local.time())

    def opening(self, moment: datetime) -> datetime | None:
        """Find the first moment from this one on at which a run may start."""
        if self.admit(moment):
            return moment
        return next((edge for edge in self._edges(moment) if self.admit(edge)), None)

    def closing(self, moment: datetime) -> datetime | None:
        """Find the first moment after this one at which no run may start; None: none is near."""
        return next((edge for edge in self._edges(moment) if not self.admit(edge)), None)

    def closed_since(self, moment: datetime) -> datetime:
        """Find since when no run may start; the moment itself if one may."""
        if self.admit(moment):
            return moment
        since = moment - timedelta(days=_DAYS_LOOKED_AHEAD - 1)
        for edge in itertools.takewhile(lambda edge: edge <= moment, self._edges(since)):
            since = edge if self.admit(edge - _TICK) else since
        return since

    def _holds(self, wall: time) -> bool:
        begin, end = self._window.begin, self._window.end
        if begin < end:
            return begin <= wall < end
        return wall >= begin or wall < end

    def _edges(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments after this one at which hours or days may begin or end, in order."""
        today = moment.astimezone(self._zone).date()
        walls = sorted({_MIDNIGHT, self._window.begin, self._window.end})
        for offset in range(_DAYS_LOOKED_AHEAD):
            day = today + timedelta(days=offset)
            edges = sorted(moment_of(day, wall, self._zone) for wall in walls)
            yield from (edge.astimezone(UTC) for edge in edges if edge > moment)

"""When a job is due: pure rules, from a schedule and what is known of the past.

First the nominal moment: an interval after the last start, or the next time that
`at` or `cron` names. Then its window, then its jitter. A moment that has passed
by now was missed: it is due still, once, however many have passed.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.model.timing import Schedule, Start
from dirsync.runner.ledger import Ledger, RecordedRun
from dirsync.scheduler.occurrences import next_occurrence
from dirsync.scheduler.window import OpeningHours

LATE = timedelta(seconds=60)  # later than this is missed, where `run_missed` is false

_TICK = timedelta(microseconds=1)
_RAN = frozenset(Outcome) - {Outcome.SKIPPED}


class Past(Struct, frozen=True, kw_only=True):
    """What a due time is counted from; moments are aware."""

    job: str  # seeds the jitter, so that jobs of one schedule spread
    known_since: datetime  # when the scheduler began, or the job was added to it
    last_started_at: datetime | None  # None: it never ran

    @property
    def origin(self) -> datetime:
        """The moment that due times are counted from."""
        return self.last_started_at or self.known_since


def next_due(schedule: Schedule, past: Past, *, now: datetime) -> datetime | None:
    """Find when a job is due; a moment that has passed means at once.

    None: never again. The same arguments give the same moment, jitter included.

    Raises:
        RunError: the schedule's zone is not known here, or its cron line is not valid.
    """
    past = rebased(schedule, past, now=now)
    hours = OpeningHours(schedule)
    due = _first_due(schedule, past, hours=hours)
    if due is None or due > now:
        return due
    if not schedule.run_missed:
        limit = now - LATE if hours.admit(now) else now
        return due if due >= limit else _first_due_from(limit, schedule, past, hours=hours)
    if hours.admit(now):
        return due
    return _shaped(schedule, past.job, now, hours=hours)


def rebased(schedule: Schedule, past: Past, *, now: datetime) -> Past:
    """Give a past that does not lie ahead of now; it does when the clock was set back.

    Who asks again and again should keep the answer, else each now is a new beginning.
    A time of the day that has had its run keeps it, though the clock will show that
    time again, unless the job would stand still for more than a turn of its schedule.
    """
    origin = past.origin
    if origin <= now or (schedule.every_seconds is None and _turn(schedule, origin) > origin - now):
        return past
    last_started_at = None if past.last_started_at is None else now
    return replace(past, known_since=min(past.known_since, now), last_started_at=last_started_at)


def forecast(job: Job, ledger: Ledger, now: datetime) -> datetime | None:
    """Find when a scheduler would run a job next, whether one runs or not.

    None: never, for the job is disabled or has no schedule. Never before `now`.

    Raises:
        RunError: the ledger cannot be read, or the schedule is not valid here.
    """
    if job.schedule is None or not job.enabled:
        return None
    last = last_start(ledger, job.name)
    past = Past(job=job.name, known_since=now, last_started_at=last.started_at if last else None)
    due = next_due(job.schedule, past, now=now)
    return due and max(due, now)


def last_start(ledger: Ledger, job: str) -> RecordedRun | None:
    """Find the run that counts as the job's last: the newest that was not skipped."""
    newest = ledger.last_run(job)
    if newest is None or newest.outcome is not Outcome.SKIPPED:
        return newest
    return ledger.last_run(job, outcomes=_RAN)


def _first_due(schedule: Schedule, past: Past, *, hours: OpeningHours) -> datetime | None:
    if past.last_started_at is None:
        start = _declared_start(schedule, known_since=past.known_since)
        if start is not None:
            return hours.opening(start)
    return _shaped(schedule, past.job, _regular(schedule, past, after=past.origin), hours=hours)


def _first_due_from(
    limit: datetime, schedule: Schedule, past: Past, *, hours: OpeningHours
) -> datetime | None:
    """Find the first due time from a moment on; all before it are passed over.

    What was nominal before `limit` may be due after it, by its jitter or because it
    waits for the window: the search begins where the earliest of these can be.
    """
    earliest = hours.closed_since(limit - timedelta(seconds=schedule.jitter_seconds))
    after = max(past.origin, earliest - _TICK)
    while (nominal := _regular(schedule, past, after=after)) is not None:
        due = _shaped(schedule, past.job, nominal, hours=hours)
        if due is None or due >= limit:
            return due
        after = max(nominal, hours.opening(nominal) or nominal)
    return None


def _declared_start(schedule: Schedule, *, known_since: datetime) -> datetime | None:
    """Find when a job that never ran is due; None: as if it had run when it became known."""
    match schedule.start:
        case Start.NOW:
            return known_since
        case Start.DELAY:
            return None
        case None:
            return None if schedule.every_seconds is None else known_since
        case seconds:
            return known_since + timedelta(seconds=seconds)


def _regular(schedule: Schedule, past: Past, *, after: datetime) -> datetime | None:
    """Find the first nominal moment after another; an interval keeps its beat."""
    if schedule.every_seconds is None:
        return next_occurrence(schedule, after=after)
    every = timedelta(seconds=schedule.every_seconds)
    return past.origin + every * ((after - past.origin) // every + 1)


def _turn(schedule: Schedule, start: datetime) -> timedelta:
    """Measure how long a time of the day that began then lasts until the next."""
    following = next_occurrence(schedule, after=start)
    return timedelta.max if following is None else following - start


def _shaped(
    schedule: Schedule, job: str, nominal: datetime | None, *, hours: OpeningHours
) -> datetime | None:
    """Move a nominal moment into the window, then by its jitter, which never leaves the window."""
    opening = nominal and hours.opening(nominal)
    if opening is None or schedule.jitter_seconds == 0:
        return opening
    room = timedelta(seconds=schedule.jitter_seconds)
    closing = hours.closing(opening)
    if closing is not None:
        room = min(room, closing - opening)
    due = opening + room * _fraction(job, opening)
    return due if hours.admit(due) else opening  # an end that DST skipped comes earlier than it reads


def _fraction(job: str, due: datetime) -> float:
    """Give a number in [0, 1) that looks random and is the same each time."""
    seed = f"{job}\0{due.timestamp():.6f}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(seed, digest_size=6).digest()) / 2**48

"""Whatever is declared, a due time is one that comes, once, and in its window."""

from __future__ import annotations

import os
from datetime import UTC, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dirsync.model.timing import Schedule, Start, Weekday, Window
from dirsync.scheduler.due import LATE, Past, next_due, rebased
from dirsync.scheduler.window import OpeningHours

EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "150"))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
WALLS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
DAYS = st.frozensets(st.sampled_from(Weekday), min_size=1)
MOMENTS = st.integers(0, 4 * 365 * 86400).map(
    lambda s: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)
SPANS = st.integers(0, 30 * 86400).map(lambda s: timedelta(seconds=s))
WINDOWS = st.builds(Window, begin=WALLS, end=WALLS).filter(lambda window: window.begin != window.end)
CRONS = st.sampled_from(["*/10 * * * *", "30 2 * * *", "0 */3 * * *", "15 1-3 * * mon", "0 0 1 * *"])
TIMINGS = st.one_of(
    st.sampled_from([7.0, 900.0, 86400.0]).map(lambda seconds: {"every_seconds": seconds}),
    st.lists(WALLS, min_size=1, max_size=3).map(lambda walls: {"at": tuple(walls)}),
    CRONS.map(lambda cron: {"cron": cron}),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        **draw(TIMINGS),
        on=draw(st.one_of(st.just(frozenset(Weekday)), DAYS)),
        timezone=draw(ZONES),
        jitter_seconds=draw(st.sampled_from([0.0, 5.0, 1800.0])),
        start=draw(st.sampled_from([None, Start.NOW, Start.DELAY, 60.0])),
        run_missed=draw(st.booleans()),
        window=draw(st.one_of(st.none(), WINDOWS)),
    )


def past_of(now: datetime, *, started_ago: timedelta | None) -> Past:
    started_at = None if started_ago is None else now - started_ago
    return Past(job="j", known_since=now, last_started_at=started_at)


@settings(max_examples=EXAMPLES, deadline=None)
@given(schedules(), MOMENTS, st.one_of(st.none(), SPANS))
def test_job_is_due_at_its_due_time(schedule: Schedule, now: datetime, started_ago: timedelta | None) -> None:
    """Asked again at the moment it named, the answer is: now, at a time its window admits."""
    past = past_of(now, started_ago=started_ago)
    due = next_due(schedule, past, now=now)
    if due is None:
        return
    then = max(now, due)

    again = next_due(schedule, past, now=then)

    assert again is not None
    assert again <= then
    assert OpeningHours(schedule).admit(then)


@settings(max_examples=EXAMPLES, deadline=None)
@given(schedules(), MOMENTS, SPANS, st.floats(0, 1))
def test_due_time_does_not_recede(
    schedule: Schedule, now: datetime, started_ago: timedelta, share: float
) -> None:
    """Asked again while it waits, a job is due when it was, or earlier; never later."""
    past = past_of(now, started_ago=started_ago)
    due = next_due(schedule, past, now=now)
    if due is None or due <= now:
        return

    again = next_due(schedule, past, now=now + (due - now) * share)

    assert again is not None
    assert again <= due


@settings(max_examples=EXAMPLES, deadline=None)
@given(schedules(), MOMENTS, SPANS)
def test_run_at_its_due_time_is_not_due_again_at_once(
    schedule: Schedule, now: datetime, started_ago: timedelta
) -> None:
    """A start that follows its due time by a moment is the only one for it."""
    due = next_due(schedule, past_of(now, started_ago=started_ago), now=now)
    if due is None:
        return
    started_at = max(now, due) + timedelta(milliseconds=3)

    again = next_due(
        schedule, Past(job="j", known_since=now, last_started_at=started_at), now=started_at + LATE / 60
    )

    assert again is None or again > started_at


@settings(max_examples=EXAMPLES, deadline=None)
@given(schedules(), MOMENTS, SPANS)
def test_past_that_lies_ahead_stalls_no_job(schedule: Schedule, now: datetime, ahead: timedelta) -> None:
    """With the clock set back, the kept answer leads to a run, no later than a turn after a fresh one."""
    past = rebased(schedule, Past(job="j", known_since=now + ahead, last_started_at=now + ahead), now=now)
    due = next_due(schedule, past, now=now)
    if due is None:
        return

    again = next_due(schedule, rebased(schedule, past, now=max(due, now)), now=max(due, now))

    assert again is not None
    assert again <= max(due, now)

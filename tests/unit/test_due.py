"""When a job is due, as a pure function of its schedule, its past and now."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from dirsync.errors import RunError
from dirsync.model.job import JobType, MirrorJob
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.timing import Schedule, Start, Weekday, Window
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.scheduler.due import Past, forecast, last_start, next_due

EVERY_15_MINUTES = Schedule(every_seconds=900)
HALF_PAST_TWO = Schedule(at=(time(2, 30),), timezone="UTC")
NIGHT = Window(begin=time(20), end=time(6))


def utc(text: str) -> datetime:
    """Read `01 12:30` as a moment of January 2026 (the 1st is a Thursday)."""
    return datetime.strptime(f"2026-01-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def due(schedule: Schedule, *, last: str | None, now: str, since: str | None = None) -> datetime | None:
    past = Past(
        job="photos", known_since=utc(since or now), last_started_at=None if last is None else utc(last)
    )
    return next_due(schedule, past, now=utc(now))


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("01 12:00", "01 12:05", "01 12:15"),
        ("01 12:00", "01 12:15", "01 12:15"),
        ("01 12:00", "01 18:00", "01 12:15"),  # missed many times: at once, once
        (None, "01 12:00", "01 12:00"),  # never ran
    ],
)
def test_interval_counts_from_the_last_start(last: str | None, now: str, expected: str) -> None:
    """An interval job is due so long after its recorded last start; a new one at once."""
    assert due(EVERY_15_MINUTES, last=last, now=now) == utc(expected)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("01 02:30", "01 12:00", "02 02:30"),
        ("01 02:31", "02 02:00", "02 02:30"),
        ("01 02:30", "03 12:00", "02 02:30"),  # missed twice: at once, once
        (None, "01 12:00", "02 02:30"),
        (None, "01 02:00", "01 02:30"),
    ],
)
def test_times_of_the_day_wait_for_their_time(last: str | None, now: str, expected: str) -> None:
    """An `at` job is due at the first such time after its last start."""
    assert due(HALF_PAST_TWO, last=last, now=now) == utc(expected)


def test_several_times_and_days_are_taken_in_order() -> None:
    """The next of all times on all named days comes first."""
    schedule = Schedule(
        at=(time(18), time(6)), on=frozenset({Weekday.MON, Weekday.SAT}), timezone="UTC"
    )  # the 3rd is a Saturday, the 5th a Monday

    assert due(schedule, last=None, now="01 12:00") == utc("03 06:00")
    assert due(schedule, last="03 06:00", now="03 07:00") == utc("03 18:00")
    assert due(schedule, last="03 18:00", now="03 18:01") == utc("05 06:00")


@pytest.mark.parametrize(
    ("cron", "last", "expected"),
    [
        ("*/20 * * * *", "01 12:00", "01 12:20"),
        ("0 9 * * mon", "01 12:00", "05 09:00"),
        ("0 0 31 1 *", "01 12:00", "31 00:00"),
    ],
)
def test_cron_lines_are_understood(cron: str, last: str, expected: str) -> None:
    """A cron job is due at the next minute its line names."""
    assert due(Schedule(cron=cron, timezone="UTC"), last=last, now=last) == utc(expected)


def test_cron_keeps_to_the_named_days() -> None:
    """`on` narrows a cron line."""
    schedule = Schedule(cron="0 9 * * *", on=frozenset({Weekday.SUN}), timezone="UTC")

    assert due(schedule, last=None, now="01 12:00") == utc("04 09:00")


def test_times_that_never_come_are_never_due() -> None:
    """A line that contradicts itself is never due, and ends no loop."""
    never = Schedule(cron="0 9 * * mon", on=frozenset({Weekday.SUN}), timezone="UTC")

    assert due(never, last=None, now="01 12:00") is None
    assert due(Schedule(at=(time(2),), on=frozenset()), last=None, now="01 12:00") is None


@pytest.mark.parametrize(
    "schedule", [Schedule(cron="61 * * * *"), Schedule(cron="*/5 * * * *", timezone="No/Where")]
)
def test_schedule_that_means_nothing_here_is_an_error(schedule: Schedule) -> None:
    """What cannot be computed is an error of this job, not of the loop."""
    with pytest.raises(RunError):
        due(schedule, last=None, now="01 12:00")


@pytest.mark.parametrize(
    ("start", "interval_job", "at_job"),
    [
        (None, "01 12:00", "02 02:30"),
        (Start.NOW, "01 12:00", "01 12:00"),
        (Start.DELAY, "01 12:15", "02 02:30"),
        (600.0, "01 12:10", "01 12:10"),
    ],
)
def test_start_decides_the_first_run(start: Start | float | None, interval_job: str, at_job: str) -> None:
    """`start` says when a job that never ran is due."""
    interval = Schedule(every_seconds=900, start=start)
    at = Schedule(at=(time(2, 30),), timezone="UTC", start=start)

    assert due(interval, last=None, now="01 12:01", since="01 12:00") == utc(interval_job)
    assert due(at, last=None, now="01 12:01", since="01 12:00") == utc(at_job)
    assert due(at, last="01 11:00", now="01 12:01", since="01 12:00") == utc("02 02:30")


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("01 02:30", "02 02:30", "02 02:30"),
        ("01 02:30", "02 02:31", "02 02:30"),  # a minute late is not missed
        ("01 02:30", "02 02:32", "03 02:30"),
        ("01 02:30", "09 12:00", "10 02:30"),
    ],
)
def test_missed_times_are_passed_over_if_declared_so(last: str, now: str, expected: str) -> None:
    """Without `run_missed`, a time more than a minute ago is given up for the next."""
    schedule = Schedule(at=(time(2, 30),), timezone="UTC", run_missed=False)

    assert due(schedule, last=last, now=now) == utc(expected)


def test_missed_interval_keeps_its_beat_if_declared_so() -> None:
    """Without `run_missed`, an interval goes on in multiples of itself."""
    schedule = Schedule(every_seconds=3600, run_missed=False)

    assert due(schedule, last="01 12:00", now="01 15:20") == utc("01 16:00")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("03 15:00", "03 20:00"),  # today's noon still waits for its window
        ("03 20:00", "03 20:00"),  # and is due when that opens
        ("03 20:05", "04 20:00"),
        ("03 09:00", "03 20:00"),
    ],
)
def test_passing_over_missed_times_keeps_what_waits_for_the_window(now: str, expected: str) -> None:
    """Without `run_missed`, a time is missed only when its window's opening is."""
    schedule = Schedule(at=(time(12),), window=NIGHT, timezone="UTC", run_missed=False)

    assert due(schedule, last="01 20:00", now=now) == utc(expected)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("01 20:00", "01 20:05", "01 20:15"),
        ("01 23:50", "01 23:55", "02 00:05"),  # over midnight
        ("02 05:50", "02 05:55", "02 20:00"),  # 06:05 is outside
        ("02 05:45", "02 05:50", "02 20:00"),  # the end itself is outside
        ("02 05:50", "02 12:00", "02 20:00"),  # missed, and closed now
        ("02 05:30", "03 01:00", "02 05:45"),  # missed, and open now: at once
        (None, "01 12:00", "01 20:00"),
    ],
)
def test_due_times_outside_the_window_wait_for_its_opening(last: str | None, now: str, expected: str) -> None:
    """A window over midnight holds runs back until it opens."""
    schedule = Schedule(every_seconds=900, window=NIGHT, timezone="UTC")

    assert due(schedule, last=last, now=now) == utc(expected)


def test_time_of_the_day_outside_the_window_waits_past_its_day() -> None:
    """Days belong to the times they name, not to the window they wait for."""
    schedule = Schedule(
        at=(time(23),), on=frozenset({Weekday.MON}), window=Window(begin=time(1), end=time(5)), timezone="UTC"
    )

    assert due(schedule, last=None, now="03 12:00") == utc("06 01:00")


def test_interval_rests_on_other_days() -> None:
    """An interval with days runs on those only, from their midnight on."""
    schedule = Schedule(every_seconds=3600, on=frozenset({Weekday.SAT}), timezone="UTC")

    assert due(schedule, last="03 23:30", now="03 23:40") == utc("10 00:00")


def test_jitter_is_bounded_and_the_same_each_time() -> None:
    """Jitter only delays, by less than declared, and does not move when asked again."""
    schedule = Schedule(at=(time(2, 30),), timezone="UTC", jitter_seconds=600)
    first = due(schedule, last=None, now="01 12:00")

    assert first is not None
    assert first == due(schedule, last=None, now="01 12:00") == due(schedule, last=None, now="01 18:00")
    assert utc("02 02:30") < first < utc("02 02:40")


def test_jitter_spreads_jobs_and_days() -> None:
    """Two jobs of one schedule, or one job on two days, are moved by different amounts."""
    schedule = Schedule(at=(time(2, 30),), timezone="UTC", jitter_seconds=600)
    moments = {
        next_due(schedule, Past(job=job, known_since=now, last_started_at=None), now=now)
        for job in ("a", "b")
        for now in (utc("01 12:00"), utc("02 12:00"))
    }

    assert len({moment.strftime("%M:%S.%f") for moment in moments if moment}) == 4


def test_jitter_does_not_leave_the_window() -> None:
    """However large, jitter ends before the window does."""
    schedule = Schedule(at=(time(5, 50),), timezone="UTC", jitter_seconds=36000, window=NIGHT)
    moments = [due(schedule, last=f"{day:02} 05:55", now=f"{day:02} 07:00") for day in range(1, 28)]

    for day, moment in enumerate(moments, 2):
        assert moment is not None
        assert utc(f"{day:02} 05:50") <= moment < utc(f"{day:02} 06:00")


def test_jittered_run_is_not_followed_by_its_own_time() -> None:
    """The start, later than the nominal time by its jitter, counts for that time."""
    schedule = Schedule(at=(time(2, 30),), timezone="UTC", jitter_seconds=600)
    moment = due(schedule, last=None, now="01 12:00")
    assert moment is not None

    following = next_due(schedule, Past(job="photos", known_since=moment, last_started_at=moment), now=moment)
    assert following is not None
    assert utc("03 02:30") <= following < utc("03 02:40")


def test_clock_set_back_does_not_stall_an_interval() -> None:
    """With the last start in the future, the job waits one interval at the longest."""
    assert due(EVERY_15_MINUTES, last="09 12:00", now="01 12:00") == utc("01 12:15")
    assert due(EVERY_15_MINUTES, last="01 12:10", now="01 12:00") == utc("01 12:15")


def test_clock_set_back_a_little_does_not_run_a_daily_job_twice() -> None:
    """A time that comes again because the clock was set back is not due again."""
    assert due(HALF_PAST_TWO, last="02 02:30", now="02 02:10") == utc("03 02:30")


def test_clock_set_back_far_counts_afresh() -> None:
    """Set back by more than a turn, the schedule goes on from the new now."""
    minutely = Schedule(cron="* * * * *", timezone="UTC")

    assert due(HALF_PAST_TWO, last="20 02:30", now="02 02:10") == utc("02 02:30")
    assert due(minutely, last="01 12:30", now="01 12:00") == utc("01 12:01")


def test_clock_set_back_before_the_scheduler_began_stalls_no_first_run() -> None:
    """A job that never ran is not kept waiting by a clock that was ahead."""
    assert due(EVERY_15_MINUTES, last=None, since="09 12:00", now="01 12:00") == utc("01 12:00")
    delayed = Schedule(every_seconds=900, start=Start.DELAY)
    assert due(delayed, last=None, since="09 12:00", now="01 12:00") == utc("01 12:15")


def photos(schedule: Schedule | None, *, enabled: bool = True) -> MirrorJob:
    place = LocalPlace(path=b"/nowhere")
    return MirrorJob(name="photos", source=place, destination=place, schedule=schedule, enabled=enabled)


def record(ledger: Ledger, started_at: datetime, outcome: Outcome | None) -> int:
    run_id = ledger.begin(job="photos", type=JobType.SYNC, started_at=started_at, dry_run=False)
    if outcome is not None:
        ledger.finish(
            RunResult(
                job="photos",
                run_id=run_id,
                type=JobType.SYNC,
                outcome=outcome,
                dry_run=False,
                started_at=started_at,
                finished_at=started_at + timedelta(seconds=1),
            )
        )
    return run_id


def test_skipped_runs_do_not_count_as_the_last_start(tmp_path: Path) -> None:
    """What counts is the newest run that was not skipped, finished or not."""
    with open_ledger(str(tmp_path)) as ledger:
        assert last_start(ledger, "photos") is None
        ran = record(ledger, utc("01 12:00"), Outcome.FAILED)
        record(ledger, utc("01 12:15"), Outcome.SKIPPED)

        last = last_start(ledger, "photos")
        assert last is not None
        assert last.run_id == ran

        running = record(ledger, utc("01 12:16"), None)
        last = last_start(ledger, "photos")
        assert last is not None
        assert last.run_id == running


def test_forecast_needs_no_scheduler(tmp_path: Path) -> None:
    """The next run is known from the ledger alone, and never lies in the past."""
    with open_ledger(str(tmp_path)) as ledger:
        record(ledger, utc("01 12:00"), Outcome.SUCCEEDED)

        assert forecast(photos(EVERY_15_MINUTES), ledger, utc("01 12:01")) == utc("01 12:15")
        assert forecast(photos(EVERY_15_MINUTES), ledger, utc("01 18:00")) == utc("01 18:00")
        assert forecast(photos(None), ledger, utc("01 12:01")) is None
        assert forecast(photos(EVERY_15_MINUTES, enabled=False), ledger, utc("01 12:01")) is None

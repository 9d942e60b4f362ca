"""Days that are longer or shorter than others: each declared time fires exactly once.

Gaps and folds used here, from the IANA database:
Berlin 2026-03-29 02:00→03:00, 2026-10-25 03:00→02:00; New York 2026-03-08
02:00→03:00, 2026-11-01 02:00→01:00; Lord Howe (half an hour) 2026-10-04
02:00→02:30, 2026-04-05 02:00→01:30; Apia had no 2011-12-30 at all.
"""

from __future__ import annotations

import os
import time as time_module
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from dirsync.model.timing import Schedule, Window
from dirsync.scheduler.due import Past, next_due
from dirsync.scheduler.zone import zone_named

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def fired(schedule: Schedule, begin: str, *, days: float, zone: str | None = None) -> list[str]:
    """List when a job that is always started on time starts, in the zone's wall time."""
    shown_in = ZoneInfo(zone or schedule.timezone or "UTC")
    now = datetime.fromisoformat(begin).replace(tzinfo=shown_in).astimezone(UTC)
    end, last = now + timedelta(days=days), now
    starts: list[str] = []
    while True:
        moment = next_due(schedule, Past(job="j", known_since=last, last_started_at=last), now=last)
        if moment is None or moment > end:
            return starts
        starts.append(moment.astimezone(shown_in).strftime("%d %H:%M%z"))
        last = moment + timedelta(milliseconds=5)


@pytest.mark.parametrize(
    ("zone", "begin", "wall", "expected"),
    [
        (BERLIN, "2026-03-28T00:00", "02:30", ["28 02:30+0100", "29 03:30+0200", "30 02:30+0200"]),
        (BERLIN, "2026-10-24T00:00", "02:30", ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
        (NEW_YORK, "2026-03-07T00:00", "02:30", ["07 02:30-0500", "08 03:30-0400", "09 02:30-0400"]),
        (NEW_YORK, "2026-10-31T00:00", "01:30", ["31 01:30-0400", "01 01:30-0400", "02 01:30-0500"]),
        (LORD_HOWE, "2026-10-03T00:00", "02:15", ["03 02:15+1030", "04 02:45+1100", "05 02:15+1100"]),
        (LORD_HOWE, "2026-04-04T00:00", "01:45", ["04 01:45+1100", "05 01:45+1100", "06 01:45+1030"]),
        ("Pacific/Apia", "2011-12-29T00:00", "02:30", ["29 02:30-1000", "31 02:30+1400", "01 02:30+1400"]),
    ],
)
def test_time_of_the_day_fires_once_a_day(zone: str, begin: str, wall: str, expected: list[str]) -> None:
    """In a gap a time fires moved by the gap, in a fold the first time, and once each."""
    schedule = Schedule(at=(time.fromisoformat(wall),), timezone=zone)

    assert fired(schedule, begin, days=2.9) == expected


def test_times_that_a_gap_makes_one_fire_once() -> None:
    """02:30 moved to 03:30 and 03:30 itself are one moment."""
    schedule = Schedule(at=(time(2, 30), time(3, 30)), timezone=BERLIN)

    assert fired(schedule, "2026-03-29T00:00", days=0.9) == ["29 03:30+0200"]


@pytest.mark.parametrize(
    ("zone", "begin", "cron", "expected"),
    [
        (BERLIN, "2026-03-29T00:00", "30 2 * * *", ["29 03:00+0200"]),
        (BERLIN, "2026-03-29T00:00", "0,30 2 * * *", ["29 03:00+0200"]),
        (BERLIN, "2026-10-25T00:00", "30 2 * * *", ["25 02:30+0200"]),
        (LORD_HOWE, "2026-10-04T00:00", "15 2 * * *", ["04 02:30+1100"]),
        (LORD_HOWE, "2026-04-05T00:00", "45 1 * * *", ["05 01:45+1100"]),
    ],
)
def test_fixed_cron_time_fires_once(zone: str, begin: str, cron: str, expected: list[str]) -> None:
    """A cron line with a fixed hour fires right after a gap, and once in a fold."""
    assert fired(Schedule(cron=cron, timezone=zone), begin, days=0.9) == expected


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [(BERLIN, "2026-03-29", 23), (BERLIN, "2026-10-25", 25), (LORD_HOWE, "2026-04-05", 24.5)],
)
def test_cron_that_runs_all_day_follows_real_time(zone: str, day: str, hours: float) -> None:
    """`*/10` fires every ten real minutes, through gaps and folds."""
    starts = fired(Schedule(cron="*/10 * * * *", timezone=zone), f"{day}T00:00", days=hours / 24)

    assert len(starts) == len(set(starts)) == hours * 6


def test_interval_does_not_care() -> None:
    """An interval is real time."""
    starts = fired(Schedule(every_seconds=3600), "2026-10-25T00:00", days=0.2, zone=BERLIN)

    assert starts == ["25 01:00+0200", "25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]


@pytest.mark.parametrize(
    ("zone", "begin", "first"),
    [
        (BERLIN, "2026-03-29T00:00", "29 03:30+0200"),  # 02:30 does not exist
        (BERLIN, "2026-10-25T00:00", "25 02:30+0200"),
        (LORD_HOWE, "2026-10-04T00:00", "04 02:30+1100"),
    ],
)
def test_window_opens_on_days_of_other_lengths(zone: str, begin: str, first: str) -> None:
    """A window that opens within a gap opens when the gap is over, or moved by it."""
    schedule = Schedule(every_seconds=3600, window=Window(begin=time(2, 30), end=time(12)), timezone=zone)

    assert fired(schedule, begin, days=0.3)[0] == first


def test_window_that_a_gap_swallows_waits_a_day() -> None:
    """A window that lies whole in a gap does not open on that day."""
    schedule = Schedule(
        every_seconds=86400, window=Window(begin=time(2, 15), end=time(2, 45)), timezone=BERLIN
    )

    assert fired(schedule, "2026-03-28T02:20", days=2) == ["30 02:15+0200"]


def test_jitter_does_not_pass_an_end_that_a_gap_swallows() -> None:
    """A window until 02:30 ends at 02:00 on the day that has no 02:30."""
    window = Window(begin=time(1), end=time(2, 30))
    schedule = Schedule(at=(time(1, 30),), window=window, timezone=BERLIN, jitter_seconds=86400)
    for job in map(str, range(50)):
        now = datetime(2026, 3, 28, 23, tzinfo=UTC)
        due = next_due(schedule, Past(job=job, known_since=now, last_started_at=None), now=now)

        assert due is not None
        assert datetime(2026, 3, 29, 0, 30, tzinfo=UTC) <= due < datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_years_of_days_fire_once_each_in_every_zone() -> None:
    """Over four years in odd zones, each date of the calendar has one start of its own."""
    for zone in (BERLIN, NEW_YORK, LORD_HOWE, "Africa/Casablanca", "America/Santiago"):
        for wall in (time(0), time(2), time(2, 30)):
            starts = fired(Schedule(at=(wall,), timezone=zone), "2024-01-01T00:00", days=1461)
            assert len(starts) in (1460, 1461), (zone, wall)


@pytest.fixture
def machine_in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the machine's own zone."""
    monkeypatch.setitem(os.environ, "TZ", BERLIN)
    time_module.tzset()
    yield
    monkeypatch.undo()
    time_module.tzset()


@pytest.mark.usefixtures("machine_in_berlin")
def test_machine_zone_knows_its_rules() -> None:
    """Without a zone declared, the machine's own holds, with its gaps and folds."""
    own, berlin = zone_named(None), ZoneInfo(BERLIN)
    for hours in range(24 * 366):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=17, microseconds=5)
        local, expected = moment.astimezone(own), moment.astimezone(berlin)
        assert (local.replace(tzinfo=None), local.fold) == (expected.replace(tzinfo=None), expected.fold)
        assert local.astimezone(UTC) == moment
        assert (local.utcoffset(), local.tzname()) == (expected.utcoffset(), expected.tzname())


@pytest.mark.usefixtures("machine_in_berlin")
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_machine_zone_fires_as_the_named_zone_does(day: str) -> None:
    """The machine's own zone and the same zone by name agree, for times and cron lines."""
    for timing in (Schedule(at=(time(2, 30),)), Schedule(cron="30 2 * * *"), Schedule(cron="*/20 1-3 * * *")):
        named = Schedule(at=timing.at, cron=timing.cron, timezone=BERLIN)

        own = fired(timing, f"{day}T00:00", days=0.9, zone=BERLIN)
        assert own == fired(named, f"{day}T00:00", days=0.9)

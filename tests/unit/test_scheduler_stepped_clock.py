"""Clocks that people set: no job runs in a burst, twice, or not at all."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from dirsync.model.timing import Schedule
from tests.virtual_time import DAY, HOUR, MINUTE, World, job, virtual_world

DAILY = Schedule(at=(time(12),), timezone="UTC")
HOURLY = Schedule(cron="30 * * * *", timezone="UTC")
INTERVAL = Schedule(every_seconds=5400)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with virtual_world(tmp_path) as world:
        yield world


def recorded_starts(world: World, name: str) -> list[datetime]:
    return [run.started_at for run in reversed(world.ledger.runs(name, limit=10_000))]


def test_clock_set_forwards_makes_up_once(world: World) -> None:
    """Days jumped over are made up for by one run of each job."""
    world.scheduler.declare([job("daily", DAILY), job("hourly", HOURLY), job("interval", INTERVAL)])
    world.go_on_for(10 * MINUTE)
    before = len(world.starts)

    world.clock.set_by(10 * DAY)
    world.go_on_for(2 * MINUTE)

    assert sorted(name for name, _ in world.starts[before:]) == ["daily", "hourly", "interval"]


def test_clock_set_back_repeats_no_daily_run(world: World) -> None:
    """Noon comes twice, the noon job does not."""
    world.scheduler.declare([job("daily", DAILY)])
    world.go_on_for(12 * HOUR + 10 * MINUTE)
    world.clock.set_by(-HOUR)

    world.go_on_for(DAY)

    assert [round(at / 3600) for at in world.starts_of("daily")] == [12]
    world.go_on_for(2 * HOUR)
    assert [round(at / 3600) for at in world.starts_of("daily")] == [12, 37]


def test_clock_set_back_stalls_no_frequent_job(world: World) -> None:
    """Set back by a month, each job goes on within one turn of its schedule."""
    world.scheduler.declare([job("daily", DAILY), job("hourly", HOURLY), job("interval", INTERVAL)])
    world.go_on_for(2 * DAY)
    before = len(world.starts)

    world.clock.set_by(-30 * DAY)
    world.go_on_for(DAY)

    names = [name for name, _ in world.starts[before:]]
    assert names.count("daily") == 1
    assert names.count("hourly") == 24
    assert names.count("interval") in (15, 16)  # one falls on the very end


def test_long_run_under_a_wild_clock_loses_and_doubles_nothing(world: World) -> None:
    """Sixty days, a step of up to an hour every few hours, a new process now and then."""
    random_ = random.Random(20260101)
    schedules = {"daily": DAILY, "hourly": HOURLY, "interval": INTERVAL}
    world.executor.takes = timedelta(minutes=3)
    jobs = [job(name, schedule) for name, schedule in schedules.items()]
    world.scheduler.declare(jobs)
    ahead = 0.0  # seconds by which the clock on the wall is wrong
    ends_at = world.clock.monotonic() + (60 * DAY).total_seconds()
    while world.clock.monotonic() < ends_at:
        world.go_on_for(random_.uniform(2, 9) * HOUR)
        before, ahead = ahead, random_.uniform(-1750, 1750)
        world.clock.set_by(timedelta(seconds=ahead - before))
        if random_.random() < 0.2 and not world.scheduler._running:
            world.boot()
            world.scheduler.declare(jobs)

    for name, turn in {"daily": DAY, "hourly": HOUR, "interval": 1.5 * HOUR}.items():
        starts = world.starts_of(name)
        gaps = [after - before for before, after in itertools.pairwise(starts)]
        assert max(gaps) <= turn.total_seconds() + 3500 + 200, name  # no stall
        assert min(gaps) >= 180, name  # runs take three minutes and do not overlap

    noons = [start.date() for start in recorded_starts(world, "daily")]
    assert len(noons) == len(set(noons))  # each date once
    assert len(noons) == (noons[-1] - noons[0]).days + 1  # and each date

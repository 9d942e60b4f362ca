"""The loop in virtual time: who runs when, and what it takes in its stride."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.errors import Busy, RunError
from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.model.timing import Schedule, Window
from tests.virtual_time import DAY, HOUR, MINUTE, World, job, virtual_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with virtual_world(tmp_path) as world:
        yield world


def test_jobs_of_different_schedules_run_exactly_when_due(world: World) -> None:
    """Over ten days, three jobs start at each of their times and at no other."""
    world.executor.takes = timedelta(minutes=7)
    world.scheduler.declare(
        [
            job("interval", Schedule(every_seconds=4 * 3600)),
            job("daily", Schedule(at=(time(2, 30), time(14)), timezone="UTC")),
            job("cron", Schedule(cron="15 * * * *", timezone="UTC")),
        ]
    )

    world.go_on_for(10 * DAY)

    def rounded(name: str) -> list[int]:
        return [round(at) for at in world.starts_of(name)]

    assert rounded("cron") == [900 + 3600 * hour for hour in range(240)]
    assert rounded("daily") == [86400 * day + at for day in range(10) for at in (9000, 50400)]
    assert [at // 60 for at in rounded("interval")] == [240 * turn for turn in range(60)]


def test_run_that_takes_longer_than_its_interval_is_followed_by_one(world: World) -> None:
    """Times that pass during a run are made up for once, and runs never overlap."""
    world.executor.takes = 50 * MINUTE
    world.scheduler.declare([job("slow", Schedule(cron="*/20 * * * *", timezone="UTC"))])

    world.go_on_for(4 * HOUR)

    assert [round(at / 60) for at in world.starts_of("slow")] == [20, 70, 120, 170, 220]


def test_no_more_jobs_than_workers_run_at_once(world: World) -> None:
    """With all workers busy a job stays due, and the longest due goes first."""
    world.limit = 2
    world.boot()
    world.executor.takes = 10 * MINUTE
    world.scheduler.declare([job(name, Schedule(every_seconds=7200)) for name in "abcde"])

    world.go_on_for(HOUR)

    assert [round(at / 60) for _, at in world.starts] == [0, 0, 10, 10, 20]
    assert Counter(name for name, _ in world.starts) == Counter("abcde")


def test_recorded_start_counts_across_restarts(world: World) -> None:
    """A new process waits for the rest of the interval."""
    world.scheduler.declare([job("photos", Schedule(every_seconds=3600))])
    world.go_on_for(10 * MINUTE)
    world.boot()
    world.scheduler.declare([job("photos", Schedule(every_seconds=3600))])

    world.go_on_for(100 * MINUTE)

    assert [round(at / 60) for at in world.starts_of("photos")] == [0, 60]


def test_time_missed_while_down_is_made_up_for_once(world: World) -> None:
    """After three days without a scheduler, a daily job runs once at once, then as declared."""
    daily = job("daily", Schedule(at=(time(2, 30),), timezone="UTC"))
    world.scheduler.declare([daily])
    world.go_on_for(3 * HOUR)
    world.clock.set_by(3 * DAY)
    world.boot()
    world.scheduler.declare([daily])

    world.go_on_for(DAY)

    assert [round(at / 60) for at in world.starts_of("daily")] == [150, 180, 1590]


def test_run_by_hand_moves_the_next_one(world: World) -> None:
    """A run that another process made counts as the last start."""
    world.scheduler.declare([job("photos", Schedule(every_seconds=3600))])
    world.clock.after(30 * MINUTE, lambda: world.run_by_hand("photos"))

    world.go_on_for(2 * HOUR)

    assert [round(at / 60) for at in world.starts_of("photos")] == [0, 30, 90]


def test_skipped_run_is_tried_again_soon_without_a_burst(world: World) -> None:
    """While something is not there a job is tried once a minute; then its schedule holds again."""
    skips_until = 5 * 60.0
    world.ends_as = lambda job: (
        Outcome.SKIPPED if world.clock.monotonic() < skips_until else Outcome.SUCCEEDED
    )
    world.scheduler.declare(
        [job("photos", Schedule(every_seconds=3600)), job("fast", Schedule(every_seconds=20))]
    )

    world.go_on_for(2 * HOUR - 10 * MINUTE)

    assert [round(at / 60) for at in world.starts_of("photos")] == [0, 1, 2, 3, 4, 5, 65]
    assert [round(at) for at in world.starts_of("fast")[:4]] == [0, 20, 40, 60]


def test_skipped_run_is_not_tried_again_outside_its_window(world: World) -> None:
    """A skipped run waits for the window like any other."""
    world.ends_as = lambda job: Outcome.SKIPPED
    window = Window(begin=time(0), end=time(0, 5))
    world.scheduler.declare([job("photos", Schedule(every_seconds=3600, window=window, timezone="UTC"))])

    world.go_on_for(DAY + MINUTE)

    assert [round(at / 60) for at in world.starts_of("photos")] == [0, 1, 2, 3, 4, 1440]


@pytest.mark.parametrize("error", [ValueError("a bug"), RunError("no disk"), Busy("held")])
def test_error_of_a_run_ends_neither_loop_nor_job(
    world: World, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a run raises is logged; the job runs again when it is due, not in a burst."""

    def fail(job: Job) -> Outcome:
        if job.name == "bad":
            raise error
        return Outcome.SUCCEEDED

    caplog.set_level(logging.INFO)
    world.ends_as = fail
    world.scheduler.declare([job("bad", Schedule(every_seconds=60)), job("good", Schedule(every_seconds=60))])

    world.go_on_for(10 * MINUTE)

    assert len(world.starts_of("bad")) == len(world.starts_of("good")) == 10
    assert "'bad'" in caplog.text
    assert str(error) in caplog.text


def test_job_that_cannot_be_scheduled_leaves_others_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A zone that is not known here is an error of its job only."""
    world.scheduler.declare(
        [
            job("bad", Schedule(at=(time(2),), timezone="No/Where")),
            job("good", Schedule(every_seconds=60)),
        ]
    )

    world.go_on_for(5 * MINUTE)

    assert Counter(name for name, _ in world.starts) == {"good": 5}
    assert "'bad' cannot be scheduled: time zone 'No/Where' is not known here" in caplog.text


def test_disabled_and_unscheduled_jobs_do_not_run(world: World) -> None:
    """Only enabled jobs with a schedule are the scheduler's affair."""
    world.scheduler.declare(
        [job("by hand", None), replace(job("off", Schedule(every_seconds=60)), enabled=False)]
    )

    world.go_on_for(HOUR)

    assert world.starts == []


def test_changed_declaration_holds_from_the_next_run(world: World) -> None:
    """A new interval counts from the last start; a removed job is gone; a new one begins."""
    world.scheduler.declare([job("a", Schedule(every_seconds=3600)), job("b", Schedule(every_seconds=3600))])
    world.go_on_for(10 * MINUTE)

    world.scheduler.declare([job("a", Schedule(every_seconds=900)), job("c", Schedule(every_seconds=3600))])
    world.go_on_for(25 * MINUTE)

    assert [(name, round(at / 60)) for name, at in world.starts] == [
        ("a", 0),
        ("b", 0),
        ("c", 10),
        ("a", 15),
        ("a", 30),
    ]


def test_time_of_the_day_declared_only_now_was_not_missed(world: World) -> None:
    """A time that passed before it was declared waits for tomorrow."""
    world.scheduler.declare([job("a", Schedule(at=(time(1),), timezone="UTC"))])
    world.go_on_for(5 * HOUR)

    world.scheduler.declare([job("a", Schedule(at=(time(3),), timezone="UTC"))])
    world.go_on_for(DAY)

    assert [round(at / 3600) for at in world.starts_of("a")] == [1, 27]


def test_declaration_that_changes_during_a_run_disturbs_it_not(world: World) -> None:
    """A job removed and declared again while it runs does not run twice at once."""
    world.executor.takes = 30 * MINUTE
    hourly = job("a", Schedule(every_seconds=3600))
    world.scheduler.declare([hourly])
    world.go_on_for(10 * MINUTE)

    world.scheduler.declare([])
    world.go_on_for(MINUTE)
    world.scheduler.declare([replace(hourly, schedule=Schedule(every_seconds=300))])
    world.go_on_for(30 * MINUTE)

    assert [round(at / 60) for at in world.starts_of("a")] == [0, 30]


def test_removed_job_is_not_run_again_after_its_run_ends(world: World) -> None:
    """A run that outlives its declaration is the job's last."""
    world.executor.takes = 30 * MINUTE
    world.scheduler.declare([job("a", Schedule(every_seconds=60))])
    world.go_on_for(10 * MINUTE)

    world.scheduler.declare([])
    world.go_on_for(2 * HOUR)

    assert len(world.starts) == 1

"""Jobs that run when their source changes, in virtual time: when, and what they look at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import time, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.model.job import Job, MirrorJob
from dirsync.model.marks import Marks, Reach
from dirsync.model.result import Outcome
from dirsync.model.timing import Schedule, Window
from tests.virtual_time import HOUR, MINUTE, World, job, virtual_world

SECOND = timedelta(seconds=1)


class Watches:
    """Watches that tests let hear things; the newest is in force."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.begun = 0
        self.is_lost = False
        self.refusal: str | None = None  # None: sources can be watched
        self._marks: dict[bytes, Reach] = {}
        self._first_at = self._last_at = 0.0

    def __call__(self, _: Job) -> Watches:
        return self

    def begin(self) -> None:
        if self.refusal is not None:
            raise RunError(self.refusal)
        self.begun += 1
        self.is_lost, self._marks = False, {}

    def end(self) -> None: ...

    def hears(self, path: bytes) -> None:
        self._last_at = self._world.clock.monotonic()
        if not self._marks:
            self._first_at = self._last_at
            self._world.scheduler.look()
        self._marks[path] = Reach.ITSELF

    def waits_since(self) -> tuple[float, float] | None:
        return (self._first_at, self._last_at) if self._marks else None

    def take(self) -> Marks:
        marks, self._marks = Marks(directories=self._marks), {}
        return marks


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with virtual_world(tmp_path) as world:
        yield world


@pytest.fixture
def watches(world: World) -> Watches:
    watches = Watches(world)
    world.boot(open_watch=watches)
    return watches


def watched_job(schedule: Schedule | None = None) -> MirrorJob:
    return replace(job("a", schedule), watch=True)


def at_seconds(world: World) -> list[float]:
    return [round(at, 1) for at in world.starts_of("a")]


def looked_at(world: World) -> list[list[bytes] | None]:
    return [None if marks is None else sorted(marks.directories) for marks in world.marks]


def test_the_first_run_looks_at_all_and_those_that_follow_at_what_changed(
    world: World, watches: Watches
) -> None:
    world.clock.after(10 * SECOND, lambda: watches.hears(b"x"))
    world.clock.after(20 * SECOND, lambda: watches.hears(b"y"))
    world.clock.after(20.1 * SECOND, lambda: watches.hears(b"z"))
    world.scheduler.declare([watched_job()])

    world.go_on_for(HOUR)

    assert looked_at(world) == [None, [b"x"], [b"y", b"z"]]
    assert at_seconds(world) == [0.0, 10.2, 20.3]
    assert watches.begun == 1


def test_events_without_end_are_not_waited_out(world: World, watches: Watches) -> None:
    for number in range(100):
        world.clock.after(10 * SECOND + number * 0.1 * SECOND, partial(watches.hears, b"%d" % number))
    world.scheduler.declare([watched_job()])

    world.go_on_for(MINUTE)

    starts = at_seconds(world)[1:]
    assert len(starts) in (5, 6)
    assert all(2.0 <= later - earlier <= 2.2 for earlier, later in pairwise(starts[:-1]))
    assert sum(len(each) for each in looked_at(world) if each is not None) == 100


def test_what_is_heard_during_a_run_is_for_the_next(world: World, watches: Watches) -> None:
    world.executor.takes = 30 * SECOND
    world.clock.after(40 * SECOND, lambda: watches.hears(b"x"))
    world.clock.after(50 * SECOND, lambda: watches.hears(b"y"))
    world.scheduler.declare([watched_job()])

    world.go_on_for(10 * MINUTE)

    assert looked_at(world) == [None, [b"x"], [b"y"]]
    assert at_seconds(world) == [0.0, 40.2, 70.2]


def test_a_lost_watch_leads_to_a_run_over_all_with_another(world: World, watches: Watches) -> None:
    def lose() -> None:
        watches.is_lost = True
        world.scheduler.look()

    world.clock.after(10 * SECOND, lose)
    world.clock.after(60 * SECOND, lambda: watches.hears(b"x"))
    world.scheduler.declare([watched_job()])

    world.go_on_for(HOUR)

    assert looked_at(world) == [None, None, [b"x"]]
    assert at_seconds(world) == [0.0, 10.0, 60.2]
    assert watches.begun == 2


def test_a_run_that_did_not_succeed_is_followed_by_one_over_all(world: World, watches: Watches) -> None:
    """Later and later, while it fails."""
    ends = [Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.HELD, Outcome.FAILED, Outcome.SUCCEEDED]
    world.ends_as = lambda _: ends[len(world.starts) - 1] if len(world.starts) <= 5 else Outcome.SUCCEEDED
    world.clock.after(100 * SECOND, lambda: watches.hears(b"x"))
    world.clock.after(HOUR, lambda: watches.hears(b"y"))
    world.scheduler.declare([watched_job()])

    world.go_on_for(2 * HOUR)

    assert looked_at(world) == [None, [b"x"], None, None, None, [b"y"]]
    assert at_seconds(world) == [0.0, 100.2, 160.2, 280.2, 520.2, 3600.2]


def test_a_source_that_cannot_be_watched_is_looked_at_every_minute_and_said_once(
    world: World, watches: Watches, caplog: pytest.LogCaptureFixture
) -> None:
    watches.refusal = "raise the limit"

    def allow() -> None:
        watches.refusal = None

    world.clock.after(150 * SECOND, allow)
    world.clock.after(300 * SECOND, lambda: watches.hears(b"x"))
    with caplog.at_level(logging.WARNING):
        world.scheduler.declare([watched_job()])
        world.go_on_for(10 * MINUTE)

    assert at_seconds(world) == [0.0, 60.0, 120.0, 180.0, 300.2]
    assert looked_at(world) == [None] * 4 + [[b"x"]]
    assert [record.getMessage() for record in caplog.records] == [
        "'a': raise the limit; all of it is looked at every 60 s"
    ]


def test_a_full_pass_still_runs_on_the_schedule(world: World, watches: Watches) -> None:
    """However often something changes in between: a run over a little does not put it off."""
    for number in range(1, 60):
        world.clock.after(number * 4 * MINUTE, lambda: watches.hears(b"x"))
    world.scheduler.declare([watched_job(Schedule(every_seconds=3600.0))])

    world.go_on_for(4 * HOUR - MINUTE)

    whole = [at for at, marks in zip(at_seconds(world), looked_at(world), strict=True) if marks is None]
    assert [round(at / 3600, 1) for at in whole] == [0.0, 1.0, 2.0, 3.0]
    assert len(world.starts) > 50


def test_what_was_heard_before_a_full_pass_is_seen_by_it(world: World, watches: Watches) -> None:
    world.clock.after(timedelta(seconds=3599.9), lambda: watches.hears(b"x"))
    world.scheduler.declare([watched_job(Schedule(every_seconds=3600.0))])

    world.go_on_for(2 * HOUR - MINUTE)

    assert looked_at(world) == [None, None]


def test_a_window_holds_for_what_is_heard_too(world: World, watches: Watches) -> None:
    hours = Schedule(every_seconds=86400.0, window=Window(begin=time(20), end=time(6)), timezone="UTC")
    start = world.clock.now()
    world.clock.after(timedelta(hours=12), lambda: watches.hears(b"x"))
    world.scheduler.declare([watched_job(hours)])

    world.go_on_for(timedelta(days=2))

    for at in world.starts_of("a"):
        moment = (start + timedelta(seconds=at)).time()
        assert moment >= time(20) or moment < time(6)
    assert [b"x"] in looked_at(world) or looked_at(world).count(None) >= 2


def test_a_declaration_that_changes_is_watched_anew(world: World, watches: Watches) -> None:
    world.scheduler.declare([watched_job()])
    world.go_on_for(MINUTE)
    world.scheduler.declare([watched_job()])
    world.go_on_for(MINUTE)
    assert (watches.begun, looked_at(world)) == (1, [None])

    world.scheduler.declare([replace(watched_job(), one_file_system=True)])
    world.go_on_for(MINUTE)
    assert (watches.begun, looked_at(world)) == (2, [None, None])

    world.scheduler.declare([replace(watched_job(), watch=False)])
    watches.hears(b"x")
    world.go_on_for(MINUTE)
    assert looked_at(world) == [None, None]

"""Alarms of jobs whose last success is too long ago, in virtual time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.cli.main import main
from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import open_ledger
from dirsync.scheduler.stale import Stale, StaleWatch, staleness
from tests.virtual_time import DAY, HOUR, MINUTE, START, World, job, virtual_world

pytestmark = pytest.mark.usefixtures("restored_logging")

HOURLY = Schedule(every_seconds=3600)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with virtual_world(tmp_path) as world:
        yield world


class Alarms:
    """What is told, and when, in hours since the begin."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.told: list[Stale] = []
        self.hours: list[tuple[str, float]] = []

    def __call__(self, stale: Stale) -> None:
        self.told.append(stale)
        at = (self._world.clock.now() - START) / HOUR
        self.hours.append(("over" if stale.over else "stale", at))


def booted(world: World, *jobs: Job) -> Alarms:
    """Begin as a new process does, with these jobs; give its alarms."""
    alarms = Alarms(world)
    world.boot(stale=alarms)
    world.scheduler.declare(jobs)
    return alarms


def hourly(name: str = "photos", *, hours: float = 5.0, **more: bool) -> Job:
    return replace(job(name, HOURLY), stale_after_seconds=hours * 3600, **more)


def fails_from(world: World, hour: float, *, until: float = 1e9, outcome: Outcome = Outcome.FAILED) -> None:
    def ends_as(_: Job) -> Outcome:
        at = (world.clock.now() - START) / HOUR
        return outcome if hour <= at < until else Outcome.SUCCEEDED

    world.ends_as = ends_as


def test_job_that_succeeds_in_time_raises_no_alarm(world: World) -> None:
    alarms = booted(world, hourly())
    world.go_on_for(3 * DAY)

    assert alarms.told == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PARTIAL, Outcome.HELD, Outcome.SKIPPED])
def test_alarm_is_raised_once_then_daily_and_told_to_be_over(world: World, outcome: Outcome) -> None:
    """Whatever keeps it from success; the last one ended at 9:00 here."""
    fails_from(world, 9.5, until=70, outcome=outcome)
    alarms = booted(world, hourly())
    world.go_on_for(4 * DAY)

    kinds = [kind for kind, _ in alarms.hours]
    assert kinds == ["stale", "stale", "stale", "over"]
    assert [at for _, at in alarms.hours[:3]] == pytest.approx([14, 38, 62], abs=0.1)
    assert 70 <= alarms.hours[3][1] <= 71.1


def test_alarm_says_when_it_succeeded_last(world: World) -> None:
    fails_from(world, 0.5)
    alarms = booted(world, hourly())
    world.go_on_for(6 * HOUR)

    assert alarms.told == [Stale(job="photos", last_success_at=START, stale_after_seconds=18_000)]


def test_job_that_never_succeeded_is_counted_from_when_it_was_first_seen(world: World) -> None:
    fails_from(world, 0)
    alarms = booted(world, hourly())
    world.go_on_for(6 * HOUR)

    assert alarms.told == [Stale(job="photos", last_success_at=None, stale_after_seconds=18_000)]
    assert alarms.hours[0][1] == pytest.approx(5, abs=0.1)


def test_job_that_never_ran_is_counted_from_when_the_scheduler_first_saw_it(world: World) -> None:
    """A restart does not begin anew."""
    never = replace(hourly(), schedule=Schedule(cron="0 0 1 12 *"))
    booted(world, never)
    world.go_on_for(3 * HOUR)
    alarms = booted(world, never)
    world.go_on_for(3 * HOUR)

    assert [kind for kind, _ in alarms.hours] == ["stale"]
    assert alarms.hours[0][1] == pytest.approx(5, abs=0.1)


def test_job_that_ran_before_it_was_watched_is_counted_from_its_first_run(world: World) -> None:
    fails_from(world, 0)
    world.scheduler.declare([job("photos", HOURLY)])
    world.go_on_for(8 * HOUR)
    alarms = booted(world, hourly())
    world.go_on_for(MINUTE)

    assert [kind for kind, _ in alarms.hours] == ["stale"]


def test_restart_does_not_repeat_an_alarm(world: World) -> None:
    fails_from(world, 0.5)
    booted(world, hourly())
    world.go_on_for(6 * HOUR)
    alarms = booted(world, hourly())
    world.go_on_for(DAY)

    assert [at for _, at in alarms.hours] == pytest.approx([29], abs=0.1)


def test_what_was_missed_while_down_is_told_at_the_start_and_over_after_the_run(world: World) -> None:
    booted(world, hourly())
    world.go_on_for(HOUR / 2)
    world.clock.set_by(3 * DAY)
    alarms = booted(world, hourly())
    world.go_on_for(5 * MINUTE)

    assert [kind for kind, _ in alarms.hours] == ["stale", "over"]


def test_success_of_another_process_ends_the_alarm(world: World) -> None:
    never = replace(hourly(), schedule=None)
    alarms = booted(world, never)
    world.clock.after(7 * HOUR, lambda: world.run_by_hand("photos"))
    world.go_on_for(8 * HOUR)

    assert [kind for kind, _ in alarms.hours] == ["stale", "over"]
    assert alarms.hours[1][1] == pytest.approx(7, abs=0.1)


def test_dry_run_that_succeeds_is_no_success(world: World) -> None:
    """It changed nothing."""
    booted(world, hourly())
    run_id = world.ledger.begin(job="photos", type=hourly().type, started_at=START, dry_run=True)
    with world.ledger.database.translated():
        world.ledger._connection.execute(
            "UPDATE runs SET outcome = 'succeeded', finished_at = started_at WHERE run_id = ?", (run_id,)
        )
    stale = staleness(hourly(), world.ledger, now=START + 6 * HOUR)

    assert stale is None  # neither seen nor run: nothing is known
    StaleWatch(world.ledger, clock=world.clock).declare([hourly()])
    world.go_on_for(MINUTE)
    stale = staleness(hourly(), world.ledger, now=START + 60 * HOUR)
    assert stale is not None


def test_job_that_is_disabled_or_asks_for_no_alarm_has_none(world: World) -> None:
    fails_from(world, 0)
    alarms = booted(world, hourly("off", enabled=False), job("plain", HOURLY))
    world.go_on_for(2 * DAY)

    assert alarms.told == []


def test_clock_that_is_set_back_leads_to_one_alarm_at_most(world: World) -> None:
    fails_from(world, 0.5)
    alarms = booted(world, hourly())
    world.go_on_for(6 * HOUR)
    world.clock.set_by(-2 * HOUR)
    world.go_on_for(2 * HOUR)

    assert [kind for kind, _ in alarms.hours] == ["stale", "over", "stale"]


def test_alarm_that_breaks_off_stops_nothing_and_is_not_repeated_at_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fails_from(world, 0.5)
    calls: list[Stale] = []

    def breaks(stale: Stale) -> None:
        calls.append(stale)
        raise ZeroDivisionError

    world.boot(stale=breaks)
    world.scheduler.declare([hourly()])
    world.go_on_for(12 * HOUR)

    assert len(calls) == 1
    assert len(world.starts_of("photos")) == 12
    assert any("broke off" in record.getMessage() for record in caplog.records)


def test_alarm_is_an_error_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dirsync.scheduler.stale")
    fails_from(world, 0.5, until=7)
    booted(world, hourly())
    world.go_on_for(9 * HOUR)

    said = [(record.levelname, record.getMessage().split(":")[0]) for record in caplog.records]
    assert said == [("ERROR", "stale"), ("INFO", "no longer stale")]


JOBS = """\
version: 1
state: ./state
jobs:
  photos: {source: s, destination: d, stale_after: 2d, interval: 1h}
  plain: {source: s, destination: e}
"""


def test_status_tells_which_job_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    with open_ledger(str(tmp_path / "state")) as ledger:
        world = World(ledger)
        for name in ("photos", "plain"):
            world.run_by_hand(name)
    main(["status", "-c", str(tmp_path / "jobs.yaml")])
    out = capsys.readouterr().out
    main(["status", "--json", "-c", str(tmp_path / "jobs.yaml")])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert "succeeded, stale" in out
    assert "photos  stale: it succeeded last on " in out
    assert "and 'stale_after' is 2d" in out
    assert [(line["job"], line["stale"]) for line in told] == [("photos", True), ("plain", False)]
    assert told[0]["last_success_at"] == "2026-01-01T00:00:00.000Z"


def test_status_of_a_job_that_never_ran_is_not_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    main(["status", "--json", "-c", str(tmp_path / "jobs.yaml")])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [(line["stale"], line["last_success_at"]) for line in told] == [(False, None), (False, None)]


def test_run_at_once_that_leaves_its_job_stale_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once; when the job has succeeded, `status` no longer says it."""
    file = tmp_path / "jobs.yaml"
    file.write_text(JOBS)
    with open_ledger(str(tmp_path / "state")) as ledger:
        World(ledger).run_by_hand("photos")
    command = ["-c", str(file), "--now", "--job", "photos", "--progress", "none"]

    assert main(command) == 5  # there is no source
    assert "stale: it succeeded last on" in capsys.readouterr().err
    main(command)
    assert "stale" not in capsys.readouterr().err
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a").touch()
    assert main(command) == 0
    main(["status", "-c", str(file)])
    assert "stale" not in capsys.readouterr().out
    assert "no longer stale" in (tmp_path / "logs" / "photos.log").read_text()


def test_short_time_is_looked_at_often_enough(world: World) -> None:
    fails_from(world, 0)
    world.look_seconds = 1.0
    alarms = booted(world, replace(job("quick", Schedule(every_seconds=2)), stale_after_seconds=10.0))
    world.go_on_for(timedelta(seconds=20))

    assert [at * 3600 for _, at in alarms.hours] == pytest.approx([12], abs=2)

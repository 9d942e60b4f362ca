"""Reports that are written on a schedule of their own, in virtual time and by the daemon's own hand."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.cli.daemon import greeting
from dirsync.cli.rendering import make_digest
from dirsync.config import Configuration
from dirsync.errors import RunError
from dirsync.model.job import Digest, Job, MirrorJob, ReportFormat
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import open_ledger
from dirsync.runner.reports_written import last_report, note_report
from tests.declared import job_with, problems_of, problems_with
from tests.jobs import run, track_job
from tests.trees import tree
from tests.virtual_time import DAY, HOUR, World, job, virtual_world

DAILY = Schedule(at=(time(7),), timezone="UTC")


class Reports:
    """Takes the place of what writes a report; notes when."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.written: list[float] = []  # hours since the world began
        self.error: RunError | None = None

    def __call__(self, job: Job) -> None:
        self.written.append(round(self._world.clock.monotonic() / 3600, 1))
        if self.error is not None:
            raise self.error
        note_report(self._world.ledger, job.name, self._world.clock.now())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with virtual_world(tmp_path) as world:
        yield world


def reporting(schedule: Schedule = DAILY, *, runs: Schedule | None = None) -> MirrorJob:
    """Declare a job with a report."""
    return replace(job("a", runs), report=Digest(schedule=schedule, files=("/nowhere/a.html",)))


def made(job: Job, state: Path, *, mask: Callable[[str], str] = str) -> None:
    """Make the report of a job."""
    configuration = Configuration(file="jobs.yaml", files=(), state=str(state), jobs=(job,))
    make_digest(job, configuration, mask=mask, wait=lambda _: True)


def test_a_report_is_written_on_its_own_schedule_whatever_the_job_does(world: World) -> None:
    """Neither holds the other up; a job may have a report and no schedule at all."""
    reports = Reports(world)
    world.boot(reports)
    world.executor.takes = 5 * HOUR
    world.scheduler.declare([reporting(runs=Schedule(every_seconds=3 * 3600))])

    world.go_on_for(2 * DAY)
    world.scheduler.declare([reporting()])
    world.go_on_for(1 * DAY)

    assert reports.written == [7, 31, 55]
    assert [round(at / 3600) for at in world.starts_of("a")][:3] == [0, 5, 10]


def test_a_restart_neither_loses_nor_doubles_a_report(world: World) -> None:
    reports = Reports(world)
    for _ in range(5):
        world.boot(reports)
        world.scheduler.declare([reporting()])
        world.go_on_for(2 * HOUR)  # the clock shows 7 while the fourth is up
    world.clock.take_until(30 * HOUR)
    assert reports.written == [7]

    world.boot(reports)
    world.scheduler.declare([reporting()])
    world.clock.take_until(35 * HOUR)  # nobody was there at 31
    world.boot(reports)
    world.scheduler.declare([reporting()])
    world.go_on_for(1 * HOUR)

    assert reports.written == [7, 35]


def test_a_report_that_fails_is_tried_again_at_its_next_time_and_after_a_restart(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reports = Reports(world)
    note_report(world.ledger, "a", world.clock.now())
    reports.error = RunError("the disk is full")
    world.boot(reports)
    world.scheduler.declare([reporting()])

    with caplog.at_level(logging.ERROR):
        world.go_on_for(20 * HOUR)
    assert reports.written == [7]
    assert "'a': its report was not written: the disk is full" in caplog.text

    reports.error = None
    world.boot(reports)
    world.scheduler.declare([reporting()])
    world.go_on_for(1 * HOUR)
    assert reports.written == [7, 20]


def test_a_disabled_job_has_no_report(world: World) -> None:
    reports = Reports(world)
    world.boot(reports)
    world.scheduler.declare([replace(reporting(), enabled=False)])

    world.go_on_for(1 * DAY)

    assert reports.written == []


def test_a_report_is_written_to_a_file_named_by_the_time_and_noted(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a": b"a"})
    digest = Digest(
        schedule=DAILY,
        files=(f"{tmp_path}/100%%-%Y-%m-%d.txt",),
        format=ReportFormat.TEXT,
        since_seconds=86400,
    )
    tracked = replace(track_job(source, tmp_path / "state"), report=digest)
    run(tracked, state=tmp_path / "state")

    made(tracked, tmp_path / "state", mask=lambda text: text.replace("source", "***"))

    (written,) = tmp_path.glob("100%-*.txt")
    assert written.name == f"100%-{datetime.now():%Y-%m-%d}.txt"
    assert "recorded for the first time: 1 entries" in written.read_text()
    assert "/source" not in written.read_text()
    with open_ledger(str(tmp_path / "state")) as ledger:
        noted = last_report(ledger, "tracked")
    assert noted is not None
    assert datetime.now(UTC) - noted < timedelta(minutes=5)


def test_a_report_whose_directory_is_missing_is_not_noted(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {})
    digest = Digest(schedule=DAILY, files=(f"{tmp_path}/missing/r.html",))
    tracked = replace(track_job(source, tmp_path / "state"), report=digest)

    with pytest.raises(RunError, match=r"missing/r\.html' cannot be written"):
        made(tracked, tmp_path / "state")

    with open_ledger(str(tmp_path / "state")) as ledger:
        assert last_report(ledger, "tracked") is None


def test_the_greeting_names_reports_too() -> None:
    reported = reporting(runs=Schedule(every_seconds=60.0))
    alone = replace(reported, name="b", schedule=None, watch=True)

    assert greeting([reported, alone]) == [
        "1 job on schedule: a; 1 source watched: b; 2 reports on schedule: a, b; end with Ctrl-C"
    ]
    assert greeting([alone]) == ["1 source watched: b; 1 report on schedule: b; end with Ctrl-C"]


# As declared


def test_a_report_is_declared_with_what_it_leaves_out_filled_in(tmp_path: Path) -> None:
    declared = job_with(tmp_path, 'report: {schedule: {at: "07:00"}, to: "r/{job}-%Y.html"}').report

    assert declared is not None
    assert declared.files == (f"{tmp_path}/r/a-%Y.html",)
    assert (declared.format, declared.since_seconds) == (ReportFormat.HTML, 7 * 86400)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("report: {to: r.html}", "report: 'schedule' is missing; write 'schedule: {at: \"07:00\"}'"),
        ("report: {schedule: {every: 1d}}", "report: 'to' is missing; write 'to: \"reports/{job}.html\"'"),
        ("report: {schedule: {on: mon}, to: r.html}", "report.schedule: says not when; write one of every, at or cron"),
        ('report: {schedule: {every: 1d, at: "7:00"}, to: r.html}', "report.schedule: has every and at; keep one of them"),
        ("report: {schedule: {evry: 1d}, to: r.html}", "report.schedule.evry: unknown key; did you mean 'every'?"),
        ("report: {schedule: {every: 1d}, to: r.html, fromat: html}", "report.fromat: unknown key; did you mean 'format'?"),
        ("report: {schedule: {every: 1d}, to: r.html, format: pdf}", "report.format: 'pdf' is not known; write html, text or json"),
        ("report: {schedule: {every: 1d}, to: r/}", "report.to: 'r/' is a directory; write a file in it, as {job}.html"),
        ("report: {schedule: {every: 1d}, to: '%Q.html'}", "report.to: '%Q.html' holds a % that stands for nothing here; the name may hold %Y %m %d %H %M %S %j %V %G %u, and %% for itself, the directory neither these nor {job}"),
        ("report: {schedule: {every: 1d}, to: d/r.html}", "report.to: is in the destination of 'a', which would remove it; write it elsewhere"),
    ],
)  # fmt: skip
def test_a_report_that_is_declared_wrongly_is_one_line(tmp_path: Path, keys: str, line: str) -> None:
    (told, *_) = problems_with(tmp_path, keys)

    assert told.startswith(f"jobs.yaml:6: jobs.a.{line}")


def test_two_reports_cannot_share_a_file(tmp_path: Path) -> None:
    told = problems_of(
        tmp_path,
        """\
        version: 1
        defaults: {report: {schedule: {every: 1d}, to: r.html}}
        jobs:
          a: {type: track, source: s}
          b: {type: track, source: t}
        """,
    )

    assert told == ["jobs.yaml:2: jobs.b.report.to: is the report of 'a' too; put {job} into the file's name"]

"""The scheduler with real threads, files and clocks: reload, stop, idleness."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dirsync.errors import ConfigError
from dirsync.model.job import Job, MirrorJob
from dirsync.model.marks import Marks
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.model.timing import Schedule
from dirsync.scheduler.declaration import Declaration, DeclarationWatch
from dirsync.scheduler.loop import run_scheduler


class Daemon:
    """A scheduler in a thread; its declaration is a file with a job's name and interval a line."""

    def __init__(self, folder: Path, *, do: Callable[[], object] = lambda: None) -> None:
        self.file = folder / "jobs"
        self.state = str(folder / "state")
        self.stop = Stop()
        self.ran: list[str] = []
        self.left: tuple[str, ...] | None = None
        self._do = do

    def load(self) -> Declaration:
        place = LocalPlace(path=b"/nowhere")
        jobs = []
        for line in self.file.read_text().splitlines():
            name, _, seconds = line.partition(" ")
            if not seconds:
                raise ConfigError((f"jobs: {name}: no interval",))
            schedule = Schedule(every_seconds=float(seconds))
            jobs.append(MirrorJob(name=name, source=place, destination=place, schedule=schedule))
        return Declaration(jobs=tuple(jobs), state=self.state, files=(str(self.file),))

    def run(self, job: Job, _: Marks | None = None) -> RunResult:
        self.ran.append(job.name)
        self._do()
        now = datetime.now(UTC)
        return RunResult(
            job=job.name,
            run_id=0,
            type=job.type,
            outcome=Outcome.SUCCEEDED,
            dry_run=False,
            started_at=now,
            finished_at=now,
        )

    def serve(self) -> None:
        self.left = run_scheduler(DeclarationWatch(self.load, self.load()), run=self.run, stop=self.stop)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve)
        thread.start()
        try:
            yield
        finally:
            self.stop.request(15)
            thread.join()


def wait_until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it never came"
        time.sleep(0.02)


def test_changed_file_is_taken_over_and_a_wrong_one_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A job added to the file runs; a wrong file leaves the jobs as they are."""
    daemon = Daemon(tmp_path)
    daemon.file.write_text("old 0.2\n")

    with daemon.serving():
        wait_until(lambda: daemon.ran.count("old") >= 2)
        daemon.file.write_text("old 0.2\nwrong\n")
        wait_until(lambda: "jobs: wrong: no interval" in caplog.text)
        runs = daemon.ran.count("old")
        wait_until(lambda: daemon.ran.count("old") >= runs + 2)
        daemon.file.write_text("new 0.2\n")
        wait_until(lambda: daemon.ran.count("new") >= 2)
        runs = daemon.ran.count("old")
        wait_until(lambda: daemon.ran.count("new") >= 4)

    assert daemon.ran.count("old") == runs
    assert caplog.text.count("jobs: wrong: no interval") == 1
    assert daemon.left == ()


def test_run_that_does_not_end_does_not_keep_the_daemon(tmp_path: Path) -> None:
    """Asked to stop, the scheduler is back within five seconds and names what still runs."""
    release = threading.Event()
    daemon = Daemon(tmp_path, do=release.wait)
    daemon.file.write_text("stuck 1\n")

    try:
        with daemon.serving():
            wait_until(lambda: daemon.ran == ["stuck"])
            asked_at = time.monotonic()
        took = time.monotonic() - asked_at
    finally:
        release.set()

    assert took < 5
    assert daemon.left == ("stuck",)


def test_idle_scheduler_sleeps(tmp_path: Path) -> None:
    """With nothing due, the loop looks around once a second and uses next to no time."""
    daemon = Daemon(tmp_path)
    daemon.file.write_text("\n".join(f"job{number} 3600" for number in range(100)))

    with daemon.serving():
        wait_until(lambda: len(daemon.ran) == 100)
        time.sleep(0.5)
        used = time.process_time()
        time.sleep(3)
        used = time.process_time() - used

    assert used < 0.1

"""A clock that runs only when somebody waits, and a scheduler that lives by it."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from dirsync.model.job import Job, JobType, MirrorJob
from dirsync.model.marks import Marks
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.scheduler.loop import Scheduler, WriteReport
from dirsync.scheduler.stale import Told, nobody
from dirsync.scheduler.watched_job import OpenWatch

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class VirtualClock:
    """Waiting moves it on at once; what was planned on the way happens in order."""

    def __init__(self, start: datetime = START) -> None:
        self._wall_at_zero = start
        self._elapsed = timedelta(0)
        self._plans: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self._wall_at_zero + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def set_by(self, step: timedelta) -> None:
        """Set the clock on the wall, forwards or back."""
        self._wall_at_zero += step

    def take_until(self, elapsed: timedelta) -> None:
        """Let time pass while nobody waits."""
        self._elapsed = max(self._elapsed, elapsed)

    def after(self, delay: timedelta, deed: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        heapq.heappush(self._plans, (self._elapsed + delay, next(self._numbers), deed))

    def take(self, inbox: queue.SimpleQueue[T], *, timeout_seconds: float) -> T | None:
        ends_at = self._elapsed + timedelta(seconds=timeout_seconds)
        while inbox.empty() and self._plans and self._plans[0][0] <= ends_at:
            self._elapsed, _, deed = heapq.heappop(self._plans)
            deed()
        if not inbox.empty():
            return inbox.get_nowait()
        self._elapsed = ends_at
        return None


class VirtualExecutor(Executor):
    """Runs a job where it is submitted and lets it end `takes` later."""

    def __init__(self, clock: VirtualClock, takes: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self.takes = takes

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        result = fn(*args, **kwargs)
        self._clock.after(self.takes, lambda: future.set_result(result))
        return future


def job(name: str, schedule: Schedule | None) -> MirrorJob:
    place = LocalPlace(path=b"/nowhere")
    return MirrorJob(name=name, source=place, destination=place, schedule=schedule)


class World:
    """A scheduler, its ledger, its clock, and jobs that take `takes` and end as told."""

    def __init__(self, ledger: Ledger, *, limit: int = 4, look_seconds: float = 60.0) -> None:
        self.ledger = ledger
        self.clock = VirtualClock(START)
        self.executor = VirtualExecutor(self.clock)
        self.ends_as: Callable[[Job], Outcome] = lambda job: Outcome.SUCCEEDED
        self.marks: list[Marks | None] = []  # of each start
        self.starts: list[tuple[str, float]] = []  # job, seconds on the clock that nobody sets
        self.limit, self.look_seconds = limit, look_seconds
        self.boot()

    def boot(
        self,
        report: WriteReport | None = None,
        open_watch: OpenWatch | None = None,
        stale: Told = nobody,
    ) -> None:
        """Begin as a new process does, with the ledger alone."""
        self.scheduler = Scheduler(
            self.run,
            ledger=self.ledger,
            clock=self.clock,
            executor=self.executor,
            limit=self.limit,
            look_seconds=self.look_seconds,
            report=report,
            open_watch=open_watch,
            stale=stale,
        )

    def run(self, job: Job, marks: Marks | None = None) -> RunResult:
        """Record a run; what happens in it is not the scheduler's affair."""
        self.starts.append((job.name, self.clock.monotonic()))
        self.marks.append(marks)
        outcome = self.ends_as(job)
        started_at = self.clock.now()
        result = RunResult(
            job=job.name,
            run_id=self.ledger.begin(job=job.name, type=JobType.SYNC, started_at=started_at, dry_run=False),
            type=JobType.SYNC,
            outcome=outcome,
            dry_run=False,
            started_at=started_at,
            finished_at=started_at + self.executor.takes,
        )
        self.ledger.finish(result)
        return result

    def run_by_hand(self, name: str) -> None:
        """Run a job as another process would."""
        self.run(job(name, None))

    def go_on_for(self, span: timedelta) -> None:
        ends_at = self.clock.monotonic() + span.total_seconds()
        while self.clock.monotonic() < ends_at:
            self.scheduler.turn()

    def starts_of(self, name: str) -> list[float]:
        return [at for started, at in self.starts if started == name]


@contextlib.contextmanager
def virtual_world(state: Path) -> Iterator[World]:
    """Give a world whose ledger is quick; that it is durable has tests of its own."""
    with open_ledger(str(state)) as ledger:
        ledger._connection.execute("PRAGMA synchronous = OFF")
        yield World(ledger)

"""The loop: sleep until a job is due, start it, note how it ended, look for changes.

One thread decides, a few others run jobs. The loop looks around once a second
at the longest: at a request to stop, at the clock, at the declaration's files.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import schedule

from dirsync.errors import DirsyncError, Skipped
from dirsync.model.job import Job
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.scheduler.clock import Clock, StepDetector, SystemClock
from dirsync.scheduler.declaration import Declaration, DeclarationWatch
from dirsync.scheduler.timed_job import TimedJob

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks around
STOP_SECONDS = 3.5  # what running jobs get to end in order; the daemon promises 5 in all

Run = Callable[[Job], RunResult]


def run_scheduler(
    load: Callable[[], Declaration], *, run: Run, stop: Stop, clock: Clock | None = None, limit: int = 4
) -> tuple[str, ...]:
    """Run jobs when they are due until a stop is requested.

    `load` reads the declaration, at once and whenever its files change. `run` does
    one job in the calling thread, at most `limit` at a time; it should look at the
    same `stop`. Returns within 5 s of the request, with the names of the jobs that
    still ran then; if there are any, leave with `os._exit`: their threads cannot
    be ended.

    Raises:
        ConfigError: the declaration is not valid at the begin.
        RunError: the ledger cannot be used at the begin.
    """
    declaration = load()
    executor = ThreadPoolExecutor(limit, thread_name_prefix="job")
    with open_ledger(declaration.state) as ledger:
        scheduler = Scheduler(
            run, ledger=ledger, clock=clock or SystemClock(), executor=executor, limit=limit
        )
        scheduler.declare(declaration.jobs)
        scheduler.go_on_until(stop, DeclarationWatch(load, declaration))
        executor.shutdown(wait=False, cancel_futures=True)
        return scheduler.wait_for_running_jobs(STOP_SECONDS)


class Scheduler:
    """The jobs, when they are due and which of them run."""

    def __init__(
        self,
        run: Run,
        *,
        ledger: Ledger,
        clock: Clock,
        executor: Executor,
        limit: int,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._clock = clock
        self._executor = executor
        self._limit = limit
        self._look_seconds = look_seconds
        self._engine = schedule.Scheduler()
        self._jobs: dict[str, TimedJob] = {}
        self._running: dict[str, TimedJob] = {}
        self._ended: queue.SimpleQueue[tuple[str, Outcome]] = queue.SimpleQueue()
        self._steps = StepDetector(clock)

    def declare(self, jobs: Iterable[Job]) -> None:
        """Make these the jobs; runs that go on are left alone, jobs that stay keep their past."""
        wanted = {job.name: job for job in jobs if job.enabled and job.schedule is not None}
        for name in self._jobs.keys() - wanted.keys():
            self._engine.cancel_job(self._jobs.pop(name))
        for job in wanted.values():
            self._declare_one(job)
        if not wanted:
            logger.warning("no job has an interval or a schedule; nothing will run")

    def go_on_until(self, stop: Stop, watch: DeclarationWatch) -> None:
        """Run what is due, until told to stop."""
        next_look = self._clock.monotonic() + self._look_seconds
        while not stop.requested():
            self.turn()
            if self._clock.monotonic() >= next_look:
                next_look = self._clock.monotonic() + self._look_seconds
                changed = watch.poll()
                if changed is not None:
                    self.declare(changed.jobs)

    def turn(self) -> None:
        """Start what is due, then sleep until something is, a run ends, or it is time to look around."""
        self._notice_step()
        self._engine.run_pending()
        self._note_end(self._seconds_to_sleep())

    def wait_for_running_jobs(self, seconds: float) -> tuple[str, ...]:
        """Wait for the runs that go on, but no longer than that; return the names of those left."""
        ends_at = self._clock.monotonic() + seconds
        while self._running and (left := ends_at - self._clock.monotonic()) > 0:
            self._note_end(left)
        if self._running:
            logger.error("still running at the end: %s", ", ".join(sorted(self._running)))
        return tuple(sorted(self._running))

    def _declare_one(self, job: Job) -> None:
        assert job.schedule is not None
        known = self._jobs.get(job.name) or self._running.get(job.name)
        timed = known or TimedJob(
            job, job.schedule, engine=self._engine, ledger=self._ledger, clock=self._clock
        )
        if known is not None:
            known.declare(job, job.schedule)
        if job.name not in self._jobs:
            timed.offer_to(self._start)
            self._jobs[job.name] = timed

    def _start(self, timed: TimedJob) -> None:
        """Start a job that is due; with all workers busy it stays due."""
        if len(self._running) >= self._limit:
            return
        name = timed.job.name
        timed.started()
        self._running[name] = timed
        future = self._executor.submit(_outcome_of, self._run, timed.job)
        future.add_done_callback(lambda future: self._ended.put((name, _outcome(future))))

    def _note_end(self, timeout_seconds: float) -> None:
        ended = self._clock.take(self._ended, timeout_seconds=timeout_seconds)
        if ended is not None:
            name, outcome = ended
            self._running.pop(name).finished(outcome)

    def _notice_step(self) -> None:
        seconds = self._steps.step()
        if seconds:
            logger.warning("the clock was set by %+.1f s; due times are counted again", seconds)
            for timed in self._jobs.values():
                timed.plan()

    def _seconds_to_sleep(self) -> float:
        if len(self._running) >= self._limit:
            return self._look_seconds
        due = [timed.next_run for timed in self._jobs.values() if timed.next_run and not timed.running]
        if not due:
            return self._look_seconds
        return min(self._look_seconds, max(0.001, (min(due) - self._clock.now()).total_seconds()))


def _outcome_of(run: Run, job: Job) -> Outcome:
    """Run a job, whatever it raises: the top of a run's thread."""
    try:
        return run(job).outcome
    except Skipped as skip:
        logger.info("'%s' skipped: %s", job.name, skip)
        return Outcome.SKIPPED
    except DirsyncError as error:
        logger.error("'%s' failed: %s", job.name, error)
        return Outcome.FAILED
    except Exception:
        logger.exception("'%s' broke off", job.name)
        return Outcome.FAILED


def _outcome(future: Future[Outcome]) -> Outcome:
    if future.cancelled() or future.exception() is not None:
        return Outcome.FAILED
    return future.result()

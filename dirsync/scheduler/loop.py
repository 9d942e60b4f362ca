"""The loop: sleep until a job is due, start it, note how it ended, look for changes.

One thread decides, a few others run jobs. The loop looks around once a second
at the longest: at a request to stop, at the clock, at the declaration's files.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Iterator
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
from dirsync.scheduler.timed_report import TimedReport

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks around
STOP_SECONDS = 3.5  # what running jobs get to end in order; the daemon promises 5 in all

Run = Callable[[Job], RunResult]
WriteReport = Callable[[Job], None]


def run_scheduler(
    load: Callable[[], Declaration],
    *,
    run: Run,
    stop: Stop,
    report: WriteReport | None = None,
    clock: Clock | None = None,
    limit: int = 4,
) -> tuple[str, ...]:
    """Run jobs, and write their reports, when they are due until a stop is requested.

    `load` reads the declaration, at once and whenever its files change. `run` does
    one job in the calling thread, at most `limit` at a time; it should look at the
    same `stop`. `report` writes one job's report, and notes that in the ledger (None:
    there are no reports). Returns within 5 s of the request, with the names of the jobs that
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
            run, ledger=ledger, clock=clock or SystemClock(), executor=executor, limit=limit, report=report
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
        report: WriteReport | None = None,
    ) -> None:
        self._run = run
        self._report = report
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
        wanted = {each.key: each for job in jobs if job.enabled for each in self._timed(job)}
        for key in self._jobs.keys() - wanted.keys():
            self._engine.cancel_job(self._jobs.pop(key))
        for each in wanted.values():
            self._declare_one(each)
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

    def _timed(self, job: Job) -> Iterator[TimedJob]:
        """Give what of a job has a schedule: its runs, its report."""
        if job.schedule is not None:
            yield TimedJob(job, job.schedule, engine=self._engine, ledger=self._ledger, clock=self._clock)
        if job.report is not None and self._report is not None:
            timing = job.report.schedule
            yield TimedReport(job, timing, engine=self._engine, ledger=self._ledger, clock=self._clock)

    def _declare_one(self, timed: TimedJob) -> None:
        known = self._jobs.get(timed.key) or self._running.get(timed.key)
        if known is not None:
            known.declare(timed.job, timed.timing)
            timed = known
        if timed.key not in self._jobs:
            timed.offer_to(self._start)
            self._jobs[timed.key] = timed

    def _start(self, timed: TimedJob) -> None:
        """Start a job that is due; with all workers busy it stays due."""
        if len(self._running) >= self._limit:
            return
        key = timed.key
        timed.started()
        self._running[key] = timed
        future = self._executor.submit(self._outcome_of, timed)
        future.add_done_callback(lambda future: self._ended.put((key, _outcome(future))))

    def _outcome_of(self, timed: TimedJob) -> Outcome:
        """Do what is due, in a thread of its own."""
        if isinstance(timed, TimedReport):
            assert self._report is not None
            return _outcome_of_report(self._report, timed.job)
        return _outcome_of(self._run, timed.job)

    def _note_end(self, timeout_seconds: float) -> None:
        ended = self._clock.take(self._ended, timeout_seconds=timeout_seconds)
        if ended is not None:
            key, outcome = ended
            self._running.pop(key).finished(outcome)

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


def _outcome_of_report(report: WriteReport, job: Job) -> Outcome:
    """Write a report, whatever that raises: the top of its thread."""
    try:
        report(job)
    except DirsyncError as error:
        logger.error("'%s': its report was not written: %s", job.name, error)
        return Outcome.FAILED
    except Exception:
        logger.exception("'%s': its report broke off", job.name)
        return Outcome.FAILED
    return Outcome.SUCCEEDED


def _outcome(future: Future[Outcome]) -> Outcome:
    if future.cancelled() or future.exception() is not None:
        return Outcome.FAILED
    return future.result()

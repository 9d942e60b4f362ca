"""The loop: sleep until a job is due, start it, note how it ended, look for changes.

One thread decides, a few others run jobs. The loop looks around once a second
at the longest: at a request to stop, at the clock, at the declaration's files.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import schedule

from dirsync.errors import DirsyncError, RunError, Skipped
from dirsync.model.job import Job
from dirsync.model.marks import Marks
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.scheduler.clock import Clock, StepDetector, SystemClock
from dirsync.scheduler.declaration import DeclarationWatch
from dirsync.scheduler.stale import StaleWatch, Told, nobody
from dirsync.scheduler.timed_job import TimedJob
from dirsync.scheduler.timed_report import TimedReport
from dirsync.scheduler.watched_job import OpenWatch, Watch, WatchedJob

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks around
STOP_SECONDS = 3.5  # what running jobs get to end in order; the daemon promises 5 in all

Run = Callable[[Job, Marks | None], RunResult]  # None: all of the source is looked at
WriteReport = Callable[[Job], None]


def run_scheduler(
    declarations: DeclarationWatch,
    *,
    run: Run,
    stop: Stop,
    report: WriteReport | None = None,
    open_watch: Callable[[Job, Callable[[], None]], Watch] | None = None,
    stale: Told = nobody,
    clock: Clock | None = None,
    limit: int = 4,
) -> tuple[str, ...]:
    """Run jobs, and write their reports, when they are due until a stop is requested.

    `declarations` gives the one in force, now and whenever its files changed. `run` does
    one job in the calling thread, at most `limit` at a time; it should look at the
    same `stop`. `report` writes one job's report, and notes that in the ledger (None:
    there are no reports). `open_watch` gives a watch of a job's source, not begun yet, that calls
    what it is handed when something changed (None: sources are not watched). `stale` is told, in
    the loop's own thread, of jobs that become stale or no longer are. Returns within 5 s of the
    request, with the names of the jobs that still ran then; if there are any, leave with
    `os._exit`: their threads cannot be ended.

    Raises:
        RunError: the ledger cannot be used at the begin.
    """
    declaration = declarations.current
    executor = ThreadPoolExecutor(limit, thread_name_prefix="job")
    with open_ledger(declaration.state) as ledger:
        scheduler = Scheduler(
            run,
            ledger=ledger,
            clock=clock or SystemClock(),
            executor=executor,
            limit=limit,
            report=report,
            open_watch=None if open_watch is None else lambda job: open_watch(job, scheduler.look),
            stale=stale,
        )
        scheduler.declare(declaration.jobs)
        scheduler.go_on_until(stop, declarations)
        executor.shutdown(wait=False, cancel_futures=True)
        scheduler.end_watches()
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
        open_watch: OpenWatch | None = None,
        stale: Told = nobody,
    ) -> None:
        self._run = run
        self._stale = StaleWatch(ledger, clock=clock, told=stale)
        self._open_watch = open_watch
        self._report = report
        self._ledger = ledger
        self._clock = clock
        self._executor = executor
        self._limit = limit
        self._look_seconds = look_seconds
        self._engine = schedule.Scheduler()
        self._jobs: dict[str, TimedJob] = {}
        self._running: dict[str, TimedJob | WatchedJob] = {}
        self._watched: dict[str, WatchedJob] = {}  # by the job's name
        self._ended: queue.SimpleQueue[tuple[str, Outcome] | None] = queue.SimpleQueue()  # None: only look
        self._steps = StepDetector(clock)

    def declare(self, jobs: Iterable[Job]) -> None:
        """Make these the jobs; runs that go on are left alone, jobs that stay keep their past."""
        enabled = [job for job in jobs if job.enabled]
        wanted = {each.key: each for job in enabled for each in self._timed(job)}
        had_some = bool(self._jobs or self._watched)
        for key in self._jobs.keys() - wanted.keys():
            self._engine.cancel_job(self._jobs.pop(key))
        for each in wanted.values():
            self._declare_one(each)
        self._declare_watched({job.name: job for job in enabled if job.watch})
        self._stale.declare(enabled)
        if had_some and not wanted and not self._watched:
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
        self._look_for_stale_jobs()
        self._engine.run_pending()
        self._start_watched()
        self._note_end(self._seconds_to_sleep())

    def look(self) -> None:
        """Have the loop look around at once; any thread may call this."""
        self._ended.put(None)

    def end_watches(self) -> None:
        """Watch nothing any more."""
        for watched in self._watched.values():
            watched.end()

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
        if isinstance(known, TimedJob):
            known.declare(timed.job, timed.timing)
            timed = known
        if timed.key not in self._jobs:
            timed.offer_to(self._start)
            self._jobs[timed.key] = timed

    def _declare_watched(self, wanted: dict[str, Job]) -> None:
        """Watch the sources of these jobs, and no others; one whose declaration changed is watched anew."""
        for name in [name for name, each in self._watched.items() if each.job != wanted.get(name)]:
            self._watched.pop(name).end()
        for name, job in wanted.items():
            if name not in self._watched and self._open_watch is not None:
                self._watched[name] = WatchedJob(job, open_watch=self._open_watch, clock=self._clock)

    def _start(self, timed: TimedJob) -> None:
        """Start a job that is due; with all workers busy, or a run of it going on, it stays due."""
        watched = self._watched.get(timed.key)
        if len(self._running) >= self._limit or (watched is not None and watched.running):
            return
        timed.started()
        if watched is not None:
            watched.begin_run(looks_at_all=True)
        self._submit(timed, partial(self._outcome_of, timed, watched))

    def _start_watched(self) -> None:
        """Start the jobs whose sources have changed."""
        for watched in self._watched.values():
            seconds = watched.seconds_until_due()
            if seconds is not None and seconds <= 0 and len(self._running) < self._limit:
                marks = watched.begin_run()
                if marks is not None and watched.job.name in self._jobs:
                    self._jobs[watched.job.name].look_away()
                self._submit(watched, partial(_watched_outcome, self._run, watched, marks))

    def _submit(self, due: TimedJob | WatchedJob, deed: Callable[[], Outcome]) -> None:
        key = due.key
        self._running[key] = due
        future = self._executor.submit(deed)
        future.add_done_callback(lambda future: self._ended.put((key, _outcome(future))))

    def _outcome_of(self, timed: TimedJob, watched: WatchedJob | None) -> Outcome:
        """Do what is due, in a thread of its own."""
        if isinstance(timed, TimedReport):
            assert self._report is not None
            return _outcome_of_report(self._report, timed.job)
        if watched is not None:
            return _watched_outcome(self._run, watched, None)
        return _outcome_of(self._run, timed.job, None)

    def _note_end(self, timeout_seconds: float) -> None:
        ended = self._clock.take(self._ended, timeout_seconds=timeout_seconds)
        if ended is None:
            return
        key, outcome = ended
        self._stale.look_soon()
        due = self._running.pop(key)
        due.finished(outcome)
        if isinstance(due, WatchedJob):
            if due.job.name in self._jobs:
                self._jobs[due.job.name].look_again()
        elif key in self._watched:
            self._watched[key].finished(outcome)

    def _look_for_stale_jobs(self) -> None:
        """Tell of jobs whose last success is too long ago, whatever that raises: runs go on."""
        try:
            self._stale.turn()
        except RunError as error:
            logger.error("which jobs are stale is not known: %s", error)
        except Exception:
            logger.exception("an alarm of a stale job broke off")

    def _notice_step(self) -> None:
        seconds = self._steps.step()
        if seconds:
            logger.warning("the clock was set by %+.1f s; due times are counted again", seconds)
            for timed in self._jobs.values():
                timed.plan()

    def _seconds_to_sleep(self) -> float:
        if len(self._running) >= self._limit:
            return self._look_seconds
        now = self._clock.now()
        due = [
            (timed.next_run - now).total_seconds()
            for timed in self._jobs.values()
            if timed.next_run and not timed.running and not self._is_run_by_watch(timed)
        ]
        due += [
            seconds for each in self._watched.values() if (seconds := each.seconds_until_due()) is not None
        ]
        return min(self._look_seconds, max(0.001, min(due, default=self._look_seconds)))

    def _is_run_by_watch(self, timed: TimedJob) -> bool:
        """Whether a run of a job goes on that its watch began."""
        watched = self._watched.get(timed.key)
        return watched is not None and watched.running


def _outcome_of(run: Run, job: Job, marks: Marks | None) -> Outcome:
    """Run a job, whatever it raises: the top of a run's thread."""
    try:
        return run(job, marks).outcome
    except Skipped as skip:
        logger.info("'%s' skipped: %s", job.name, skip)
        return Outcome.SKIPPED
    except DirsyncError as error:
        logger.error("'%s' failed: %s", job.name, error)
        return Outcome.FAILED
    except Exception:
        logger.exception("'%s' broke off", job.name)
        return Outcome.FAILED


def _watched_outcome(run: Run, watched: WatchedJob, marks: Marks | None) -> Outcome:
    """Run a job whose source is watched; before it looks at all of it, the watch has to be there."""
    try:
        if marks is None:
            watched.watch_if_need_be()
    except Exception:
        logger.exception("'%s': its source is not watched", watched.job.name)
    return _outcome_of(run, watched.job, marks)


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

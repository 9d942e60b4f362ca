"""The scheduler on the command line: jobs when they are due, until SIGINT or SIGTERM."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from dirsync.cli.exit_codes import exit_code_of_signal
from dirsync.cli.logs.setup import follow, set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.units import plural
from dirsync.cli.parsing import Options, usage_error
from dirsync.cli.selection import selected_jobs
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.telling import outbox_for, tell_of_stale
from dirsync.cli.watching import Show, run_watched
from dirsync.config import Configuration, load
from dirsync.errors import ConfigError
from dirsync.march.source_watch import SourceWatch, why_impossible
from dirsync.model.job import EVERY_JOB, Job, every_job
from dirsync.model.marks import Marks
from dirsync.model.result import RunResult
from dirsync.model.stop import Stop
from dirsync.runner.pinging import Pings
from dirsync.runner.watching import watch_of
from dirsync.scheduler.declaration import Declaration, DeclarationWatch
from dirsync.scheduler.loop import run_scheduler
from dirsync.scheduler.stale import Stale


def serve(file: str, *, options: Options, patterns: Sequence[str]) -> int:
    """Run jobs when they are due; give the exit code of the signal that ended it.

    Raises:
        ConfigError: the configuration is wrong at the begin, or there is nothing to wait for.
        RunError: the ledger cannot be used at the begin.
    """
    show = Show.of(options)
    daemon = Daemon(file, patterns=patterns, show=show)
    enabled = [job for job in daemon.jobs() if job.enabled]
    due = any(job.schedule or job.report or job.watch for job in enabled) or daemon.reports_on_all
    if not due and not daemon.serves:
        raise usage_error("no job here has an interval or a schedule; add --now to run at once")
    set_up(show.logging, jobs=daemon.jobs(), base=daemon.base, mask=daemon.mask)
    with stopping_on_signals() as stop:
        lines = Lines(mask=daemon.mask, stop=stop)
        if not show.json and not show.quiet:
            for line in greeting([*enabled, *daemon.reports_on_all]):
                lines.line(line)
        with daemon.served(lines=lines, options=options):
            left = run_scheduler(
                daemon.declarations,
                run=lambda job, marks: daemon.run(job, marks, lines=lines, stop=stop),
                report=lambda job: daemon.report(job, stop=stop),
                open_watch=daemon.watch_of,
                stale=daemon.stale,
                stop=stop,
            )
            daemon.end_telling(stop)
        assert stop.signal_number is not None
        code = exit_code_of_signal(stop.signal_number)
        if left:
            _leave(code)
        return code


def greeting(jobs: Sequence[Job]) -> list[str]:
    """Say in a line what the scheduler looks after; in none if that is nothing."""
    groups = (
        ("job on schedule", "jobs on schedule", [job.name for job in jobs if job.schedule is not None]),
        ("source watched", "sources watched", [job.name for job in jobs if job.watch]),
        ("report on schedule", "reports on schedule", [_subject(job) for job in jobs if job.report]),
    )
    words = [f"{plural(len(names), one, more)}: {', '.join(names)}" for one, more, names in groups if names]
    return [f"{'; '.join(words)}; end with Ctrl-C"] if words else []


def _subject(job: Job) -> str:
    return "all jobs" if job.name == EVERY_JOB else job.name


def _check_watches(jobs: Sequence[Job]) -> None:
    """Refuse to watch where that cannot be.

    Raises:
        ConfigError: a job asks for it.
    """
    watched = [job.name for job in jobs if job.enabled and job.watch]
    reason = why_impossible() if watched else None
    if reason is not None:
        raise ConfigError(tuple(f"'{name}': 'watch: true' {reason}" for name in watched))


class Daemon:
    """The configuration in force, and one job's run under it."""

    def __init__(self, file: str, *, patterns: Sequence[str], show: Show) -> None:
        self._file = file
        self._patterns = patterns
        self._show = show
        self._configuration = load(file)
        self.declarations = DeclarationWatch(self.load, self._declaration(self._configuration))
        self._outbox = outbox_for(self._configuration, show=show, mask=self.mask)
        self._pings = Pings()

    @property
    def serves(self) -> bool:
        """Whether the file says what to serve to other machines."""
        return self._configuration.serving is not None

    def served(self, *, lines: Lines, options: Options) -> contextlib.AbstractContextManager[None]:
        """Serve that while the block runs; a change of it counts from the next start on."""
        from dirsync.cli.serve import served  # most never need it

        return served(self._configuration, lines=lines, options=options)

    @property
    def base(self) -> str:
        """The directory of the configuration file."""
        return os.path.dirname(os.path.abspath(self._file))

    def jobs(self) -> tuple[Job, ...]:
        """Give the jobs asked for."""
        return selected_jobs(self._configuration.jobs, self._patterns)

    @property
    def reports_on_all(self) -> tuple[Job, ...]:
        """Give what stands for all jobs, where a report on them is declared and all were asked for."""
        return self._reports_on_all(self._configuration)

    def _reports_on_all(self, configuration: Configuration) -> tuple[Job, ...]:
        report = configuration.report
        return () if report is None or self._patterns else (every_job(report),)

    def mask(self, text: str) -> str:
        """Mask the secrets of the configuration in force."""
        return self._configuration.mask(text)

    def load(self) -> Declaration:
        """Read the configuration again; one with another state directory is not taken over.

        Raises:
            ConfigError: it is wrong; the one in force stays.
        """
        configuration = load(self._file)
        declaration = self._declaration(configuration)
        if configuration.state == self._configuration.state:
            self._configuration = configuration
            self._declare_notifiers()
            follow(self.jobs(), base=self.base)
        return declaration

    def _declaration(self, configuration: Configuration) -> Declaration:
        """Give what the scheduler is to know of a configuration, the report on all jobs among it.

        Raises:
            ConfigError: there is no such job, or one cannot be watched.
        """
        jobs = selected_jobs(configuration.jobs, self._patterns)
        _check_watches(jobs)
        jobs += self._reports_on_all(configuration)
        return Declaration(jobs=jobs, state=configuration.state, files=configuration.files)

    def _declare_notifiers(self) -> None:
        if self._outbox is None:
            self._outbox = outbox_for(self._configuration, show=self._show, mask=self.mask)
        else:
            self._outbox.notifiers = self._configuration.notifiers

    def run(self, job: Job, marks: Marks | None = None, *, lines: Lines, stop: Stop) -> RunResult:
        """Run one job once, in the calling thread; `marks` as `run_job` has it."""
        result = run_watched(
            job,
            state=self._configuration.state,
            show=self._show,
            lines=lines,
            stop=stop,
            repeated=True,
            side_by_side=True,
            marks=marks,
            outbox=self._outbox,
        )
        self._pings.after(job, result)
        return result

    def stale(self, stale: Stale) -> None:
        """Tell people that a job has not succeeded for too long, or that it has by now."""
        tell_of_stale(stale, self._configuration.jobs, self._outbox)

    def end_telling(self, stop: Stop) -> None:
        """Give messages that are on their way a moment."""
        if self._outbox is not None:
            self._outbox.close(seconds=0, stop=stop)

    def watch_of(self, job: Job, told: Callable[[], None]) -> SourceWatch:
        """Give a watch of a job's source that calls `told` when something changed."""
        logs = [each.log.file for each in self._configuration.jobs if each.log.file is not None]
        written = (self._configuration.state, os.path.join(self.base, "logs"), *logs)
        return watch_of(job, told, written=written)

    def report(self, job: Job, *, stop: Stop) -> None:
        """Make the report on one job, or on all, and note that in the ledger.

        Raises:
            RunError: it cannot be written, or was not taken.
        """
        from dirsync.cli.rendering import make_digest  # most runs come before the first report

        make_digest(job, self._configuration, mask=self._configuration.mask, wait=stop.wait)


def _leave(code: int) -> None:
    """End while a thread still works: its run is closed as crashed by the next."""
    sys.stdout.flush()
    os._exit(code)

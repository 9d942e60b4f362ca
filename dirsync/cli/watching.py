"""Who watches a run: the observer that the command line asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from msgspec import Struct

from dirsync.cli.logs.setup import Wishes
from dirsync.cli.output.human import HumanObserver, Layout, QuietObserver
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.progress import NoProgress, PlainProgress, Progress
from dirsync.cli.output.tones import is_terminal
from dirsync.cli.parsing import Options
from dirsync.model.job import Job, JobType, MirrorJob, PushJob
from dirsync.model.marks import Marks
from dirsync.model.result import RunResult
from dirsync.model.stop import Stop
from dirsync.runner.observer import Observer
from dirsync.runner.run import approve_job, run_job
from dirsync.scan import chosen

if TYPE_CHECKING:
    from dirsync.runner.outbox import Outbox


class Show(Struct, frozen=True, kw_only=True):
    """What the command line wants to see."""

    json: bool
    quiet: bool
    verbosity: int
    progress: str  # "auto", "plain" or "none"
    dry_run: bool
    log_conf: str | None  # None: look for log_conf.yaml
    saves_plan: bool = False

    @classmethod
    def of(cls, options: Options) -> Self:
        """Take over what was parsed."""
        return cls(
            json=options.json,
            quiet=options.quiet,
            verbosity=options.verbosity,
            progress=options.progress,
            dry_run=options.dry_run,
            saves_plan=options.save,
            log_conf=options.log_conf,
        )

    @property
    def logging(self) -> Wishes:
        """What this means for the log."""
        return Wishes(
            log_conf=self.log_conf, verbosity=self.verbosity, quiet=self.quiet, on_screen=not self.json
        )


def run_watched(
    job: Job,
    *,
    state: str,
    show: Show,
    lines: Lines,
    stop: Stop,
    repeated: bool = False,
    side_by_side: bool = False,
    approves: bool = False,
    marks: Marks | None = None,
    outbox: Outbox | None = None,
) -> RunResult:
    """Run one job once and show it; `approves`: carry out the plan of it that is held.

    `repeated`: more runs come, so each summary tells the time. `side_by_side`: other runs
    write to the same terminal, so there is no live progress, and each line names its job.
    `marks` as `run_job` has it. `outbox`: who tells people how it ended (None: nobody is told).
    """
    progress = progress_for(job, show, side_by_side=side_by_side)
    layout = Layout(
        lists_changes=show.dry_run or show.verbosity > 0 or job.type is JobType.CHECK,
        tells_time=repeated,
        names_job=side_by_side,
    )
    try:
        observer = _observer(job, show, lines=lines, progress=progress, layout=layout)
        if show.verbosity:
            observer.noticed(chosen.in_words())
        if outbox is not None and not show.dry_run:
            observer = outbox.watching(job, observer)
        if approves:
            assert isinstance(job, MirrorJob | PushJob)
            return approve_job(
                job, state=state, observer=observer, stop=stop, dry_run=show.dry_run, mask=lines.mask
            )
        return run_job(
            job,
            state=state,
            observer=observer,
            stop=stop,
            dry_run=show.dry_run,
            saves_plan=show.saves_plan,
            marks=marks,
            mask=lines.mask,
        )
    finally:
        progress.close()


def _observer(job: Job, show: Show, *, lines: Lines, progress: Progress, layout: Layout) -> Observer:
    if show.json:
        from dirsync.cli.output.machine import MachineObserver

        return MachineObserver(job, lines=lines, quiet=show.quiet)
    if show.quiet:
        return QuietObserver(mask=lines.mask)
    return HumanObserver(job, lines=lines, progress=progress, layout=layout)


def progress_for(job: Job, show: Show, *, side_by_side: bool) -> Progress:
    """Choose how a run's progress is shown."""
    return progress_named(job.name, show, side_by_side=side_by_side)


def progress_named(name: str, show: Show, *, side_by_side: bool) -> Progress:
    """Choose how the progress of what is called `name` is shown; `side_by_side`: not on a live line."""
    if show.quiet or show.progress == "none":
        return NoProgress()
    if show.progress == "plain":
        return PlainProgress(name)
    if show.json or side_by_side:
        return NoProgress()
    if not is_terminal():
        return PlainProgress(name)
    from dirsync.cli.output.live import LiveProgress

    return LiveProgress(name)

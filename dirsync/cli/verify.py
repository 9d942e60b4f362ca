"""Read source and replica of a job again, and compare them with each other and with the record."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial

from dirsync.cli.exit_codes import exit_code
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.progress import Progress
from dirsync.cli.output.scrub import HumanScrub, MachineScrub, QuietScrub
from dirsync.cli.parsing import Options, Parser, add_common, add_json, add_progress, config_file, usage_error
from dirsync.cli.selection import job_named
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.watching import Show, progress_for
from dirsync.config import load
from dirsync.config.scalars import size
from dirsync.model.job import Job, MirrorJob, PushJob, TrackJob
from dirsync.model.result import RunResult
from dirsync.runner.scrub import ScrubObserver, verify_job


class VerifyOptions(Options):
    """What `verify` can be told."""

    job: str
    budget: int | None  # bytes; None: everything


def parser() -> Parser:
    """Make the parser of `verify`."""
    made = Parser(
        usage="dirsync verify JOB [-c FILE] [--budget SIZE] [--json] [-v | -q]",
        description="Read source and replica of each file again, compare them with each other and with the\n"
        "hashes on record, and tell what has rotted. Nothing is changed at either end. Of a track job,\n"
        "read the source again, and compare it with the catalog.",
    )
    made.add_argument("job", metavar="JOB")
    made.add_argument(
        "--budget",
        type=_budget,
        metavar="SIZE",
        help="begin no file once so much was read at each end, as 100G; those longest unverified come first",
    )
    add_json(made)
    add_progress(made)
    add_common(made)
    made.set_defaults(dry_run=False)
    return made


def main(arguments: Sequence[str]) -> int:
    """Scrub one job."""
    options = parser().parse_args(arguments, namespace=VerifyOptions())
    file = config_file(options)
    configuration = load(file)
    job = job_named(configuration.jobs, options.job)
    show = Show.of(options)
    set_up(show.logging, jobs=[job], base=os.path.dirname(os.path.abspath(file)), mask=configuration.mask)
    progress = progress_for(job, show, side_by_side=False)
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        try:
            result = _verify(job)(
                state=configuration.state,
                observer=_observer(job, show, lines=lines, progress=progress),
                stop=stop,
                budget_bytes=options.budget,
            )
        finally:
            progress.close()
    lines.check()
    return exit_code([result])


def _verify(job: Job) -> Callable[..., RunResult]:
    match job:
        case MirrorJob():
            return partial(verify_job, job)
        case PushJob():
            raise usage_error(f"the destination of '{job.name}' is on another machine; verify it there")
        case TrackJob():
            from dirsync.runner.tracking.verifying import verify_tracked

            return partial(verify_tracked, job)
        case _:
            raise AssertionError(job)


def _observer(job: Job, show: Show, *, lines: Lines, progress: Progress) -> ScrubObserver:
    if show.json:
        return MachineScrub(job, lines=lines, quiet=show.quiet)
    if show.quiet:
        return QuietScrub(mask=lines.mask)
    return HumanScrub(job, lines=lines, progress=progress)


def _budget(text: str) -> int:
    try:
        return size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

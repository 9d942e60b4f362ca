"""Jobs at once, one after another, each with its own summary."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dirsync.cli.exit_codes import exit_code, exit_code_of_signal
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options
from dirsync.cli.selection import selected_jobs
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.telling import PATIENCE_SECONDS, outbox_for, tell_of_stale
from dirsync.cli.watching import Show, run_watched
from dirsync.config import load
from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.result import RunResult
from dirsync.runner.pinging import Pings

if TYPE_CHECKING:  # few jobs are watched for that
    from dirsync.scheduler.stale import Told

logger = logging.getLogger(__name__)


def run_now(file: str, *, options: Options, patterns: Sequence[str]) -> int:
    """Run the jobs asked for in the order of the file; give the exit code of them all.

    Raises:
        ConfigError: the configuration is wrong, or a pattern matches no job.
    """
    configuration, show = load(file), Show.of(options)
    jobs = selected_jobs(configuration.jobs, patterns)
    base = os.path.dirname(os.path.abspath(file))
    set_up(show.logging, jobs=jobs, base=base, mask=configuration.mask)
    results: list[RunResult] = []
    outbox = outbox_for(configuration, show=show, mask=configuration.mask)
    pings = Pings()
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        for job in jobs:
            if stop.requested():
                break
            result = run_watched(
                job, state=configuration.state, show=show, lines=lines, stop=stop, outbox=outbox
            )
            pings.after(job, result)
            results.append(result)
        if not show.dry_run:
            _look_for_stale_jobs(
                jobs[: len(results)],
                state=configuration.state,
                told=lambda stale: tell_of_stale(stale, jobs, outbox),
            )
        pings.wait(stop)
        if outbox is not None:
            outbox.close(seconds=PATIENCE_SECONDS, stop=stop)
    lines.check()
    if stop.signal_number is not None and len(results) < len(jobs):
        return exit_code_of_signal(stop.signal_number)
    return exit_code(results)


def _look_for_stale_jobs(jobs: Sequence[Job], *, state: str, told: Told) -> None:
    """Tell which of the jobs that ran are stale all the same, and which no longer are."""
    if all(job.stale_after_seconds is None for job in jobs):
        return
    from dirsync.runner.ledger import open_ledger
    from dirsync.scheduler.clock import SystemClock
    from dirsync.scheduler.stale import StaleWatch

    try:
        with open_ledger(state) as ledger:
            watch = StaleWatch(ledger, clock=SystemClock(), told=told)
            watch.declare(jobs)
            watch.turn()
    except RunError as error:
        logger.error("which jobs are stale is not known: %s", error)

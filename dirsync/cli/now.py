"""Jobs at once, one after another, each with its own summary."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dirsync.cli.exit_codes import exit_code, exit_code_of_signal
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options
from dirsync.cli.selection import selected_jobs
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.telling import PATIENCE_SECONDS, outbox_for
from dirsync.cli.watching import Show, run_watched
from dirsync.config import load
from dirsync.model.result import RunResult


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
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        for job in jobs:
            if stop.requested():
                break
            results.append(
                run_watched(job, state=configuration.state, show=show, lines=lines, stop=stop, outbox=outbox)
            )
        if outbox is not None:
            outbox.close(seconds=PATIENCE_SECONDS, stop=stop)
    lines.check()
    if stop.signal_number is not None and len(results) < len(jobs):
        return exit_code_of_signal(stop.signal_number)
    return exit_code(results)

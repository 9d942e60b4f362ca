"""Carry out the plan of a job that is held: its very steps, and no others."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dirsync.cli.exit_codes import exit_code
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common, add_run_output, config_file, usage_error
from dirsync.cli.selection import job_of_two_trees
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.telling import PATIENCE_SECONDS, outbox_for
from dirsync.cli.watching import Show, run_watched
from dirsync.config import load
from dirsync.model.job import JobType, MirrorJob, PushJob
from dirsync.runner.held import is_held
from dirsync.runner.pinging import Pings


class ApproveOptions(Options):
    """What `approve` can be told."""

    job: str


def parser() -> Parser:
    """Make the parser of `approve`."""
    made = Parser(
        usage="dirsync approve JOB [-c FILE] [--dry-run] [--json] [-v | -q]",
        description="Carry out the plan of JOB that a guard held, or that --dry-run --save stored:\n"
        "its very steps, each only if its source and its destination have not changed since.",
    )
    made.add_argument("job", metavar="JOB")
    add_run_output(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Approve one plan."""
    options = parser().parse_args(arguments, namespace=ApproveOptions())
    file = config_file(options)
    configuration, show = load(file), Show.of(options)
    job = job_of_two_trees(configuration.jobs, options.job, to="change")
    _check_held(job, configuration.state)
    base = os.path.dirname(os.path.abspath(file))
    set_up(show.logging, jobs=[job], base=base, mask=configuration.mask)
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        outbox = outbox_for(configuration, show=show, mask=configuration.mask)
        result = run_watched(
            job,
            state=configuration.state,
            show=show,
            lines=lines,
            stop=stop,
            approves=True,
            outbox=outbox,
        )
        pings = Pings()
        pings.after(job, result)
        pings.wait(stop)
        if outbox is not None:
            outbox.close(seconds=PATIENCE_SECONDS, stop=stop)
    lines.check()
    return exit_code([result])


def _check_held(job: MirrorJob | PushJob, state: str) -> None:
    """Check that there is something to approve.

    Raises:
        ConfigError: there is not.
    """
    if job.type is not JobType.SYNC:
        raise usage_error(f"'{job.name}' is a {job.type.value} job, which changes nothing to approve")
    if isinstance(job, MirrorJob) and not is_held(state, job.name):  # the far end knows of its own
        raise usage_error(
            f"no plan of '{job.name}' is held; a guard that trips holds one, and --now --dry-run --save "
            "stores one"
        )

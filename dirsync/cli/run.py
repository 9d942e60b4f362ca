"""Run jobs: on their schedules until a signal, or at once with `--now`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dirsync.cli.commands import COMMANDS
from dirsync.cli.exit_codes import exit_code, exit_code_of_signal
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common, add_run_output, config_file, usage_error
from dirsync.cli.selection import selected_jobs
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.watching import Show, run_in_turn
from dirsync.config import Configuration, load

USAGE = """dirsync [-c FILE] [--now] [--job NAME]… [--dry-run] [--json] [-v | -q]
       dirsync [-c FILE] COMMAND …"""


class RunOptions(Options):
    """What `run` can be told."""

    job: list[str]
    now: bool


def parser() -> Parser:
    """Make the parser of the main verb, whose help lists the commands."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    made = Parser(
        usage=USAGE,
        description="Run the jobs of a configuration: on their schedules, or at once with --now.",
        epilog=f"commands (`dirsync COMMAND --help` tells more):\n{commands}",
    )
    made.add_argument("--now", action="store_true", help="run every enabled job once, then exit")
    made.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="NAME",
        help="only this job; repeatable, shell wildcards allowed; names a disabled job too",
    )
    add_run_output(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for."""
    options = parser().parse_args(arguments, namespace=RunOptions())
    if options.dry_run and not options.now:
        raise usage_error("--dry-run shows one run; it needs --now")
    file = config_file(options)
    if not options.now:
        from dirsync.cli.daemon import serve

        return serve(file, patterns=options.job, show=Show.of(options))
    return _run_now(load(file), patterns=options.job, show=Show.of(options))


def _run_now(configuration: Configuration, *, patterns: Sequence[str], show: Show) -> int:
    jobs = selected_jobs(configuration.jobs, patterns)
    base = os.path.dirname(os.path.abspath(configuration.file))
    set_up(show.logging, jobs=jobs, base=base, mask=configuration.mask)
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        results = run_in_turn(jobs, state=configuration.state, show=show, lines=lines, stop=stop)
        lines.check()
        if stop.signal_number is not None and len(results) < len(jobs):
            return exit_code_of_signal(stop.signal_number)
    return exit_code(results)

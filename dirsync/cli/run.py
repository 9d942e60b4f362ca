"""Run jobs: on their schedules until a signal, or at once with `--now`."""

from __future__ import annotations

from collections.abc import Sequence

from dirsync.cli.commands import COMMANDS
from dirsync.cli.parsing import Options, Parser, add_common, add_run_output, config_file, usage_error

USAGE = """dirsync [-c FILE] [--now] [--job NAME]… [--dry-run [--save]] [--json] [-v | -q]
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
    made.add_argument("--save", action="store_true", help="with --dry-run: store the plan, for approve")
    add_run_output(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for."""
    options = parser().parse_args(arguments, namespace=RunOptions())
    if options.dry_run and not options.now:
        raise usage_error("--dry-run shows one run; it needs --now")
    if options.save and not options.dry_run:
        raise usage_error("--save stores the plan of a dry run; it needs --now --dry-run")
    file = config_file(options)
    # Only now: --help and a mistyped option are answered without loading the program.
    if options.now:
        from dirsync.cli.now import run_now

        return run_now(file, options=options, patterns=options.job)
    from dirsync.cli.daemon import serve

    return serve(file, options=options, patterns=options.job)

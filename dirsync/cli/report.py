"""Tell what changed since a moment: as text, as one HTML page, or as JSON."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.moments import past_moment
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common, config_file, one_of
from dirsync.cli.rendering import DEPTH, report_on
from dirsync.cli.selection import selected_jobs
from dirsync.config import load
from dirsync.model.job import ReportFormat
from dirsync.snapshot.saving import saved

_DEEPEST = 8
_STDOUT = "-"


class ReportOptions(Options):
    """What `report` can be told."""

    job: list[str]
    since: str
    format: str
    output: str
    depth: int


def parser() -> Parser:
    """Make the parser of `report`."""
    made = Parser(
        usage="dirsync report [--job NAME]… [--since TIME] [--format text|html|json] [-o FILE] [-c FILE]",
        description="Tell what jobs recorded since a moment: a verdict for each, what there is to review,\n"
        "deletions and moves first, where most changed, growth and churn.",
    )
    made.add_argument("--job", action="append", default=[], metavar="NAME", help="only this job; repeatable")
    made.add_argument(
        "--since", default="7d", metavar="TIME", help="look back so far: 1d, 7d (the default), 2026-11-21"
    )
    made.add_argument(
        "--format",
        type=one_of(*(each.value for each in ReportFormat)),
        default=ReportFormat.TEXT.value,
        metavar="text|html|json",
        help="default: text",
    )
    made.add_argument(
        "-o", "--output", default=_STDOUT, metavar="FILE", help="write it to a file, whole or not at all"
    )
    made.add_argument(
        "--depth",
        type=_depth,
        default=DEPTH,
        metavar="N",
        help=f"count changes by directories of up to N names (default: {DEPTH})",
    )
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Write one report."""
    options = parser().parse_args(arguments, namespace=ReportOptions())
    configuration = load(config_file(options))
    jobs = selected_jobs(configuration.jobs, options.job)
    now = datetime.datetime.now(datetime.UTC)
    text = report_on(
        jobs,
        state=configuration.state,
        since=past_moment(options.since, now=now),
        now=now,
        format=ReportFormat(options.format),
        depth=options.depth,
        mask=configuration.mask,
    )
    if options.output == _STDOUT:
        Lines(mask=configuration.mask).line(text.rstrip("\n"))
    else:
        with saved(os.fsencode(options.output)) as file:
            file.write(text.encode())
    return Exit.DONE


def _depth(text: str) -> int:
    if text not in map(str, range(1, _DEEPEST + 1)):
        raise argparse.ArgumentTypeError(f"'{text}' is no depth; write 1 to {_DEEPEST}")
    return int(text)

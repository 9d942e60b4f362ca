"""Validate the configuration: all its problems at once, or one line of praise."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.units import plural
from dirsync.cli.parsing import Options, Parser, add_common, config_file
from dirsync.config import load
from dirsync.model.names import shown


def main(arguments: Sequence[str]) -> int:
    """Read the configuration and say that it is valid; else the error says what is not."""
    parser = Parser(usage="dirsync check [-c FILE]", description="Validate the configuration; run nothing.")
    add_common(parser)
    options = parser.parse_args(arguments, namespace=Options())
    configuration = load(config_file(options))
    if not options.quiet:
        disabled = sum(not job.enabled for job in configuration.jobs)
        jobs = plural(len(configuration.jobs), "job", "jobs") + (
            f" ({disabled} disabled)" if disabled else ""
        )
        Lines(mask=configuration.mask).line(f"{shown(os.fsencode(configuration.file))}: {jobs}, no problems")
    return Exit.DONE

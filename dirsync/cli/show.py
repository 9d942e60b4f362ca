"""Print what the configuration comes to: defaults, profiles and files merged, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common, config_file
from dirsync.config.showing import effective_yaml


def main(arguments: Sequence[str]) -> int:
    """Print the effective configuration as YAML."""
    parser = Parser(
        usage="dirsync show [-c FILE]", description="Print the effective configuration, secrets masked."
    )
    add_common(parser)
    options = parser.parse_args(arguments, namespace=Options())
    Lines().line(effective_yaml(config_file(options)).rstrip("\n"))
    return Exit.DONE

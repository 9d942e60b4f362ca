"""Print the JSON Schema of jobs.yaml, for editors that complete and check as one types."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common
from dirsync.config.schema import json_schema


def main(arguments: Sequence[str]) -> int:
    """Print the schema."""
    parser = Parser(usage="dirsync schema", description="Print the JSON Schema of jobs.yaml.")
    add_common(parser)
    parser.parse_args(arguments, namespace=Options())
    Lines().line(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return Exit.DONE

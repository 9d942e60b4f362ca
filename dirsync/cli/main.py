"""Hand the command line to its command, and turn whatever comes of it into an exit code."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

from dirsync.cli.commands import RUN
from dirsync.cli.exit_codes import Exit, exit_code_of_signal
from dirsync.cli.output.lines import abandon_stdout, error_line, replace_closed_streams
from dirsync.cli.parsing import split_command
from dirsync.errors import ConfigError, DirsyncError, Skipped


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give the exit code of the process."""
    arguments = sys.argv[1:] if argv is None else argv
    replace_closed_streams()
    try:
        return _dispatched(arguments)
    except ConfigError as error:
        for problem in error.problems:
            error_line(problem)
        return Exit.USAGE
    except KeyboardInterrupt:
        return exit_code_of_signal(signal.SIGINT)
    except BrokenPipeError:
        abandon_stdout()
        return exit_code_of_signal(signal.SIGPIPE)
    except DirsyncError as error:
        error_line(f"dirsync: {error}")
        return Exit.SKIPPED if isinstance(error, Skipped) else Exit.FAILED
    except Exception as error:
        _report(error, verbose=_is_verbose(arguments))
        return Exit.FAILED


def _dispatched(arguments: Sequence[str]) -> int:
    name, rest = split_command(arguments)
    command = importlib.import_module(f"dirsync.cli.{name or RUN.name}")
    try:
        code = command.main(rest)
    except SystemExit as ending:  # argparse, after --help or --version
        code = ending.code
    assert isinstance(code, int)
    return code


def _is_verbose(arguments: Sequence[str]) -> bool:
    return any(argument in ("-v", "-vv", "--verbose") for argument in arguments)


def _report(error: Exception, *, verbose: bool) -> None:
    """Tell of an error no one expected: a mistake in dirsync, or a machine that gave way."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        error_line(f"dirsync: {place}{error.strerror or error}")
        verbose = verbose and not place  # what it is about says it all
    else:
        error_line(f"dirsync: internal error: {type(error).__name__}: {error}; -v shows where")
    if verbose:
        import traceback

        error_line(traceback.format_exc())

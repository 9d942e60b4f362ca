"""The options every command has, and the one way in which a usage error is told.

Each command has a parser of its own, made in its own file. Options may stand before
the command's name as well (`run.py -c jobs.yaml check`): `split_command` takes the name
out, and the command's parser reads all the rest.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import NoReturn

import dirsync
from dirsync.cli.commands import COMMANDS
from dirsync.errors import ConfigError

DEFAULT_CONFIG = "jobs.yaml"
_TOO_LONG = 19  # digits, of a number that 64 bits may not hold

# Of the options that may stand before a command, those that take a value.
_TAKE_A_VALUE = frozenset({"-c", "--config", "--log-conf", "--progress", "--job", "--budget", "--since"})


def usage_error(message: str) -> ConfigError:
    """Make the error of a command line that cannot be understood."""
    return ConfigError((f"dirsync: {message}",))


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, raised rather than printed."""

    def __init__(self, *, usage: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog="dirsync",
            usage=usage,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line.

        Raises:
            ConfigError: always.
        """
        raise usage_error(f"{message}; see --help")


class Options(argparse.Namespace):
    """What every command can be told."""

    config: str | None  # None: ./jobs.yaml
    verbosity: int  # 0, 1: changes and stages, 2: each path as well
    quiet: bool
    log_conf: str | None  # None: look for log_conf.yaml
    json: bool
    progress: str  # "auto", "plain" or "none"
    dry_run: bool
    save: bool = False  # only where the command has it


def add_common(parser: Parser) -> None:
    """Add the options that every command has."""
    parser.add_argument("-c", "--config", metavar="FILE", help=f"the jobs (default: ./{DEFAULT_CONFIG})")
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument(
        "-v", "--verbose", dest="verbosity", action="count", default=0, help="tell more; -vv tells each path"
    )
    volume.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("--log-conf", metavar="FILE", help="logging configuration (default: log_conf.yaml)")
    parser.add_argument("--version", action="version", version=f"dirsync {dirsync.__version__}")


def add_json(parser: Parser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def add_run_output(parser: Parser) -> None:
    """Add the options of the commands that run jobs."""
    parser.add_argument("--dry-run", action="store_true", help="list what would happen; change nothing")
    add_json(parser)
    add_progress(parser)


def add_exclude(parser: Parser) -> None:
    """Add `--exclude`, for commands that need no configuration."""
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="P", help="a gitignore line; repeatable"
    )


def add_progress(parser: Parser) -> None:
    """Add `--progress`."""
    parser.add_argument(
        "--progress",
        type=one_of("auto", "plain", "none"),
        default="auto",
        metavar="auto|plain|none",
        help="how to show progress (default: auto, live on a terminal and plain lines elsewhere)",
    )


class one_of:  # noqa: N801 - reads as a type where it stands
    """An argument's type: one of some words, with a suggestion when it is none of them."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __call__(self, text: str) -> str:
        if text in self._words:
            return text
        raise argparse.ArgumentTypeError(
            f"'{text}' is none of {', '.join(self._words)}{did_you_mean(text, self._words)}"
        )


def count_of(text: str) -> int | None:
    """Read a number of things; None: it is none, or one that no 64 bits hold."""
    is_count = text.isascii() and text.isdigit() and len(text) < _TOO_LONG
    return int(text) if is_count else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word: `; did you mean 'photos'?`, or nothing."""
    from difflib import get_close_matches

    nearest = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def split_command(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take the command's name out of the arguments; None: there is none.

    Raises:
        ConfigError: the first word is no command's name.
    """
    position = _first_word(arguments)
    if position is None:
        return None, list(arguments)
    name = arguments[position]
    if name in COMMANDS:
        return name, [*arguments[:position], *arguments[position + 1 :]]
    if position and arguments[position - 1].startswith("-"):
        return None, list(arguments)  # after an option that is unknown itself, which the parser tells
    raise usage_error(f"unknown command '{name}'{did_you_mean(name, COMMANDS)}; see --help")


def _first_word(arguments: Sequence[str]) -> int | None:
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if not argument.startswith("-"):
            return position
        position += 2 if argument in _TAKE_A_VALUE else 1
    return None


def config_file(options: Options) -> str:
    """Name the configuration file: the one asked for, else ./jobs.yaml.

    Raises:
        ConfigError: none was named, and there is no ./jobs.yaml.
    """
    if options.config is not None:
        return options.config
    try:
        os.lstat(DEFAULT_CONFIG)
    except FileNotFoundError:
        raise usage_error(f"no {DEFAULT_CONFIG} here; name one with -c FILE") from None
    return DEFAULT_CONFIG

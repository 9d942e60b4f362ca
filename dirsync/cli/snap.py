"""Write down what a directory holds: a snapshot file, for `diff`."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.summary import error_lines
from dirsync.cli.output.units import human_seconds, plural
from dirsync.cli.output.watched import WatchedState
from dirsync.cli.parsing import (
    Options,
    Parser,
    add_common,
    add_exclude,
    add_progress,
    config_file,
    usage_error,
)
from dirsync.cli.signals import ending_on_signals
from dirsync.cli.states import Seeing, directory_state, is_far
from dirsync.cli.watching import Show, progress_named
from dirsync.model.names import escaped
from dirsync.model.snapshot import SnapshotHeader, State
from dirsync.model.stop import Deadline
from dirsync.snapshot.saving import saved
from dirsync.snapshot.writing import write_snapshot

_STDOUT = "-"


class SnapOptions(Options):
    """What `snap` can be told."""

    path: str
    output: str
    hash: bool
    exclude: list[str]


def parser() -> Parser:
    """Make the parser of `snap`."""
    made = Parser(
        usage="dirsync snap PATH -o FILE [--hash] [--exclude P]… [-v | -q]",
        description="Write down what the directory PATH holds, for `dirsync diff`. FILE is written whole\n"
        "or not at all; '-' is standard output.",
    )
    made.add_argument("path", metavar="PATH")
    made.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the snapshot; '-': standard output"
    )
    made.add_argument("--hash", action="store_true", help="read every file, and write its BLAKE3 hash down")
    add_exclude(made)
    add_progress(made)
    add_common(made)
    made.set_defaults(dry_run=False, json=False)
    return made


def main(arguments: Sequence[str]) -> int:
    """Take one snapshot."""
    options = parser().parse_args(arguments, namespace=SnapOptions())
    if options.config is not None and not is_far(options.path):
        raise usage_error("snap of a directory here needs no configuration file; drop -c")
    return ending_on_signals(lambda deadline: _snap(options, deadline))


def _no_config() -> str:
    raise usage_error("snap writes down a directory; for what a job has on record there is diff")


def _snap(options: SnapOptions, deadline: Deadline) -> int:
    begun_at = time.monotonic()
    far = is_far(options.path)
    seeing = Seeing(
        config=(lambda: config_file(options)) if far else _no_config,
        hashes=options.hash,
        exclude=options.exclude,
        check=deadline.check,
    )
    state = directory_state(options.path, seeing=seeing)
    show = Show.of(options)
    progress = progress_named(options.path, show, side_by_side=options.output == _STDOUT)
    watched = WatchedState(state, progress=progress, check=deadline.check)
    try:
        with _output(options.output) as file:
            write_snapshot(file, _header(options.path, state), watched.sightings())
    finally:
        progress.close()
    if not options.quiet and options.output != _STDOUT:
        Lines().line(_summary(options, watched, seconds=time.monotonic() - begun_at))
    for line in error_lines(escaped(options.path), None, watched.failures):
        error_line(line)
    return Exit.PARTIAL if watched.failures.count else Exit.DONE


def _header(path: str, state: State) -> SnapshotHeader:
    return SnapshotHeader(
        root=os.fsencode(path) if is_far(path) else os.path.abspath(os.fsencode(path)),
        taken_at=datetime.datetime.now(datetime.UTC),
        algorithm=state.algorithm,
    )


@contextlib.contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    if name != _STDOUT:
        with saved(os.fsencode(name)) as file:
            yield file
        return
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def _summary(options: SnapOptions, watched: WatchedState, *, seconds: float) -> str:
    facts = [f"{plural(watched.entries, 'entry', 'entries')} of {escaped(options.path)}"]
    if options.hash:
        facts.append("content hashed")
    if watched.failures.count:
        facts.append(f"{plural(watched.failures.count, 'path', 'paths')} failed")
    return f"{escaped(options.output)}  {', '.join(facts)} ({human_seconds(seconds)})"

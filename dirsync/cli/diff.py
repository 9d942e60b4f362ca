"""Tell how two states of a tree differ: directories as they are now, or snapshots."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.differences import HumanTeller, MachineTeller, SilentTeller, Teller
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.summary import error_lines
from dirsync.cli.output.watched import WatchedState
from dirsync.cli.parsing import (
    Options,
    Parser,
    add_common,
    add_exclude,
    add_json,
    add_progress,
    config_file,
)
from dirsync.cli.signals import ending_on_signals
from dirsync.cli.states import Seeing, two_states
from dirsync.cli.watching import Show, progress_named
from dirsync.compare.states import Unseen, compare_states
from dirsync.model.names import escaped
from dirsync.model.result import Counts
from dirsync.model.snapshot import State
from dirsync.model.stop import Deadline
from dirsync.runner.present import DirectoryState


class DiffOptions(Options):
    """What `diff` can be told."""

    old: str
    new: str
    hash: bool
    exclude: list[str]


def parser() -> Parser:
    """Make the parser of `diff`."""
    made = Parser(
        usage="dirsync diff A B [-c FILE] [--hash] [--exclude P]… [--json] [-q]",
        description="Tell what was added, removed and modified from A to B. Each is a directory, as it is\n"
        "now, a snapshot that `dirsync snap` wrote, or what a track job has on record: JOB@latest,\n"
        "JOB@RUN, JOB@2026-11-01 (the last run before that moment).",
    )
    made.add_argument("old", metavar="A")
    made.add_argument("new", metavar="B")
    made.add_argument(
        "--hash", action="store_true", help="read the files of directories, and compare content"
    )
    add_exclude(made)
    add_json(made)
    add_progress(made)
    add_common(made)
    made.set_defaults(dry_run=False)
    return made


def main(arguments: Sequence[str]) -> int:
    """Compare two states."""
    options = parser().parse_args(arguments, namespace=DiffOptions())
    return ending_on_signals(lambda deadline: _diff(options, deadline))


def _diff(options: DiffOptions, deadline: Deadline) -> int:
    begun_at = time.monotonic()
    seeing = Seeing(
        config=lambda: config_file(options),
        hashes=options.hash,
        exclude=options.exclude,
        check=deadline.check,
    )
    teller = _teller(options)
    counts = Counts()
    progress = progress_named(f"{options.old} → {options.new}", Show.of(options), side_by_side=False)
    try:
        with two_states(options.old, options.new, seeing=seeing) as states:
            if not options.quiet:
                _note_hashes(options, *states)
            old, new = (WatchedState(each, progress=progress, check=deadline.check) for each in states)
            for difference in compare_states(old, new):
                teller.found(difference)
                if not isinstance(difference, Unseen):
                    counts.count(difference)
    finally:
        progress.close()
    counts.scanned, counts.failed = new.entries, old.failures.count + new.failures.count
    counts.bytes_copied = 0  # nothing is
    teller.finished(counts, seconds=time.monotonic() - begun_at)
    _tell_failures(options, old, new)
    return _code(counts)


def _teller(options: DiffOptions) -> Teller:
    if options.json:
        return MachineTeller(Lines())
    return SilentTeller() if options.quiet else HumanTeller(Lines())


def _note_hashes(options: DiffOptions, old: State, new: State) -> None:
    """Say so where one side knows the content of files and the other cannot be compared with it."""
    if old.algorithm is new.algorithm:
        return
    advice = ""
    if old.algorithm is None or new.algorithm is None:
        name, state = (options.old, old) if old.algorithm is None else (options.new, new)
        reason = f"'{escaped(name)}' has no hashes"
        if isinstance(state, DirectoryState):
            advice = "; --hash reads its files"
    else:
        reason = f"one side has {old.algorithm.value}, the other {new.algorithm.value}"
    error_line(f"note: content is not compared by hash: {reason}{advice}")


def _tell_failures(options: DiffOptions, old: WatchedState, new: WatchedState) -> None:
    if options.json:
        return
    for name, state in ((options.old, old), (options.new, new)):
        for line in error_lines(escaped(name), None, state.failures):
            error_line(line)


def _code(counts: Counts) -> Exit:
    if counts.changes:
        return Exit.DIFFERENCES
    return Exit.PARTIAL if counts.failed else Exit.DONE

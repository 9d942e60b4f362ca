"""What the process answers: a pure function from results to one number."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from dirsync.model.job import JobType
from dirsync.model.result import Outcome, RunResult


class Exit(enum.IntEnum):
    """The exit codes, as the manual lists them; a signal n gives 128+n."""

    DONE = 0
    DIFFERENCES = 1
    USAGE = 2
    PARTIAL = 3
    HELD = 4
    FAILED = 5
    SKIPPED = 75


# Several jobs answer with the worst one's code.
_WORST_FIRST = (Exit.FAILED, Exit.HELD, Exit.PARTIAL, Exit.DIFFERENCES, Exit.SKIPPED, Exit.DONE)

_OF_OUTCOME = {
    Outcome.SUCCEEDED: Exit.DONE,
    Outcome.PARTIAL: Exit.PARTIAL,
    Outcome.HELD: Exit.HELD,
    Outcome.FAILED: Exit.FAILED,
    Outcome.SKIPPED: Exit.SKIPPED,
    Outcome.CANCELLED: Exit.FAILED,  # by its time limit; a signal is asked for first
    Outcome.CRASHED: Exit.FAILED,
}


def exit_code(results: Iterable[RunResult]) -> int:
    """Give the exit code of some runs: 128+n after a signal, else the worst one's."""
    finished = tuple(results)
    for result in finished:
        if result.outcome is Outcome.CANCELLED and result.signal_number is not None:
            return exit_code_of_signal(result.signal_number)
    return min((_code_of(result) for result in finished), key=_WORST_FIRST.index, default=Exit.DONE)


def exit_code_of_signal(number: int) -> int:
    """Give the exit code of a process that signal `number` ended."""
    return 128 + number


def _code_of(result: RunResult) -> Exit:
    code = _OF_OUTCOME[result.outcome]
    if code is Exit.DONE and result.type is JobType.CHECK and result.counts.changes:
        return Exit.DIFFERENCES
    return code

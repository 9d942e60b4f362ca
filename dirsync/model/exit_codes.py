"""What a process answers for one run."""

from __future__ import annotations

import enum

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


_OF_OUTCOME = {
    Outcome.SUCCEEDED: Exit.DONE,
    Outcome.PARTIAL: Exit.PARTIAL,
    Outcome.HELD: Exit.HELD,
    Outcome.FAILED: Exit.FAILED,
    Outcome.SKIPPED: Exit.SKIPPED,
    Outcome.CANCELLED: Exit.FAILED,  # by its time limit
    Outcome.CRASHED: Exit.FAILED,
}


def code_of(result: RunResult) -> int:
    """Give the exit code of one run."""
    if result.outcome is Outcome.CANCELLED and result.signal_number is not None:
        return code_of_signal(result.signal_number)
    code = _OF_OUTCOME[result.outcome]
    if code is Exit.DONE and result.type is JobType.CHECK and result.counts.changes:
        return Exit.DIFFERENCES
    return code


def code_of_signal(number: int) -> int:
    """Give the exit code of a process that signal `number` ended."""
    return 128 + number

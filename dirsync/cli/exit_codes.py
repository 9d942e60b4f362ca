"""What the process answers: a pure function from results to one number."""

from __future__ import annotations

from collections.abc import Iterable

from dirsync.model.exit_codes import Exit, code_of
from dirsync.model.exit_codes import code_of_signal as exit_code_of_signal
from dirsync.model.result import Outcome, RunResult

__all__ = ["Exit", "exit_code", "exit_code_of_signal"]

# Several jobs answer with the worst one's code.
_WORST_FIRST = (Exit.FAILED, Exit.HELD, Exit.PARTIAL, Exit.DIFFERENCES, Exit.SKIPPED, Exit.DONE)


def exit_code(results: Iterable[RunResult]) -> int:
    """Give the exit code of some runs: 128+n after a signal, else the worst one's."""
    finished = tuple(results)
    for result in finished:
        if result.outcome is Outcome.CANCELLED and result.signal_number is not None:
            return exit_code_of_signal(result.signal_number)
    return min((Exit(code_of(result)) for result in finished), key=_WORST_FIRST.index, default=Exit.DONE)

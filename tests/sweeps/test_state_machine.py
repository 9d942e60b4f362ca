"""Edits, swaps, refusals, kills and runs in any order: a run always makes the mirror good.

`DIRSYNC_SWEEP_MACHINE=5000` tries so many sequences.
"""

from __future__ import annotations

from tests.sweeps.machine import sweep_sequences
from tests.sweeps.tally import asked_of, check


def test_whatever_happens_between_and_in_runs_the_next_run_makes_good() -> None:
    check(sweep_sequences(asked=asked_of("machine", usual=25)))

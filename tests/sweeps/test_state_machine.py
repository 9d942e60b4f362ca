"""Edits, swaps, refusals, kills and runs in any order: a run always makes the mirror good.

`DIRSYNC_SWEEP_MACHINE=5000` tries so many sequences.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sweeps.machine import MirrorMachine
from tests.sweeps.tally import asked_of


def test_whatever_happens_between_and_in_runs_the_next_run_makes_good() -> None:
    run_state_machine_as_test(
        MirrorMachine,
        settings=settings(
            max_examples=asked_of("machine", usual=25),
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert MirrorMachine.syncs

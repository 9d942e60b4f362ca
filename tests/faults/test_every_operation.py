"""Refused by the system at any operation: nothing is lost, and the next run converges.

`DIRSYNC_SWEEP_EACH=1000` tries up to so many operations of each scenario. Being killed
instead is `tests/sweeps/test_kill_sweep.py`.
"""

from __future__ import annotations

import pytest

from tests.sweeps.refusal import sweep_refusals
from tests.sweeps.scenarios import SCENARIOS, Scenario
from tests.sweeps.tally import asked_of, check

EACH = asked_of("each", usual=6)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_refused_at_any_operation_nothing_is_lost_and_the_next_run_converges(scenario: Scenario) -> None:
    tally = sweep_refusals(scenario, at_most=EACH)

    assert tally.points, scenario.name
    check(tally)

"""Killed anywhere, and again while recovering: nothing is lost, and the next run converges.

`DIRSYNC_SWEEP_EACH=1000` tries up to so many operations of each scenario.
"""

from __future__ import annotations

import pytest

from tests.sweeps.kill import sweep_double_kills, sweep_kills
from tests.sweeps.scenarios import SCENARIOS, Scenario, drawn, keeping_versions
from tests.sweeps.tally import Tally, asked_of, check

EACH = asked_of("each", usual=4)


@pytest.mark.parametrize(
    "scenario",
    [*SCENARIOS, *map(keeping_versions, SCENARIOS)],
    ids=lambda scenario: scenario.name.replace(" ", "-"),
)
def test_killed_at_any_operation_every_path_is_old_or_new_and_the_next_run_converges(
    scenario: Scenario,
) -> None:
    tally = sweep_kills(scenario, at_most=EACH)

    assert tally.points, scenario.name
    check(tally)


def test_killed_in_trees_that_nobody_thought_of() -> None:
    tally = Tally(sweep="kill", asked=EACH)
    for seed in range(EACH):
        tally.add(sweep_kills(drawn(seed), at_most=EACH))

    check(tally)


def test_killed_again_while_recovering_the_run_after_that_converges() -> None:
    tally = Tally(sweep="kill twice", asked=3 * EACH)
    for scenario in SCENARIOS[: 3 * EACH : 2]:
        tally.add(sweep_double_kills(scenario, at_most=2, again_at_most=3))

    check(tally)


@pytest.mark.parametrize("number", [214, 401])
def test_where_something_stands_in_the_way_of_a_version_that_version_is_not_there(number: int) -> None:
    """Found by a long sweep: a slot, or a place, whose parent is no directory (yet, or any more)."""
    check(sweep_kills(drawn(number), at_most=200))

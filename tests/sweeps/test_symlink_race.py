"""Another user flips a parent directory to a symlink that leads outside: he gains nothing.

`DIRSYNC_SWEEP_RACE=60` attacks each kind of operation for so many seconds.
"""

from __future__ import annotations

import pytest

from tests.sweeps.race import KINDS, seconds_until_control_loses, sweep_race
from tests.sweeps.tally import asked_of, check

SECONDS = asked_of("race", usual=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.replace(" ", "-"))
def test_nothing_outside_is_read_changed_or_removed(kind: str) -> None:
    check(sweep_race(kind, seconds=SECONDS))


def test_a_copy_by_paths_loses_to_the_same_attack() -> None:
    """The attack is real: who works by paths writes outside, as a rule within a second."""
    assert seconds_until_control_loses(patience_seconds=30) is not None

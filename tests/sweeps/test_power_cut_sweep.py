"""The power goes anywhere: no file is torn, and nobody claims what the disk does not hold.

`DIRSYNC_SWEEP_EACH=1000` cuts at up to so many operations of each scenario.
"""

from __future__ import annotations

import dataclasses

import pytest

from dirsync.model.job import Durability
from tests.sweeps.images import Cut, FileSystem
from tests.sweeps.power_cut import sweep_power_cuts, sweep_synced
from tests.sweeps.scenarios import BY_NAME, SCENARIOS
from tests.sweeps.tally import asked_of, check

EACH = asked_of("each", usual=2)
_EVERY_OPERATION = 100

places = pytest.mark.parametrize("file_system", FileSystem, ids=lambda file_system: file_system.type_name)
flags = pytest.mark.parametrize("how", Cut, ids=["journal-written", "journal-lost"])


@places
@flags
def test_power_cut_at_any_operation_leaves_every_path_old_or_new(file_system: FileSystem, how: Cut) -> None:
    check(
        sweep_power_cuts(SCENARIOS, file_system=file_system, how=how, asked=len(SCENARIOS), each_at_most=EACH)
    )


@places
@flags
def test_what_was_synced_survives_a_power_cut_directly_after_exit_0(
    file_system: FileSystem, how: Cut
) -> None:
    check(sweep_synced(file_system=file_system, how=how))


def test_a_run_that_leaves_durability_to_the_kernel_loses_to_the_same_cuts() -> None:
    """The cuts are real: what nobody flushed is torn."""
    careless = dataclasses.replace(BY_NAME["files are replaced"], durability=Durability.NONE)

    tally = sweep_power_cuts(
        [careless], file_system=FileSystem.XFS, how=Cut.JOURNAL_WRITTEN, each_at_most=_EVERY_OPERATION
    )

    assert any("torn" in violation for violation in tally.violations)

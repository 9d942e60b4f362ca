"""Refused by the system at any operation: nothing is lost, and the next run converges.

Each scenario is run once to count its operations, then once for each of them, failed
there. Being killed instead is `tests/sweeps/kill.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from dirsync.model.result import Outcome
from tests.jobs import run
from tests.sweeps.bench import Bench, bench
from tests.sweeps.gates import Refused, gated
from tests.sweeps.judging import mirrored, torn, unlike
from tests.sweeps.scenarios import SCENARIOS
from tests.sweeps.tally import asked_of, evenly

EACH = asked_of("refuse", usual=7)  # operations of a scenario


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def here(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(request.param) as made:
        yield made


@pytest.mark.parametrize("ever_after", [False, True], ids=["once", "ever-after"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_refused_at_any_operation_nothing_is_lost_and_the_next_run_converges(
    here: Bench, number: int, ever_after: bool
) -> None:
    for at in evenly(here.operations(), at_most=EACH):
        job = here.renewed()
        with gated(Refused(at, number=number, ever_after=ever_after)):
            result = run(job, state=here.state)

        assert torn(here.before, here.wanted, mirrored(here.destination)) == {}, at
        if result.outcome is Outcome.SUCCEEDED:
            assert not unlike(here.wanted, here.destination), at
        assert run(job, state=here.state).outcome is Outcome.SUCCEEDED
        assert not unlike(here.wanted, here.destination), at

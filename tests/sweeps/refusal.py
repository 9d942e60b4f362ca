"""The refusal sweep: the system refuses an operation, or all from there on."""

from __future__ import annotations

import errno
import itertools

from dirsync.model.result import Outcome
from tests.jobs import run
from tests.sweeps.bench import Bench, bench
from tests.sweeps.gates import Refused, gated
from tests.sweeps.judging import mirrored, torn, unlike
from tests.sweeps.scenarios import Scenario
from tests.sweeps.tally import Tally, evenly

ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES)


def sweep_refusals(scenario: Scenario, *, at_most: int) -> Tally:
    """Refuse at every operation, or at `at_most` of them, in every way."""
    tally = Tally(sweep="refused")
    with bench(scenario) as here:
        points = evenly(here.operations(), at_most=at_most)
        for at, number, ever_after in itertools.product(points, ERRORS, (False, True)):
            _refuse_once(here, Refused(at, number=number, ever_after=ever_after), tally)
    return tally


def _refuse_once(here: Bench, gate: Refused, tally: Tally) -> None:
    job = here.renewed()
    with gated(gate):
        outcome = run(job, state=here.state).outcome
    if gate.passed <= gate.at:
        return
    wrong = [f"torn: {path!r}" for path in torn(here.before, here.wanted, mirrored(here.destination))]
    if outcome is Outcome.SUCCEEDED:
        wrong += [f"succeeded, but {what}" for what in unlike(here.wanted, here.destination)]
    again = run(job, state=here.state).outcome
    if again is not Outcome.SUCCEEDED:
        wrong.append(f"the rerun ended as {again.value}")
    wrong += unlike(here.wanted, here.destination)
    tally.point(f"{here.scenario.name}, {errno.errorcode[gate.number]} at {gate.at}", wrong)

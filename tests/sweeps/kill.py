"""The kill sweep: killed before every operation, and killed again while recovering.

A point is one kill: the destination is made anew, a child process runs the job and is
killed at operation n, the destination is judged, the job runs again and is judged. A
double point kills that second run as well, at operation m.
"""

from __future__ import annotations

from tests.sweeps.bench import Bench, bench
from tests.sweeps.gates import was_killed
from tests.sweeps.judging import mirrored, recovered, torn
from tests.sweeps.scenarios import Scenario
from tests.sweeps.tally import Tally, evenly


def sweep_kills(scenario: Scenario, *, at_most: int) -> Tally:
    """Kill at every operation, or at `at_most` of them, evenly chosen."""
    tally = Tally(sweep="kill")
    with bench(scenario) as here:
        for at in evenly(here.operations(), at_most=at_most):
            _kill_once(here, at, tally)
    return tally


def _kill_once(here: Bench, at: int, tally: Tally) -> None:
    job = here.renewed()
    if not was_killed(job, at=at, state=here.state):
        return
    wrong = _torn(here)
    wrong += recovered(job, state=here.state, wanted=here.wanted, destination=here.destination, crashed=1)
    tally.point(f"{here.scenario.name}, killed at {at}", wrong)


def sweep_double_kills(scenario: Scenario, *, at_most: int, again_at_most: int) -> Tally:
    """Kill at operations, and each of those runs' recovery at its operations."""
    tally = Tally(sweep="kill twice")
    with bench(scenario) as here:
        total = here.operations()
        for at in evenly(total, at_most=at_most):
            for again_at in evenly(total + 2, at_most=again_at_most):  # a sweep of strays comes on top
                if not _kill_twice(here, at, again_at, tally):
                    break
    return tally


def _kill_twice(here: Bench, at: int, again_at: int, tally: Tally) -> bool:
    """Make one double point; False: the recovery ended before it was killed."""
    job = here.renewed()
    if not was_killed(job, at=at, state=here.state) or not was_killed(job, at=again_at, state=here.state):
        return False
    wrong = _torn(here)
    wrong += recovered(job, state=here.state, wanted=here.wanted, destination=here.destination, crashed=2)
    tally.point(f"{here.scenario.name}, killed at {at}, then at {again_at}", wrong)
    return True


def _torn(here: Bench) -> list[str]:
    found = torn(here.before, here.wanted, mirrored(here.destination))
    return [f"torn: {path!r}: {states}" for path, states in found.items()]

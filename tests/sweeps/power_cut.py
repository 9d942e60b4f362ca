"""The power-cut sweep: the destination's file system loses power before operation n.

Many destinations are made on one image and put on the disk for good; each point uses
up one of them: the job runs, the power goes at operation n, the image is mounted again
and judged, and the job runs again. The power goes next in the run of the next point, so
that it also follows directly on the exit 0 of the one before, whose tree is judged once
more. Ledger and state lie on a file system that survives: what they claim must be true.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable
from pathlib import Path

from dirsync.model.job import MirrorJob
from dirsync.model.result import Outcome, RunResult
from dirsync.runner.ledger import open_ledger
from tests.jobs import run
from tests.sweeps.bench import Bench, bench
from tests.sweeps.gates import gated
from tests.sweeps.images import Cut, FileSystem, Image, mounted_image
from tests.sweeps.judging import mirrored, torn, unlike
from tests.sweeps.scenarios import Scenario
from tests.sweeps.tally import Tally, evenly
from tests.trees import File, snapshot

_DESTINATIONS_AT_ONCE = 24
SYNCED_FILES = 100


class PowerGate:
    """A gate that takes the power away before the n-th operation; what follows fails by itself."""

    def __init__(self, image: Image, how: Cut, *, at: int) -> None:
        self._image = image
        self._how = how
        self._at = at
        self._numbers = itertools.count()
        self.has_cut = False

    def __call__(self, operation: str) -> None:
        if next(self._numbers) == self._at:
            self._image.cut(self._how)
            self.has_cut = True


def sweep_power_cuts(
    scenarios: Iterable[Scenario], *, file_system: FileSystem, how: Cut, asked: int = 1, each_at_most: int
) -> Tally:
    """Cut at operations of one scenario after the other; fewer points than asked for are a failure."""
    tally = Tally(sweep=f"power cut, {file_system.type_name}, flag {how.value}", asked=asked)
    with mounted_image(file_system) as image:
        for scenario in scenarios:
            image.renewed()
            with bench(scenario, destinations=image.top) as here:
                _sweep_scenario(here, image, how, each_at_most=each_at_most, tally=tally)
    return tally


def _sweep_scenario(here: Bench, image: Image, how: Cut, *, each_at_most: int, tally: Tally) -> None:
    points = evenly(here.operations(), at_most=each_at_most)
    last: Path | None = None  # the destination of the run before, which ended with exit 0
    for first in range(0, len(points), _DESTINATIONS_AT_ONCE):
        share = points[first : first + _DESTINATIONS_AT_ONCE]
        for at, job in zip(share, _settled_jobs(here, image, len(share)), strict=True):
            last = _cut_once(here, job, image, how, at=at, last=last, tally=tally)


def _settled_jobs(here: Bench, image: Image, count: int) -> list[MirrorJob]:
    """Make destinations that no cut takes away, in place of those used up."""
    for used in image.top.glob("destination-*"):
        shutil.rmtree(used)
    jobs = [here.another() for _ in range(count)]
    image.settled()
    return jobs


def _cut_once(
    here: Bench, job: MirrorJob, image: Image, how: Cut, *, at: int, last: Path | None, tally: Tally
) -> Path | None:
    """Make one point; give the destination if it was made equal, with exit 0."""
    destination = Path(str(job.destination))
    gate = PowerGate(image, how, at=at)
    with gated(gate):
        run(job, state=here.state)
    if not gate.has_cut:
        return destination
    image.power_on()
    wrong = [f"torn: {path!r}: {states}" for path, states in _torn(here, destination).items()]
    wrong += _ledger_is_ahead(here, job, destination)
    if last is not None and last.exists():
        wrong += [f"exit 0, then a cut: {what}" for what in unlike(here.wanted, last)]
    again = run(job, state=here.state)
    wrong += _not_recovered(here, again, destination)
    tally.point(f"{here.scenario.name}, {image.file_system.type_name}, flag {how.value}, cut at {at}", wrong)
    return destination if again.outcome is Outcome.SUCCEEDED else None


def _torn(here: Bench, destination: Path) -> dict[bytes, object]:
    return torn(here.before, here.wanted, mirrored(destination))


def _ledger_is_ahead(here: Bench, job: MirrorJob, destination: Path) -> list[str]:
    """Tell where the ledger claims what the disk does not hold."""
    with open_ledger(str(here.state)) as ledger:
        recorded = ledger.last_run(job.name)
    if recorded is None or recorded.outcome is not Outcome.SUCCEEDED:
        return []
    return [f"the ledger says succeeded, but: {what}" for what in unlike(here.wanted, destination)]


def _not_recovered(here: Bench, again: RunResult, destination: Path) -> list[str]:
    wrong = unlike(here.wanted, destination)
    if again.outcome is not Outcome.SUCCEEDED:
        wrong.append(f"the rerun ended as {again.outcome.value}: {again.error}")
    return wrong


def sweep_synced(*, file_system: FileSystem, how: Cut) -> Tally:
    """Cut the power directly after exit 0; each file that was synced is a point."""
    tally = Tally(sweep=f"synced, {file_system.type_name}, flag {how.value}", asked=SYNCED_FILES)
    files = {f"{number:03}": File(b"%d" % number * (1 + 97 * number)) for number in range(SYNCED_FILES)}
    everything = Scenario(name="100 files", source=files, destination={})
    with mounted_image(file_system) as image, bench(everything, destinations=image.top) as here:
        job = here.renewed()
        outcome = run(job, state=here.state).outcome
        image.cut(how)
        image.power_on()
        there = snapshot(here.destination)
        for path in here.wanted.keys() - {b""}:
            good = outcome is Outcome.SUCCEEDED and there.get(path) == here.wanted[path]
            tally.point(f"{path!r}, {tally.sweep}", [] if good else [f"after {outcome}: {there.get(path)}"])
    return tally

"""A scenario on real directories, made ready again for each point of a sweep.

The source is made once, for no run changes it; that also spares each run the wait
for a file that has only just been written.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from dirsync.model.job import MirrorJob
from dirsync.plan.plan import Plan
from tests.jobs import run, sync_job
from tests.sweeps.gates import Counted, gated
from tests.sweeps.judging import unlike
from tests.sweeps.scenarios import NEW_NS, OLD_NS, Scenario
from tests.trees import Directory, Snapshot, snapshot, tree


class Bench:
    """One scenario's trees and state; `destination` is of the point at hand."""

    def __init__(self, scenario: Scenario, *, place: Path, destinations: Path | None = None) -> None:
        """Make the source below `place`; destinations go to another directory where one is given."""
        self.scenario = scenario
        self.state = place / "state"
        self.source = tree(place / "source", Directory(scenario.source, mtime_ns=NEW_NS))
        self.wanted: Snapshot = snapshot(self.source)
        self.destination = (destinations or place) / "destination"
        self.before: Snapshot = {}
        self._number = 0

    def job(self) -> MirrorJob:
        """Declare the job between the source and the destination as it is now."""
        return structs.replace(
            sync_job(self.source, self.destination),
            workers=self.scenario.workers,
            durability=self.scenario.durability,
            delete=self.scenario.delete,
        )

    def renewed(self) -> MirrorJob:
        """Make the destination anew as the scenario has it; give the job."""
        if self._number:
            shutil.rmtree(self.destination)
        return self.another()

    def another(self) -> MirrorJob:
        """Make a further destination beside those that are there; give the job."""
        self.destination = self.destination.with_name(f"destination-{self._number}")
        self._number += 1
        tree(self.destination, Directory(self.scenario.destination, mtime_ns=OLD_NS))
        self.before = self.before or snapshot(self.destination)
        return self.job()

    def operations(self) -> int:
        """Count the operations of an undisturbed run, which must do what it should."""
        counted = Counted()
        with gated(counted):
            run(self.renewed(), state=self.state)
        assert not unlike(self.wanted, self.destination), self.scenario.name
        return len(counted.passed)


@contextlib.contextmanager
def bench(scenario: Scenario, *, destinations: Path | None = None) -> Iterator[Bench]:
    """Give a scenario a place in memory, gone afterwards: the ledger flushes often."""
    with (
        tempfile.TemporaryDirectory(prefix="sweep-", dir="/dev/shm") as place,
        _spilling(scenario.plan_batch),
    ):
        yield Bench(scenario, place=Path(place), destinations=destinations)


@contextlib.contextmanager
def _spilling(batch: int | None) -> Iterator[None]:
    """Have plans move to disk after so many operations."""
    if batch is None:
        yield
        return
    defaults = Plan.__init__.__kwdefaults__
    assert defaults is not None
    before, defaults["batch"] = defaults["batch"], batch
    try:
        yield
    finally:
        defaults["batch"] = before

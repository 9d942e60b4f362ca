"""Jobs and runs inside the test's own process."""

from __future__ import annotations

import os
from pathlib import Path

from dirsync.model.change import Change, Failure
from dirsync.model.job import DeletePolicy, Durability, Guard, Job, MirrorJob, TrackJob
from dirsync.model.place import CatalogPlace, LocalPlace
from dirsync.model.result import RunResult
from dirsync.model.stop import Stop
from dirsync.runner.observer import Silent
from dirsync.runner.run import run_job

UNGUARDED = Guard(max_delete=None, min_free=None, source_not_empty=False)


def sync_job(source: Path, destination: Path) -> MirrorJob:
    """Declare a plain mirror without guards and versions that leaves durability to the kernel."""
    return MirrorJob(
        name="mirror",
        source=LocalPlace(path=os.fsencode(source)),
        destination=LocalPlace(path=os.fsencode(destination)),
        delete=DeletePolicy.REMOVE,
        guard=UNGUARDED,
        durability=Durability.NONE,
        workers=1,
    )


def track_job(source: Path, state: Path) -> TrackJob:
    """Declare a plain track job with its catalog in the state directory."""
    return TrackJob(
        name="tracked",
        source=LocalPlace(path=os.fsencode(source)),
        catalog=CatalogPlace(url=f"sqlite:///{state}/catalog.db", key_file=f"{state}/catalog.key"),
        workers=1,
    )


def run(job: Job, *, state: Path) -> RunResult:
    """Run a job once, unwatched."""
    return run_job(job, state=str(state), observer=Silent(), stop=Stop(), dry_run=False)


class Watched(Silent):
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.failures: list[Failure] = []
        self.notices: list[str] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)

    def noticed(self, text: str) -> None:
        self.notices.append(text)


def watched_run(job: Job, place: Path, *, dry_run: bool = False) -> tuple[RunResult, Watched]:
    """Run a job once with its state below `place`; give what it told as well."""
    watched = Watched()
    result = run_job(job, state=str(place / "state"), observer=watched, stop=Stop(), dry_run=dry_run)
    return result, watched

"""Jobs and runs inside the test's own process."""

from __future__ import annotations

import os
from pathlib import Path

from dirsync.model.job import DeletePolicy, Durability, Guard, Job
from dirsync.model.place import LocalPlace
from dirsync.model.result import RunResult
from dirsync.model.stop import Stop
from dirsync.runner.observer import Silent
from dirsync.runner.run import run_job

UNGUARDED = Guard(max_delete=None, min_free=None, source_not_empty=False)


def sync_job(source: Path, destination: Path) -> Job:
    """Declare a plain mirror without guards and versions that leaves durability to the kernel."""
    return Job(
        name="mirror",
        source=LocalPlace(path=os.fsencode(source)),
        destination=LocalPlace(path=os.fsencode(destination)),
        delete=DeletePolicy.REMOVE,
        guard=UNGUARDED,
        durability=Durability.NONE,
        workers=1,
    )


def run(job: Job, *, state: Path) -> RunResult:
    """Run a job once, unwatched."""
    return run_job(job, state=str(state), observer=Silent(), stop=Stop(), dry_run=False)

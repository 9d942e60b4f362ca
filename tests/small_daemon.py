"""A daemon for tests: the real scheduler, ledger and lock around jobs that only sleep.

`python -m tests.small_daemon STATE`: three jobs of different schedules, until
SIGTERM. The third ends in an error each time.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime

from dirsync.model.job import Job, JobType, MirrorJob
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.scheduler.declaration import Declaration, DeclarationWatch
from dirsync.scheduler.loop import run_scheduler

INTERVALS = {"quick": 0.3, "slow": 0.7, "failing": 0.5}
TAKES = {"quick": 0.05, "slow": 0.5, "failing": 0.1}


def declared(state: str) -> Declaration:
    place = LocalPlace(path=b"/nowhere")
    jobs = tuple(
        MirrorJob(name=name, source=place, destination=place, schedule=Schedule(every_seconds=seconds))
        for name, seconds in INTERVALS.items()
    )
    return Declaration(jobs=jobs, state=state, files=())


def run(job: Job, *, state: str, stop: Stop) -> RunResult:
    """Do what every run does around its work."""
    started_at = datetime.now(UTC)
    with locked_job(state, job.name), open_ledger(state) as ledger:
        ledger.close_crashed(job.name)
        run_id = ledger.begin(job=job.name, type=job.type, started_at=started_at, dry_run=False)
        if stop.requested():
            outcome = Outcome.CANCELLED
        else:
            time.sleep(TAKES[job.name])
            outcome = Outcome.FAILED if job.name == "failing" else Outcome.SUCCEEDED
        result = RunResult(
            job=job.name,
            run_id=run_id,
            type=JobType.SYNC,
            outcome=outcome,
            dry_run=False,
            started_at=started_at,
            finished_at=datetime.now(UTC),
        )
        ledger.finish(result)
    if job.name == "failing":
        raise ValueError("as every time")
    return result


def main() -> None:
    state, stop = sys.argv[1], Stop()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.request(number))
    declarations = DeclarationWatch(lambda: declared(state), declared(state))
    left = run_scheduler(declarations, run=lambda job, _: run(job, state=state, stop=stop), stop=stop)
    os._exit(1 if left else 0)


if __name__ == "__main__":
    main()

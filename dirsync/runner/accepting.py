"""Accepting the changes of a track job: under the job's lock, so that no run goes on meanwhile."""

from __future__ import annotations

import datetime
import os

from dirsync.catalog.accepting import Accepted, accept
from dirsync.errors import RunError
from dirsync.model.job import TrackJob
from dirsync.model.names import escaped
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.recorded_jobs import records
from dirsync.runner.tracking.catalogs import check_is_sealed
from dirsync.runner.tracking.ends import check_end, ending


def accept_changes(job: TrackJob, path: bytes, *, state: str, last_run: int | None = None) -> Accepted | None:
    """Accept the open changes at and beneath a path; None: there are none.

    `last_run`: those of no later run; None: of every run.

    Raises:
        Busy: a run of the job goes on.
        RunError: nothing is recorded yet, there is no such run, or the catalog cannot be used.
    """
    with open_ledger(state) as ledger, locked_job(state, job.name), records(ledger) as found:
        record = found.of(job)
        if record is None:
            raise RunError(f"'{job.name}': nothing is recorded yet; run the job once first")
        last_change = record.known.next_change - 1
        if last_run is not None:
            run = record.catalog.run(record.known.job_id, last_run)
            if run is None:
                raise RunError(
                    f"'{job.name}': run {last_run} is not in the catalog; 'history' names the runs"
                )
            last_change = run.last_change
        check_is_sealed(job, record.known, record.catalog)
        check_end(job, record.known, ledger)
        return accept(
            record.catalog,
            record.known,
            path=path,
            last_change=last_change,
            who=_who(),
            at=datetime.datetime.now(datetime.UTC),
            ending=ending(ledger, job.name, before=record.known),
        )


def _who() -> str:
    """Name the user, and who became that user by sudo."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    before = os.environ.get("SUDO_USER", name)
    return escaped(name if before == name else f"{before} as {name}")

"""States that track jobs have on record, as people name them: `JOB@latest`, `JOB@41`, `JOB@2026-11-01`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator

from dirsync.cli.moments import moment_named
from dirsync.cli.parsing import usage_error
from dirsync.cli.selection import job_named
from dirsync.config import load
from dirsync.model.job import Job, TrackJob
from dirsync.model.names import escaped
from dirsync.model.snapshot import State
from dirsync.runner.ledger import open_ledger
from dirsync.runner.tracking.catalogs import catalog_of, recorded_job
from dirsync.runner.tracking.states import EarlierState, LatestState, run_at


@contextlib.contextmanager
def job_state(name: str, *, config: str) -> Iterator[tuple[Job, State]]:
    """Open what a job has on record.

    Raises:
        ConfigError: there is no such job, or it records nothing.
        RunError: there is no such run, or the catalog cannot be used.
    """
    job_name, _, when = name.rpartition("@")
    configuration = load(config)
    job = job_named(configuration.jobs, job_name)
    if not isinstance(job, TrackJob):
        kind = job.type.value
        raise usage_error(f"'{escaped(name)}': a {kind} job has no states on record; track jobs have")
    with (
        open_ledger(configuration.state) as ledger,
        catalog_of(job, ledger) as catalog,
        catalog.store.snapshot(),  # a run may end meanwhile
    ):
        known = recorded_job(job, catalog, None)
        run_id = run_at(catalog, known, when, before=_moment(when))
        if run_id == known.last_run:
            yield job, LatestState(job, catalog, known)
        else:
            yield job, EarlierState(job, catalog, known, run_id=run_id, folder=configuration.state)


def _moment(when: str) -> str | None:
    """Read a moment; None: it is `latest`, or a run's number."""
    if when == "latest" or when.isdecimal():
        return None
    now = datetime.datetime.now(datetime.UTC)
    return moment_named(when, now=now).astimezone(datetime.UTC).isoformat()

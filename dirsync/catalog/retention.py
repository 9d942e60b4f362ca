"""Dropping old history without breaking its chains.

A checkpoint takes the place of what goes: it holds the links that the chains go on from,
and is sealed itself. The chains have no holes, so everything up to one run goes, and
nothing after it. A change of severity critical that nobody has accepted stays, and with it
all that came later; what is open of another severity goes with its age.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator

from msgspec.structs import replace

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.chains import Chains
from dirsync.catalog.rows import number, written
from dirsync.catalog.seal import START
from dirsync.catalog.side_rows import CHECKPOINT_COLUMNS, checkpoint_of, row_of_checkpoint
from dirsync.catalog.store import Row, Value
from dirsync.errors import Busy, RunError
from dirsync.model.job import Severity
from dirsync.model.recorded import CatalogJob, Checkpoint, RecordedRun

logger = logging.getLogger(__name__)

_CHECKPOINTS = ", ".join(CHECKPOINT_COLUMNS)


def checkpoint_row(catalog: Catalog, job_id: int) -> Row | None:
    """Give the row of a job's checkpoint as it is; None: there is none."""
    statement = f"SELECT {_CHECKPOINTS} FROM checkpoints WHERE job_id = ?"
    rows = list(catalog.store.rows(statement, (job_id,)))
    return rows[0] if rows else None


def checkpoint(catalog: Catalog, job: CatalogJob) -> Checkpoint | None:
    """Find where the history of a job begins; None: at its first run, for nothing was pruned.

    Raises:
        RunError: it is not as it was made.
    """
    row = checkpoint_row(catalog, job.job_id)
    try:
        found = None if row is None else checkpoint_of(row)
    except ValueError:
        found = None
    if (START if found is None else found.link) != job.checkpoint_link:
        raise RunError(
            f"'{job.name}': the checkpoint in {catalog.shown} is not as it was made; "
            f"'dirsync catalog verify {job.name}' tells more"
        )
    return found


def pruned(catalog: Catalog, job: CatalogJob, *, before: datetime.datetime) -> Iterator[str]:
    """Drop the runs that ended before a moment, and their changes; give what is to be said about it.

    Call it only while no other run of the job goes on. What is dropped is followed once
    more: a history that somebody altered stays, for `verify` to tell.
    """
    oldest = _oldest_open(catalog, job)
    last = _last_run(catalog, job, before=before, below=oldest)
    if oldest is not None and _last_run(catalog, job, before=before, below=None) != last:
        yield (
            f"history older than 'keep' stays, for change {oldest} is critical and nobody has accepted it: "
            f"'dirsync accept {job.name}' does"
        )
    if last is None:
        return
    beginning = catalog.sealer.beginning(catalog.identity(), job)
    chains = Chains(catalog, job, beginning=beginning, checkpoint=checkpoint(catalog, job))
    run = catalog.run(job.job_id, last)
    assert run is not None
    flaw = next(chains.flaws_until(run), None)
    if flaw is not None:
        yield (
            f"history older than 'keep' stays, for it is not sound: {flaw.text}; "
            f"'dirsync catalog verify {job.name}' tells all"
        )
        return
    open_count = _open_up_to(catalog, job, run.last_change)
    try:
        _drop(catalog, job, run, run_link=chains.run_link, change_link=chains.change_link(run.last_change))
    except Busy:
        logger.info("not pruned: another run recorded the job meanwhile; a later one does it")
        return
    logger.info("pruned: history up to run %d, with %d changes that nobody accepted", last, open_count)


def _oldest_open(catalog: Catalog, job: CatalogJob) -> int | None:
    """Find the oldest change of severity critical that nobody has accepted."""
    statement = (
        "SELECT min(change_id) FROM changes WHERE job_id = ? AND severity = ? AND accepted_by IS NULL "
        "AND severity IS NOT NULL"
    )
    ((change_id,),) = catalog.store.rows(statement, (job.job_id, Severity.CRITICAL.value))
    return None if change_id is None else number(change_id)


def _open_up_to(catalog: Catalog, job: CatalogJob, last_change: int) -> int:
    statement = (
        "SELECT count(*) FROM changes WHERE job_id = ? AND change_id <= ? AND accepted_by IS NULL "
        "AND severity IS NOT NULL"
    )
    ((count,),) = catalog.store.rows(statement, (job.job_id, last_change))
    return number(count)


def _last_run(
    catalog: Catalog, job: CatalogJob, *, before: datetime.datetime, below: int | None
) -> int | None:
    """Find the newest run that may go, but never the newest of all; None: none may.

    `below`: the change that has to stay.
    """
    statement = "SELECT max(run_id) FROM runs WHERE job_id = ? AND finished_at < ? AND run_id < ?"
    values: list[Value] = [job.job_id, written(before), job.last_run or 0]
    if below is not None:
        statement, values = f"{statement} AND last_change < ?", [*values, below]
    ((run_id,),) = catalog.store.rows(statement, values)
    return None if run_id is None else number(run_id)


def _drop(
    catalog: Catalog, job: CatalogJob, run: RecordedRun, *, run_link: bytes, change_link: bytes
) -> None:
    """Drop everything up to a run and put a checkpoint there, durably and at once."""
    made = Checkpoint(
        made_at=datetime.datetime.now(datetime.UTC),
        run_id=run.run_id,
        run_link=run_link,
        change_id=run.last_change,
        change_link=change_link,
        link=START,
    )
    beginning = catalog.sealer.beginning(catalog.identity(), job)
    made = replace(made, link=catalog.sealer.checkpoint(beginning, made))
    store, places = catalog.store, ", ".join("?" * len(CHECKPOINT_COLUMNS))
    with store.transaction():
        store.run("DELETE FROM changes WHERE job_id = ? AND change_id <= ?", (job.job_id, made.change_id))
        store.run("DELETE FROM runs WHERE job_id = ? AND run_id <= ?", (job.job_id, made.run_id))
        store.run("DELETE FROM checkpoints WHERE job_id = ?", (job.job_id,))
        store.run(
            f"INSERT INTO checkpoints (job_id, {_CHECKPOINTS}) VALUES (?, {places})",
            (job.job_id, *row_of_checkpoint(made)),
        )
        catalog.put_job(catalog.sealed(replace(job, checkpoint_link=made.link)), before=job)

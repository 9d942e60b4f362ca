"""Accepting changes: a row that says who looked at what and when, chained as runs are.

An acceptance covers the changes at and beneath its path that were open when it was
made, up to its last change. So which acceptance covers a change follows from the
acceptances alone: the first whose path and last change reach it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.moves import path_now
from dirsync.catalog.recording import Ending
from dirsync.catalog.rows import ACCEPTANCE_COLUMNS, number, row_of_acceptance
from dirsync.catalog.seal import SEAL_BYTES, added, mark_of, taken
from dirsync.catalog.store import Value
from dirsync.model.entry import Kind
from dirsync.model.job import Severity
from dirsync.model.recorded import Acceptance, CatalogJob, Recorded, RecordedChange, RecordedDirectory
from dirsync.trees.handles import split


class Accepted(NamedTuple):
    """What one acceptance covers."""

    acceptance: Acceptance
    counts: dict[Severity, int]  # changes; only severities that there are
    rot: int  # files whose content as it is now is on record from here on


def accept(
    catalog: Catalog,
    job: CatalogJob,
    *,
    path: bytes,
    last_change: int,
    who: str,
    at: datetime.datetime,
    ending: Ending,
) -> Accepted | None:
    """Accept what is open at and beneath a path, durably and at once; None: nothing is.

    Call it only while no run of the job goes on. `ending` is told beforehand how the job
    will be, and gives the block in which it becomes so.

    Raises:
        Busy: somebody else records the job.
    """
    store = catalog.store
    with store.one_writer(job.job_id), contextlib.ExitStack() as committed, store.transaction():
        condition, values = _open_at(catalog, job, path=path, last_change=last_change)
        counts = _counts(catalog, condition, values)
        if not counts:
            return None
        acceptance = Acceptance(
            acceptance_id=_next_id(catalog, job),
            accepted_at=at,
            who=who,
            path=path,
            last_change=last_change,
        )
        rot = list(catalog.changes(job.job_id, beneath=path, last=last_change, only_open=True, only_rot=True))
        accepted, state = accepted_rot(catalog, job, rot)
        link = catalog.sealer.acceptance(job.acceptance_link, acceptance)
        columns, places = ", ".join(ACCEPTANCE_COLUMNS), ", ".join("?" * len(ACCEPTANCE_COLUMNS))
        store.run(
            f"INSERT INTO acceptances (job_id, {columns}, link) VALUES (?, {places}, ?)",
            (job.job_id, *row_of_acceptance(acceptance), link),
        )
        store.run(
            f"UPDATE changes SET accepted_by = ? WHERE {condition}", (acceptance.acceptance_id, *values)
        )
        after = catalog.sealed(replace(job, seal=state, acceptance_link=link))
        catalog.put_job(after, before=job)
        committed.enter_context(ending(after))
    return Accepted(acceptance, counts, accepted)


def _open_at(catalog: Catalog, job: CatalogJob, *, path: bytes, last_change: int) -> tuple[str, list[Value]]:
    at, values = catalog.store.changes_beneath(job.job_id, path)
    condition = f"job_id = ? AND {at} AND change_id <= ? AND accepted_by IS NULL AND severity IS NOT NULL"
    return condition, [job.job_id, *values, last_change]


def _counts(catalog: Catalog, condition: str, values: list[Value]) -> dict[Severity, int]:
    statement = f"SELECT severity, count(*) FROM changes WHERE {condition} GROUP BY severity"
    return {Severity(severity): number(count) for severity, count in catalog.store.rows(statement, values)}


def _next_id(catalog: Catalog, job: CatalogJob) -> int:
    statement = "SELECT coalesce(max(acceptance_id), 0) FROM acceptances WHERE job_id = ?"
    ((last,),) = catalog.store.rows(statement, (job.job_id,))
    return number(last) + 1


# Rot


def accepted_rot(catalog: Catalog, job: CatalogJob, rot: Iterable[RecordedChange]) -> tuple[int, int]:
    """Put the content that files rotted into on record; give how many, and the seal of all directories.

    A file is followed to where it was moved since; of one that rotted more than once, the
    last is what it holds. One that is another by now is left alone: what rotted in it is
    history.
    """
    count, state = 0, job.seal
    for change in sorted(rot, key=lambda change: change.change_id, reverse=True):
        parent, name = split(path_now(catalog, job.job_id, change))
        for directory in catalog.directories_at(job.job_id, [parent]).values():
            old = catalog.entry_in(job.job_id, parent, name)
            if old is None or not _is_still(old, change):
                continue
            assert change.new is not None
            new = old._replace(hash=change.new.hash)
            state = _put(catalog, job, directory, old, new, state=state)
            count += 1
    return count, state


def _is_still(row: Recorded, change: RecordedChange) -> bool:
    """Whether an entry is the file that rotted, as it was then."""
    old, new = change.old, change.new
    if old is None or new is None or row.kind is not Kind.FILE:
        return False
    return (row.hash, row.size, row.mtime_ns) == (old.hash, old.size, old.mtime_ns)


def _put(
    catalog: Catalog,
    job: CatalogJob,
    directory: RecordedDirectory,
    old: Recorded,
    new: Recorded,
    *,
    state: int,
) -> int:
    """Put a row in another's place, its directory's seal with it; give the seal of all directories."""
    sealer, store, directory_id = catalog.sealer, catalog.store, directory.directory_id
    sum_ = added(taken(directory.seal, sealer.entry(directory_id, old)), sealer.entry(directory_id, new))
    sealed = directory._replace(seal=sum_)
    whole = sealer.directory(sealed)
    store.run(
        "UPDATE entries SET hash = ? WHERE job_id = ? AND directory_id = ? AND name = ?",
        (new.hash, job.job_id, directory_id, new.name),
    )
    store.run(
        "UPDATE directories SET seal = ?, mark = ? WHERE job_id = ? AND directory_id = ?",
        (sum_.to_bytes(SEAL_BYTES, "big"), mark_of(whole), job.job_id, directory_id),
    )
    return added(taken(state, sealer.directory(directory)), whole)

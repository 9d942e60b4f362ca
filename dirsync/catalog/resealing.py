"""Sealing all that a catalog holds of a job anew, with a key.

What a run left of all entries (`runs.seal`) stays the number it is: nobody can make it
anew, and the run's link covers it as it stands.
"""

from __future__ import annotations

import contextlib

from msgspec.structs import replace

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.recording import Ending
from dirsync.catalog.retention import checkpoint
from dirsync.catalog.rows import RUN_COLUMNS, blob, run_of
from dirsync.catalog.seal import SEAL_BYTES, START, Sealer, added, mark_of
from dirsync.catalog.store import Store, Value
from dirsync.model.recorded import CatalogJob, RecordedDirectory

_RUNS = ", ".join(RUN_COLUMNS)
_CHANGES_AT_ONCE = 10_000
_DIRECTORIES_AT_ONCE = 400


def reseal(catalog: Catalog, job: CatalogJob, sealer: Sealer, *, ending: Ending) -> CatalogJob:
    """Seal a job anew, durably and at once; give it as it is after that.

    Call it only after an audit that found nothing, and while no run of the job goes on.
    """
    with (
        catalog.store.one_writer(job.job_id),
        contextlib.ExitStack() as committed,
        catalog.store.transaction(),
    ):
        resealing = _Resealing(catalog, job, Catalog(catalog.store, sealer))
        after = resealing.run()
        committed.enter_context(ending(after))
    return after


class _Resealing:
    """One job on its way from one sealer to another."""

    def __init__(self, catalog: Catalog, job: CatalogJob, new: Catalog) -> None:
        self._catalog = catalog
        self._store: Store = catalog.store
        self._sealer = new.sealer
        self._new = new
        self._job = replace(job, key_name=new.sealer.key_name)

    def run(self) -> CatalogJob:
        """Write every seal anew, the job's own last; give the job."""
        job_id = self._job.job_id
        beginning = self._sealer.beginning(self._catalog.identity(), self._job)
        old = checkpoint(self._catalog, self._job)
        checkpoint_link = START
        run_link = change_link = beginning
        last_change = 0
        if old is not None:
            checkpoint_link = self._sealer.checkpoint(beginning, old)
            self._store.run("UPDATE checkpoints SET link = ? WHERE job_id = ?", (checkpoint_link, job_id))
            run_link, change_link, last_change = old.run_link, old.change_link, old.change_id
        ends = self._changes(change_link, last_change)
        self._store.run("DELETE FROM hashed WHERE job_id = ?", (job_id,))  # read again, should it be needed
        after = replace(
            self._job,
            seal=self._directories(),
            link=self._runs(run_link, ends),
            change_link=ends[self._job.next_change - 1],
            acceptance_link=self._acceptances(),
            checkpoint_link=checkpoint_link,
        )
        after = self._new.sealed(after)
        self._new.put_job(after)
        return after

    def _changes(self, link: bytes, last: int) -> dict[int, bytes]:
        """Chain the changes anew; give the links at the ends of runs."""
        job_id = self._job.job_id
        rows = self._store.rows("SELECT last_change FROM runs WHERE job_id = ?", (job_id,))
        wanted = {last_change for (last_change,) in rows}
        ends = {last: link}
        while True:
            updates: list[tuple[Value, ...]] = []
            changes = self._catalog.changes(job_id, first=last + 1, quiet=True, limit=_CHANGES_AT_ONCE)
            for change in list(changes):
                last, link = change.change_id, self._sealer.change(link, change)
                updates.append((link, job_id, last))
                if last in wanted:
                    ends[last] = link
            if not updates:
                return ends
            self._store.run_many("UPDATE changes SET link = ? WHERE job_id = ? AND change_id = ?", updates)

    def _runs(self, link: bytes, ends: dict[int, bytes]) -> bytes:
        """Chain the runs anew; give the link of the last."""
        statement = f"SELECT {_RUNS}, seal FROM runs WHERE job_id = ? ORDER BY run_id"
        updates: list[tuple[Value, ...]] = []
        for *row, state in self._store.rows(statement, (self._job.job_id,)):
            run = run_of(tuple(row))
            seal = int.from_bytes(blob(state), "big")
            link = self._sealer.run(link, run, change_link=ends[run.last_change], state=seal)
            updates.append((link, self._job.job_id, run.run_id))
        self._store.run_many("UPDATE runs SET link = ? WHERE job_id = ? AND run_id = ?", updates)
        return link

    def _acceptances(self) -> bytes:
        """Chain the acceptances anew; give the link of the last."""
        link = START
        updates: list[tuple[Value, ...]] = []
        for acceptance in self._catalog.acceptances(self._job.job_id):
            link = self._sealer.acceptance(link, acceptance)
            updates.append((link, self._job.job_id, acceptance.acceptance_id))
        statement = "UPDATE acceptances SET link = ? WHERE job_id = ? AND acceptance_id = ?"
        self._store.run_many(statement, updates)
        return link

    def _directories(self) -> int:
        """Seal directories and their entries anew; give the sum."""
        total, after = 0, 0
        while True:
            part = self._catalog.directories_after(self._job.job_id, after, limit=_DIRECTORIES_AT_ONCE)
            if not part:
                return total
            after = part[-1].directory_id
            total = added(total, *self._part(part))

    def _part(self, part: list[RecordedDirectory]) -> list[int]:
        sums = dict.fromkeys((directory.directory_id for directory in part), 0)
        for directory_id, entry in self._catalog.entries_in(self._job.job_id, list(sums)):
            sums[directory_id] = added(sums[directory_id], self._sealer.entry(directory_id, entry))
        seals = []
        updates: list[tuple[Value, ...]] = []
        for directory in part:
            id_ = directory.directory_id
            seal = self._sealer.directory(directory._replace(seal=sums[id_]))
            seals.append(seal)
            updates.append((sums[id_].to_bytes(SEAL_BYTES, "big"), mark_of(seal), self._job.job_id, id_))
        statement = "UPDATE directories SET seal = ?, mark = ? WHERE job_id = ? AND directory_id = ?"
        self._store.run_many(statement, updates)
        return seals

"""The catalog as the rest of the program sees it: the same over every database."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec.structs import replace

from dirsync.catalog.rows import (
    ACCEPTANCE_COLUMNS,
    JOB_COLUMNS,
    RUN_COLUMNS,
    acceptance_of,
    blob,
    change_of,
    directory_of,
    job_of,
    number,
    recorded_of,
    row_of_job,
    run_of,
    text,
)
from dirsync.catalog.schema import CHANGE_COLUMNS
from dirsync.catalog.seal import START, Sealer
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Store, Value
from dirsync.errors import Busy, RunError
from dirsync.model.recorded import (
    Acceptance,
    CatalogJob,
    Recorded,
    RecordedChange,
    RecordedDirectory,
    RecordedRun,
)

_JOBS, _RUNS, _CHANGES = ", ".join(JOB_COLUMNS), ", ".join(RUN_COLUMNS), ", ".join(CHANGE_COLUMNS)
_ACCEPTANCES = ", ".join(ACCEPTANCE_COLUMNS)
_DIRECTORIES, _ENTRIES = ", ".join(DIRECTORY_COLUMNS), ", ".join(ENTRY_COLUMNS)

# Of a change, where its path is to be looked up: no database may walk through all changes instead.
_UNINDEXED = "(change_id + 0)"
COUNTS = "(kind <> 'metadata' OR aspects <> '')"  # of a change: it is told, and not only on record

A = TypeVar("A")
B = TypeVar("B")


class Catalog:
    """One open catalog; for the thread that opened it.

    Every call raises `RunError` where the database cannot be used, with what to do.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self.store = store
        self.sealer = sealer

    @property
    def shown(self) -> str:
        """Where it is, for messages; never a password."""
        return self.store.shown

    def identity(self) -> str:
        """Give the name that no other catalog has."""
        for (value,) in self.store.rows("SELECT value FROM meta WHERE name = 'id'"):
            return text(value)
        raise RunError(f"{self.shown} has no identity, so it is none of this program's; move it away")

    # Jobs

    def jobs(self) -> list[CatalogJob]:
        """List the jobs it holds, by name."""
        return [self.read(job_of, row) for row in self.store.rows(f"SELECT {_JOBS} FROM jobs ORDER BY name")]

    def job(self, name: str) -> CatalogJob | None:
        """Find a job; None: it is not in this catalog."""
        rows = list(self.store.rows(f"SELECT {_JOBS} FROM jobs WHERE name = ?", (name,)))
        return self.read(job_of, rows[0]) if rows else None

    def add_job(self, name: str, *, source: bytes, machine: str) -> CatalogJob:
        """Take a job in, with nothing recorded yet."""
        with self.store.transaction_alone():
            ((last,),) = self.store.rows("SELECT coalesce(max(job_id), 0) FROM jobs")
            job = CatalogJob(
                job_id=self.read(number, last) + 1,
                name=name,
                source=source,
                machine=machine,
                began_at=datetime.datetime.now(datetime.UTC),
                key_name=self.sealer.key_name,
                scope=b"",
                next_directory=1,
                next_change=1,
                entries=0,
                bytes_total=0,
                seal=0,
                last_run=None,
                link=START,
                change_link=START,
                acceptance_link=START,
                checkpoint_link=START,
                head=START,
            )
            beginning = self.sealer.beginning(self.identity(), job)
            job = self.sealed(replace(job, link=beginning, change_link=beginning))
            places = ", ".join("?" * len(JOB_COLUMNS))
            self.store.run(f"INSERT INTO jobs ({_JOBS}) VALUES ({places})", row_of_job(job))
        return job

    def sealed(self, job: CatalogJob) -> CatalogJob:
        """Give a job with its seal made anew: whoever alters anything of it has to."""
        return replace(job, head=self.sealer.head(job))

    def is_sealed(self, job: CatalogJob) -> bool:
        """Whether a job's row is as this program, with this key, left it."""
        return self.sealer.head(job) == job.head

    def put_job(self, job: CatalogJob, *, before: CatalogJob | None = None) -> None:
        """Write the row of a job, as `sealed` gave it; call it within the transaction of the rest.

        `before` is the row that it takes the place of (None: whichever is there).

        Raises:
            Busy: it is another by now: a run of another state directory recorded the job.
        """
        columns = ", ".join(f"{name} = ?" for name in JOB_COLUMNS)
        condition, values = ("", ()) if before is None else (" AND head = ?", (before.head,))
        statement = f"UPDATE jobs SET {columns} WHERE job_id = ?{condition}"
        if not self.store.run(statement, (*row_of_job(job), job.job_id, *values)):
            raise Busy(f"{self.shown}: another run recorded the same job meanwhile; run again")

    # The current view

    def digests(self, job_id: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Give the path and the digest of every directory."""
        for path, digest in self.store.rows(
            "SELECT path, digest FROM directories WHERE job_id = ?", (job_id,)
        ):
            yield blob(path), None if digest is None else blob(digest)

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> dict[bytes, RecordedDirectory]:
        """Find the directories at these paths, as far as there are any."""
        found = (self.read(directory_of, row) for row in self.store.directories_at(job_id, paths))
        return {directory.path: directory for directory in found}

    def directories_with(self, job_id: int, inos: Sequence[int]) -> Iterator[RecordedDirectory]:
        """Give the directories of some inode numbers; more than one of each where file systems meet."""
        for row in self.store.directories_with(job_id, inos):
            yield self.read(directory_of, row)

    def directories_after(self, job_id: int, directory_id: int, *, limit: int) -> list[RecordedDirectory]:
        """List the directories after one, by their ids."""
        rows = self.store.rows(
            f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND directory_id > ? "
            f"ORDER BY directory_id LIMIT {limit:d}",
            (job_id, directory_id),
        )
        return [self.read(directory_of, row) for row in rows]

    def directories_beneath(self, job_id: int, path: bytes) -> Iterator[RecordedDirectory]:
        """Give the directories at and beneath a path (the empty one: all), in no order."""
        for row in self.store.directories_beneath(job_id, path):
            yield self.read(directory_of, row)

    def entries_in(self, job_id: int, directory_ids: Sequence[int]) -> Iterator[tuple[int, Recorded]]:
        """Give the entries of directories, each with its directory's id."""
        for directory_id, *row in self.store.entries_in(job_id, directory_ids):
            yield self.read(number, directory_id), self.read(recorded_of, tuple(row))

    def entries(self, job_id: int) -> Iterator[tuple[int, Recorded]]:
        """Give all entries of a job, by directory and name, each with its directory's id."""
        statement = (
            f"SELECT directory_id, {_ENTRIES} FROM entries WHERE job_id = ? ORDER BY directory_id, name"
        )
        for directory_id, *row in self.store.rows(statement, (job_id,)):
            yield self.read(number, directory_id), self.read(recorded_of, tuple(row))

    def entry_in(self, job_id: int, parent: bytes, name: bytes) -> Recorded | None:
        """Find the entry of a name in a directory (of no name in the root: the root's own)."""
        statement = f"SELECT {_ENTRIES} FROM entries WHERE job_id = ? AND directory_id = ? AND name = ?"
        for directory in self.directories_at(job_id, [parent]).values():
            for row in self.store.rows(statement, (job_id, directory.directory_id, name)):
                return self.read(recorded_of, row)
        return None

    # History

    def runs(
        self, job_id: int, *, since: str = "", after_run: int = 0, limit: int | None = None
    ) -> list[RecordedRun]:
        """List the newest runs that began at or after a moment (ISO 8601, UTC), newest first."""
        last = "" if limit is None else f" LIMIT {limit:d}"
        rows = self.store.rows(
            f"SELECT {_RUNS} FROM runs WHERE job_id = ? AND started_at >= ? AND run_id > ? "
            f"ORDER BY run_id DESC{last}",
            (job_id, since, after_run),
        )
        return [self.read(run_of, row) for row in rows]

    def run(self, job_id: int, run_id: int) -> RecordedRun | None:
        """Find one run; None: it is not in the catalog."""
        rows = list(
            self.store.rows(f"SELECT {_RUNS} FROM runs WHERE job_id = ? AND run_id = ?", (job_id, run_id))
        )
        return self.read(run_of, rows[0]) if rows else None

    def first_run(self, job_id: int) -> RecordedRun | None:
        """Find the oldest run in the catalog; None: there is none."""
        rows = list(
            self.store.rows(f"SELECT {_RUNS} FROM runs WHERE job_id = ? ORDER BY run_id LIMIT 1", (job_id,))
        )
        return self.read(run_of, rows[0]) if rows else None

    def last_move(self, job_id: int, paths: Sequence[bytes], *, last: int) -> RecordedChange | None:
        """Find the newest change, up to an id, that moved something to the longest of these paths."""
        at, values = self.store.changes_at(job_id, paths)
        statement = (
            f"SELECT {_CHANGES} FROM changes WHERE job_id = ? AND {at} AND kind = 'moved' "
            f"AND {_UNINDEXED} <= ? ORDER BY run_id DESC, length(path) DESC LIMIT 1"
        )
        rows = list(self.store.rows(statement, (job_id, *values, last)))
        return self.read(change_of, rows[0]) if rows else None

    def was_created(self, job_id: int, path: bytes, *, first: int, last: int) -> bool:
        """Whether a path was created by a change between two ids."""
        at, values = self.store.changes_at(job_id, [path])
        statement = (
            f"SELECT 1 FROM changes WHERE job_id = ? AND {at} AND kind = 'created' "
            f"AND {_UNINDEXED} >= ? AND {_UNINDEXED} <= ? LIMIT 1"
        )
        return any(True for _ in self.store.rows(statement, (job_id, *values, first, last)))

    def moves_off(
        self, job_id: int, paths: Sequence[bytes], *, first: int, last: int
    ) -> list[RecordedChange]:
        """List the changes between two ids that moved something off one of these paths, newest first."""
        off, values = self.store.moves_off(job_id, paths)
        statement = (
            f"SELECT {_CHANGES} FROM changes WHERE job_id = ? AND {off} AND kind = 'moved' "
            f"AND {_UNINDEXED} >= ? AND {_UNINDEXED} <= ? ORDER BY change_id DESC"
        )
        rows = self.store.rows(statement, (job_id, *values, first, last))
        return [self.read(change_of, row) for row in rows]

    def first_change_at(self, job_id: int, path: bytes, *, first: int) -> RecordedChange | None:
        """Find the oldest change of a path itself, from an id on."""
        at, values = self.store.changes_at(job_id, [path])
        statement = (
            f"SELECT {_CHANGES} FROM changes WHERE job_id = ? AND {at} AND {_UNINDEXED} >= ? "
            "ORDER BY change_id LIMIT 1"
        )
        rows = list(self.store.rows(statement, (job_id, *values, first)))
        return self.read(change_of, rows[0]) if rows else None

    def changes_with(self, job_id: int, change_ids: Sequence[int]) -> Iterator[RecordedChange]:
        """Give changes by their ids, a few hundred at most."""
        places = ", ".join("?" * len(change_ids))
        statement = f"SELECT {_CHANGES} FROM changes WHERE job_id = ? AND change_id IN ({places})"
        for row in self.store.rows(statement, (job_id, *change_ids)):
            yield self.read(change_of, row)

    def acceptances(self, job_id: int) -> list[Acceptance]:
        """List what was accepted, in order."""
        statement = f"SELECT {_ACCEPTANCES} FROM acceptances WHERE job_id = ? ORDER BY acceptance_id"
        return [self.read(acceptance_of, row) for row in self.store.rows(statement, (job_id,))]

    def changes(
        self,
        job_id: int,
        *,
        beneath: bytes = b"",
        first: int = 1,
        last: int | None = None,
        kinds: Iterable[str] = (),
        only_open: bool = False,
        only_rot: bool = False,
        quiet: bool = False,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[RecordedChange]:
        """Give the changes at or beneath a path (also those moved off it), by their ids.

        `first` and `last` bound the ids; no kinds: all. `quiet`: also what does not count, and
        is on record only so that earlier states can be told exactly.
        """
        condition, values = self.store.changes_beneath(job_id, beneath)
        kinds = tuple(kinds)
        change_id = "+change_id" if beneath else "change_id"
        conditions = ["job_id = ?", condition, f"{change_id} >= ?"]
        parameters: list[Value] = [job_id, *values, first]
        if last is not None:
            conditions.append(f"{change_id} <= ?")
            parameters.append(last)
        if kinds:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
            parameters += kinds
        if not quiet:
            conditions.append(COUNTS)
        if only_open:
            conditions.append("accepted_by IS NULL AND severity IS NOT NULL")
        if only_rot:
            conditions.append("rotted = 1")
        order = "DESC" if newest_first else "ASC"
        bound = "" if limit is None else f" LIMIT {limit:d}"
        where = " AND ".join(conditions)
        statement = f"SELECT {_CHANGES} FROM changes WHERE {where} ORDER BY change_id {order}{bound}"
        for row in self.store.rows(statement, parameters):
            yield self.read(change_of, row)

    def read(self, make: Callable[[A], B], value: A) -> B:
        """Make a noun of a row; one that no release ever wrote is told as such."""
        try:
            return make(value)
        except (ValueError, TypeError) as error:
            raise RunError(
                f"{self.shown} holds a row that this program did not write ({error}); "
                "'dirsync catalog verify' tells more"
            ) from error

"""The catalog as the rest of the program sees it: the same over every database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from dirsync.catalog.rows import (
    JOB_COLUMNS,
    RUN_COLUMNS,
    blob,
    change_of,
    directory_of,
    job_of,
    number,
    recorded_of,
    run_of,
    text,
)
from dirsync.catalog.schema import CHANGE_COLUMNS
from dirsync.catalog.seal import SEAL_BYTES, START, Sealer
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Store, Value
from dirsync.errors import RunError
from dirsync.model.content import Stamp
from dirsync.model.recorded import CatalogJob, Recorded, RecordedChange, RecordedDirectory, RecordedRun
from dirsync.trees.handles import join

_JOBS, _RUNS, _CHANGES = ", ".join(JOB_COLUMNS), ", ".join(RUN_COLUMNS), ", ".join(CHANGE_COLUMNS)
_DIRECTORIES, _ENTRIES = ", ".join(DIRECTORY_COLUMNS), ", ".join(ENTRY_COLUMNS)

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
        return [self._read(job_of, row) for row in self.store.rows(f"SELECT {_JOBS} FROM jobs ORDER BY name")]

    def job(self, name: str) -> CatalogJob | None:
        """Find a job; None: it is not in this catalog."""
        rows = list(self.store.rows(f"SELECT {_JOBS} FROM jobs WHERE name = ?", (name,)))
        return self._read(job_of, rows[0]) if rows else None

    def add_job(self, name: str, *, source: bytes, machine: str) -> CatalogJob:
        """Take a job in, with nothing recorded yet."""
        nothing = bytes(SEAL_BYTES)
        self.store.run(
            "INSERT INTO jobs (job_id, name, source, machine, scope, seal, link, change_link) "
            "SELECT coalesce(max(job_id), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM jobs",
            (name, source, machine, b"", nothing, START, START),
        )
        job = self.job(name)
        assert job is not None
        return job

    # The current view

    def digests(self, job_id: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Give the path and the digest of every directory."""
        for path, digest in self.store.rows(
            "SELECT path, digest FROM directories WHERE job_id = ?", (job_id,)
        ):
            yield blob(path), None if digest is None else blob(digest)

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> dict[bytes, RecordedDirectory]:
        """Find the directories at these paths, as far as there are any."""
        found = (self._read(directory_of, row) for row in self.store.directories_at(job_id, paths))
        return {directory.path: directory for directory in found}

    def directory_with(self, job_id: int, ino: int) -> list[RecordedDirectory]:
        """List the directories of an inode number; more than one where file systems meet."""
        rows = self.store.rows(
            f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND ino = ?", (job_id, ino)
        )
        return [self._read(directory_of, row) for row in rows]

    def directories_beneath(self, job_id: int, path: bytes) -> Iterator[RecordedDirectory]:
        """Give the directories at and beneath a path (the empty one: all), in no order."""
        for row in self.store.directories_beneath(job_id, path):
            yield self._read(directory_of, row)

    def entries_in(self, job_id: int, directory_ids: Sequence[int]) -> Iterator[tuple[int, Recorded]]:
        """Give the entries of directories, each with its directory's id."""
        for directory_id, *row in self.store.entries_in(job_id, directory_ids):
            yield self._read(number, directory_id), recorded_of(tuple(row))

    def entries(self, job_id: int) -> Iterator[tuple[int, Recorded]]:
        """Give all entries of a job, by directory and name, each with its directory's id."""
        statement = (
            f"SELECT directory_id, {_ENTRIES} FROM entries WHERE job_id = ? ORDER BY directory_id, name"
        )
        for directory_id, *row in self.store.rows(statement, (job_id,)):
            yield self._read(number, directory_id), recorded_of(tuple(row))

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
        return [self._read(run_of, row) for row in rows]

    def changes(
        self,
        job_id: int,
        *,
        beneath: bytes = b"",
        first: int = 1,
        last: int | None = None,
        kinds: Iterable[str] = (),
        only_open: bool = False,
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
            conditions.append("(kind <> 'metadata' OR aspects <> '')")
        if only_open:
            conditions.append("accepted_by IS NULL AND severity IS NOT NULL")
        order = "DESC" if newest_first else "ASC"
        bound = "" if limit is None else f" LIMIT {limit:d}"
        where = " AND ".join(conditions)
        statement = f"SELECT {_CHANGES} FROM changes WHERE {where} ORDER BY change_id {order}{bound}"
        for row in self.store.rows(statement, parameters):
            yield self._read(change_of, row)

    # Content on record

    def hashed_before(self, job_id: int, moment: int) -> Iterator[tuple[int, bytes, Recorded]]:
        """Give the files whose content was last read before a moment (seconds since 1970), oldest first.

        Each with the id of its directory, and its path.
        """
        columns = ", ".join(f"e.{name}" for name in ENTRY_COLUMNS)
        statement = (
            f"SELECT e.directory_id, d.path, {columns} FROM entries e JOIN directories d "
            "ON d.job_id = e.job_id AND d.directory_id = e.directory_id "
            "WHERE e.job_id = ? AND e.hashed_at IS NOT NULL AND e.hashed_at < ? ORDER BY e.hashed_at"
        )
        for directory_id, path, *row in self.store.rows(statement, (job_id, moment)):
            recorded = recorded_of(tuple(row))
            yield self._read(number, directory_id), join(self._read(blob, path), recorded.name), recorded

    def hashed_totals(self, job_id: int) -> tuple[int, int]:
        """Count the files whose content is on record, and their bytes."""
        statement = (
            "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE job_id = ? AND hashed_at IS NOT NULL"
        )
        ((files, byte_count),) = self.store.rows(statement, (job_id,))
        return int(files or 0), int(byte_count or 0)

    def has_open_rot(self, job_id: int, path: bytes, hash_: bytes) -> bool:
        """Whether it is recorded already, and not accepted, that a file rotted into this content."""
        statement = (
            "SELECT 1 FROM changes WHERE job_id = ? AND path = ? AND rotted = 1 "
            "AND accepted_by IS NULL AND new_hash = ? LIMIT 1"
        )
        return any(True for _ in self.store.rows(statement, (job_id, path, hash_)))

    # Content that was hashed by a run that did not end

    def hashed(self, job_id: int, paths: Sequence[bytes]) -> dict[Stamp, tuple[bytes, int]]:
        """Give the hashes that an interrupted run left of these paths, and when they were made."""
        found = {}
        for start in range(0, len(paths), 400):
            part = paths[start : start + 400]
            statement = (
                "SELECT path, size, mtime_ns, ctime_ns, hash, hashed_at FROM hashed "
                f"WHERE job_id = ? AND path IN ({', '.join('?' * len(part))})"
            )
            for path, size, mtime_ns, ctime_ns, hash_, at in self.store.rows(statement, (job_id, *part)):
                stamp = Stamp(blob(path), *map(number, (size, mtime_ns, ctime_ns)))
                found[stamp] = (blob(hash_), number(at))
        return found

    def keep_hashed(self, job_id: int, rows: Iterable[tuple[Stamp, bytes, int]]) -> None:
        """Keep hashes for the run after this one, should this one not end."""
        kept = {stamp.path: (job_id, *stamp, hash_, at) for stamp, hash_, at in rows}
        with self.store.transaction():
            self.store.run_many(
                "DELETE FROM hashed WHERE job_id = ? AND path = ?", ((job_id, path) for path in kept)
            )
            self.store.run_many("INSERT INTO hashed VALUES (?, ?, ?, ?, ?, ?, ?)", kept.values())

    def _read(self, make: Callable[[A], B], value: A) -> B:
        """Make a noun of a row; one that no release ever wrote is told as such."""
        try:
            return make(value)
        except (ValueError, TypeError) as error:
            raise RunError(
                f"{self.shown} holds a row that this program did not write ({error}); "
                "'dirsync catalog verify' tells more"
            ) from error

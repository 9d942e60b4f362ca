"""What a catalog has of the content of files: hashes on record, and those a run made that did not end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.rows import directory_of, recorded_of
from dirsync.catalog.side_rows import HASHED_COLUMNS, hashed_of
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS
from dirsync.model.content import Stamp
from dirsync.model.recorded import Recorded, RecordedDirectory

_HASHED = ", ".join(HASHED_COLUMNS)
_AT_ONCE = 400  # values in one statement


class OnRecord(NamedTuple):
    """A file whose content is on record."""

    directory: RecordedDirectory  # that it is in
    row: Recorded


class Contents:
    """The hashes of one job's files; for the thread that opened the catalog."""

    def __init__(self, catalog: Catalog, job_id: int) -> None:
        self._catalog = catalog
        self._store = catalog.store
        self._job_id = job_id

    # On record

    def read_before(self, moment: int | None, *, by_directory: bool) -> Iterator[OnRecord]:
        """Give the files whose content was last read before a moment (seconds since 1970; None: all).

        Oldest first, or those of one directory together.
        """
        columns = ", ".join((*(f"d.{n}" for n in DIRECTORY_COLUMNS), *(f"e.{n}" for n in ENTRY_COLUMNS)))
        before, values = ("", ()) if moment is None else ("AND e.hashed_at < ? ", (moment,))
        # SQLite would rather walk through all entries than sort; on most days few of them are due.
        directory = "e.directory_id" if moment is None else "+e.directory_id"
        order = f"{directory}, e.name" if by_directory else "e.hashed_at, e.directory_id, e.name"
        statement = (
            f"SELECT {columns} FROM entries e JOIN directories d "
            "ON d.job_id = e.job_id AND d.directory_id = e.directory_id "
            f"WHERE e.job_id = ? AND e.hashed_at IS NOT NULL {before}ORDER BY {order}"
        )
        read, width = self._catalog.read, len(DIRECTORY_COLUMNS)
        for row in self._store.rows(statement, (self._job_id, *values)):
            yield OnRecord(read(directory_of, row[:width]), read(recorded_of, row[width:]))

    def totals(self) -> tuple[int, int]:
        """Count the files whose content is on record, and their bytes."""
        statement = (
            "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE job_id = ? AND hashed_at IS NOT NULL"
        )
        ((files, byte_count),) = self._store.rows(statement, (self._job_id,))
        return int(files or 0), int(byte_count or 0)

    def has_open_rot(self, path: bytes, hash_: bytes) -> bool:
        """Whether it is recorded already, and not accepted, that a file rotted into this content."""
        statement = (
            "SELECT 1 FROM changes WHERE job_id = ? AND path = ? AND rotted = 1 "
            "AND accepted_by IS NULL AND new_hash = ? LIMIT 1"
        )
        return any(True for _ in self._store.rows(statement, (self._job_id, path, hash_)))

    # Made by a run that did not end

    def kept(self, paths: Sequence[bytes]) -> dict[Stamp, tuple[bytes, int]]:
        """Give the hashes that an interrupted run left of these paths, and when they were made."""
        found = {}
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            statement = f"SELECT {_HASHED} FROM hashed WHERE job_id = ? AND path IN ({places})"
            for row in self._store.rows(statement, (self._job_id, *part)):
                stamp, hash_, at, seal = self._catalog.read(hashed_of, row)
                if self._seal(stamp, hash_, at) == seal:  # else the file is read again
                    found[stamp] = (hash_, at)
        return found

    def keep(self, rows: Iterable[tuple[Stamp, bytes, int]]) -> None:
        """Keep hashes for the run after this one, should this one not end."""
        kept = {
            stamp.path: (self._job_id, *stamp, hash_, at, self._seal(stamp, hash_, at))
            for stamp, hash_, at in rows
        }
        with self._store.transaction():
            self._store.run_many(
                "DELETE FROM hashed WHERE job_id = ? AND path = ?", ((self._job_id, path) for path in kept)
            )
            self._store.run_many(
                f"INSERT INTO hashed (job_id, {_HASHED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept.values()
            )

    def _seal(self, stamp: Stamp, hash_: bytes, at: int) -> bytes:
        return self._catalog.sealer.hashed(self._job_id, stamp, hash_, at)

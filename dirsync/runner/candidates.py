"""What a scrub could read, those longest unverified first; in a table of its own, for it may be long.

The table lives beside the database for as long as it is open, and on the disk when
it grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.model.content import Stamp
from dirsync.model.job import HashAlgorithm
from dirsync.runner.database import Database
from dirsync.runner.hashes import row_of

_BATCH = 500


class Candidate(NamedTuple):
    """A file that should be the same at both ends."""

    stamp: Stamp
    on_record: bytes | None  # its hash; None: there is none under this stamp


class Candidates:
    """The files of one job that should be the same at both ends; one at a time for each database.

    Every call may raise `RunError` when the database cannot be used.
    """

    def __init__(self, database: Database, *, job: str, algorithm: HashAlgorithm) -> None:
        self._database = database
        self._job = job
        self._algorithm = algorithm
        self._run("DROP TABLE IF EXISTS temp.candidates")
        self._run("DROP TABLE IF EXISTS temp.queue")
        self._run(
            "CREATE TEMP TABLE candidates "
            "(path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER) WITHOUT ROWID"
        )

    def _run(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with self._database.translated():
            return self._database.connection.execute(statement, parameters).fetchall()

    def add(self, stamps: Iterable[Stamp]) -> None:
        """Take files in."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO temp.candidates VALUES (?, ?, ?, ?)", map(row_of, stamps)
            )

    def arrange(self) -> None:
        """Put them in their order: never verified, then by when they were; by path where that is equal."""
        self._run(
            "CREATE TEMP TABLE queue AS "
            "SELECT c.path, c.size, c.mtime_ns, c.ctime_ns, h.hash FROM temp.candidates c "
            "LEFT JOIN main.hashes h ON h.job = ? AND h.algorithm = ? AND h.path = c.path "
            "AND h.size = c.size AND h.mtime_ns = c.mtime_ns AND h.ctime_ns = c.ctime_ns "
            "ORDER BY h.verified_at IS NOT NULL, h.verified_at, c.path",
            (self._job, self._algorithm.value),
        )

    def totals(self) -> tuple[int, int]:
        """Count the files, and their bytes."""
        ((files, byte_count),) = self._run("SELECT count(*), coalesce(sum(size), 0) FROM temp.candidates")
        return int(str(files)), int(str(byte_count))

    def in_order(self) -> Iterator[Candidate]:
        """Give them in their order; nothing stays open between two batches, so the record may be written."""
        last = 0
        while rows := self._after(last):
            for row_id, path, size, mtime_ns, ctime_ns, on_record in rows:
                last = row_id
                yield Candidate(Stamp(path, size, int(mtime_ns), int(ctime_ns)), on_record)

    def _after(self, row_id: int) -> list[tuple[int, bytes, int, int | bytes, int | bytes, bytes | None]]:
        with self._database.translated():
            return self._database.connection.execute(
                "SELECT rowid, path, size, mtime_ns, ctime_ns, hash FROM temp.queue "
                "WHERE rowid > ? ORDER BY rowid LIMIT ?",
                (row_id, _BATCH),
            ).fetchall()

    def forget_others(self) -> None:
        """Drop the rows on record of files that are none of these; call it only after a complete look."""
        self._run(
            "DELETE FROM main.hashes WHERE job = ? AND path NOT IN (SELECT path FROM temp.candidates)",
            (self._job,),
        )

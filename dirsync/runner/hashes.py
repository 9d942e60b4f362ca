"""The hashes on record: what the content of source files was when somebody read them.

A row holds for as long as the file bears the stamp it was hashed under. Content that
differs from the record under the same stamp was changed by no program.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime

from dirsync.model.content import Stamp
from dirsync.model.job import HashAlgorithm
from dirsync.runner.database import Database, storable

_BATCH = 1000  # rows that become durable together
_ASKED_AT_ONCE = 500  # SQLite takes at least 999 parameters

Row = tuple[Stamp, bytes]


def row_of(stamp: Stamp) -> tuple[bytes, int, int | bytes, int | bytes]:
    """Give a stamp as columns of a table."""
    return stamp.path, stamp.size, storable(stamp.mtime_ns), storable(stamp.ctime_ns)


class HashRecord:
    """The record of one job; for the thread that opened the database.

    What is added or forgotten is written in batches, the last by `flush`. Every call
    may raise `RunError` when the database cannot be used.
    """

    def __init__(self, database: Database, *, job: str, algorithm: HashAlgorithm, keeps: bool = True) -> None:
        """Work for one job; `keeps` False: only look, as a dry run does."""
        self.algorithm = algorithm
        self._database = database
        self._job = job
        self._keeps = keeps
        self._added: dict[bytes, Row] = {}
        self._forgotten: set[bytes] = set()
        self._is_empty = not self._has_rows()

    def _has_rows(self) -> bool:
        with self._database.translated():
            row = self._database.connection.execute(
                "SELECT 1 FROM hashes WHERE job = ? LIMIT 1", (self._job,)
            ).fetchone()
        return row is not None

    def known(self, stamps: Iterable[Stamp]) -> dict[bytes, bytes]:
        """Give the hashes on record of those files that still bear the stamp they were hashed under."""
        if self._is_empty:
            return {}
        rest = iter(stamps)
        found: dict[bytes, bytes] = {}
        while batch := {stamp.path: stamp for stamp in itertools.islice(rest, _ASKED_AT_ONCE)}:
            for path, size, mtime_ns, ctime_ns, recorded in self._rows(list(batch)):
                if batch[path] == Stamp(path, size, int(mtime_ns), int(ctime_ns)):
                    found[path] = recorded
        return found

    def _rows(self, paths: list[bytes]) -> list[tuple[bytes, int, int | bytes, int | bytes, bytes]]:
        with self._database.translated():
            return self._database.connection.execute(
                "SELECT path, size, mtime_ns, ctime_ns, hash FROM hashes "
                f"WHERE job = ? AND algorithm = ? AND path IN ({', '.join('?' * len(paths))})",
                (self._job, self.algorithm.value, *paths),
            ).fetchall()

    def add(self, stamp: Stamp, content_hash: bytes) -> None:
        """Put a file's hash on record, verified now."""
        self._forgotten.discard(stamp.path)
        self._added[stamp.path] = (stamp, content_hash)
        self._flush_if_long()

    def forget(self, path: bytes) -> None:
        """Drop the row of a path that is gone from the source."""
        if self._is_empty and not self._added:
            return
        self._added.pop(path, None)
        self._forgotten.add(path)
        self._flush_if_long()

    def _flush_if_long(self) -> None:
        if len(self._added) + len(self._forgotten) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Make durable what was added and forgotten so far."""
        added, forgotten = self._added, self._forgotten
        self._added, self._forgotten = {}, set()
        if not self._keeps or not (added or forgotten):
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM hashes WHERE job = ? AND path = ?", [(self._job, path) for path in forgotten]
            )
            connection.executemany(
                "INSERT OR REPLACE INTO hashes "
                "(job, path, size, mtime_ns, ctime_ns, algorithm, hash, verified_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (self._job, *row_of(stamp), self.algorithm.value, content_hash, now)
                    for stamp, content_hash in added.values()
                ],
            )
        self._is_empty = self._is_empty and not added

"""Files that a run is about to copy and has still to read back.

They are noted before the first is copied, so that a run which is cut off leaves
them to the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.model.entry import Kind
from dirsync.model.operation import Operation
from dirsync.runner.database import Database

_BATCH = 1000


class Written(NamedTuple):
    """A file that was written, or was to be, and not read back yet."""

    path: bytes
    ctime_ns: int  # of the source when it was scanned


class Unverified:
    """The files of one job that have still to be read back; durable when a call returns.

    Every call may raise `RunError` when the database cannot be used.
    """

    def __init__(self, database: Database, *, job: str) -> None:
        self._database = database
        self._job = job

    def note(self, operations: Iterable[Operation]) -> None:
        """Note the files that these operations copy."""
        rows = (
            (self._job, operation.change.path, operation.change.entry.ctime_ns)
            for operation in operations
            if _copies_a_file(operation)
        )
        while batch := list(itertools.islice(rows, _BATCH)):
            with self._database.transaction() as connection:
                connection.executemany("INSERT OR REPLACE INTO unverified VALUES (?, ?, ?)", batch)

    def all(self) -> Iterator[Written]:
        """Give them in the order of their paths; they may be dropped meanwhile."""
        after = b""
        while batch := self._after(after):
            yield from batch
            after = batch[-1].path

    def _after(self, path: bytes) -> list[Written]:
        with self._database.translated():
            rows = self._database.connection.execute(
                "SELECT path, ctime_ns FROM unverified WHERE job = ? AND path > ? ORDER BY path LIMIT ?",
                (self._job, path, _BATCH),
            ).fetchall()
        return [Written(*row) for row in rows]

    def __len__(self) -> int:
        with self._database.translated():
            (count,) = self._database.connection.execute(
                "SELECT count(*) FROM unverified WHERE job = ?", (self._job,)
            ).fetchone()
        return int(count)

    def drop(self, paths: Iterable[bytes]) -> None:
        """Take files off that were read back, or will be copied again."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM unverified WHERE job = ? AND path = ?", [(self._job, path) for path in paths]
            )


def _copies_a_file(operation: Operation) -> bool:
    change = operation.change
    if change.new is None or change.new.kind is not Kind.FILE:
        return False
    return change.leader is None and not change.is_in_place

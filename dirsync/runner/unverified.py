"""Files that a run is about to copy and has still to read back.

They are noted before the first is copied, and at their new paths before anything moves,
so that a run which is cut off at any point leaves them to the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dirsync.model.entry import Kind
from dirsync.model.operation import Operation
from dirsync.runner.database import Database
from dirsync.runner.moved_rows import bounds_beneath

_BATCH = 1000
_SELECT = "SELECT path, ctime_ns FROM unverified WHERE job = ?"


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
        copied = (operation.change for operation in operations if _copies_a_file(operation))
        self._insert("REPLACE", (Written(change.path, change.entry.ctime_ns) for change in copied))

    def follow(self, moved_from: Mapping[bytes, bytes]) -> None:
        """Note what is about to move at its new path as well: it may yet stay where it is.

        `moved_from` gives, by its new path, where each file or directory is. A path that turns
        out to hold nothing is dropped when it is to be read.
        """
        if moved_from and self._has_any():
            self._insert("IGNORE", (row for new, old in moved_from.items() for row in self._moved(old, new)))

    def _insert(self, where_there_is_one: str, files: Iterator[Written]) -> None:
        statement = f"INSERT OR {where_there_is_one} INTO unverified (job, path, ctime_ns) VALUES (?, ?, ?)"
        while batch := [(self._job, *written) for written in itertools.islice(files, _BATCH)]:
            with self._database.transaction() as connection:
                connection.executemany(statement, batch)

    def all(self) -> Iterator[Written]:
        """Give them in the order of their paths; they may be dropped meanwhile."""
        return self._where("path > ?", b"")

    def _moved(self, old: bytes, new: bytes) -> Iterator[Written]:
        """Give what is noted at a path or beneath it, as it is to be noted at another."""
        at = self._rows(f"{_SELECT} AND path = ?", (self._job, old))
        for row in itertools.chain(at, self._where("path > ? AND path < ?", *bounds_beneath(old))):
            yield row._replace(path=new + row.path[len(old) :])

    def _where(self, condition: str, after: bytes, *others: bytes) -> Iterator[Written]:
        """Give those that meet a condition, which begins with a bound `after`, page by page."""
        statement = f"{_SELECT} AND {condition} ORDER BY path LIMIT ?"
        while batch := self._rows(statement, (self._job, after, *others, _BATCH)):
            yield from batch
            after = batch[-1].path

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Written]:
        with self._database.translated():
            return [Written(*row) for row in self._database.connection.execute(statement, values)]

    def _has_any(self) -> bool:
        return next(self.all(), None) is not None

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

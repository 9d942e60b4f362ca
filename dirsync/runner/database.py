"""The state database: one SQLite file, opened by each thread for itself."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from dirsync.errors import RunError
from dirsync.model.names import escaped
from dirsync.runner.database_schema import BUSY_SECONDS, prepare
from dirsync.runner.state import ensure_state_directory

_FILE = "ledger.db"


class Database(Struct, frozen=True, kw_only=True):
    """An open state database; for the thread that opened it.

    In autocommit, each statement is durable when it returns; several become one
    within `transaction`.
    """

    connection: sqlite3.Connection
    path: str  # for messages

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """Give a block in which an error of SQLite's becomes a `RunError`."""
        return _translated(self.path)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make all statements of a block one: durable together at its end, or none of them.

        Raises:
            RunError: the database cannot be read or written.
        """
        with self.translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


@contextlib.contextmanager
def open_database(state: str) -> Iterator[Database]:
    """Open the database of a state directory, made on the first use.

    Each thread and each process opens its own; they may all be open at once.

    Raises:
        RunError: the database is corrupt, not writable, or of a later version.
    """
    ensure_state_directory(state)
    path = os.path.join(state, _FILE)
    with _translated(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        with _translated(path):
            prepare(connection, path=path)
        yield Database(connection=connection, path=path)
    finally:
        connection.close()


def storable(number: int) -> int | bytes:
    """Give what a column holds for a number; `int()` of that is the number again.

    SQLite's integers have 64 bits, and a time after 2262 needs more: its digits are kept.
    """
    return number if -(1 << 63) <= number < 1 << 63 else b"%d" % number


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError) as error:  # ValueError: a row that no release ever wrote
        raise RunError(
            f"ledger '{escaped(path)}' cannot be used ({error}); "
            "check the disk and the permissions, or move the file away to begin a new one"
        ) from error

"""What every SQLite file of this program needs: the catalogs and the state database."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

_PAUSE_SECONDS = 0.01
_VALUES_A_STATEMENT = 2_999  # where SQLite takes as many
_FEWER_ROWS = 16


def write_ahead(connection: sqlite3.Connection, *, patience_seconds: float) -> None:
    """Switch to a write-ahead log, once in a database's life.

    SQLite's own timeout does not hold here: it refuses at once while another connection
    is about to write, as two first runs do that begin together (8 threads on a new
    database: 1 refusal in 2,400).

    Raises:
        sqlite3.Error: others were busy for so long, or it cannot be written.
    """
    ends_at = time.monotonic() + patience_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > ends_at:
                raise
        time.sleep(_PAUSE_SECONDS)


@contextlib.contextmanager
def altering(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything or nothing, with nobody else writing meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what happened first is what to tell
                connection.execute("ROLLBACK")
        raise


def number(connection: sqlite3.Connection, pragma: str) -> int:
    """Read a pragma that is a number, as `user_version`."""
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)


def insert_rows(connection: sqlite3.Connection, into: str, rows: Iterable[Sequence[object]]) -> None:
    """Insert rows of one width, many by each statement; `into` is all of it that comes before `VALUES`.

    For each statement Python lets other threads run, and waits until they let it: 3,000 rows one by
    one took 0.8 s beside a busy thread, and take 0.03 s so.
    """
    values = min(connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER), _VALUES_A_STATEMENT)
    left = iter(rows)
    for first in left:
        most = max(1, values // len(first))
        some = [first, *islice(left, most - 1)]
        for count in (most, _FEWER_ROWS, 1):  # few statements, for Python keeps each
            while len(some) >= count:
                _insert(connection, into, some[:count])
                del some[:count]


def _insert(connection: sqlite3.Connection, into: str, rows: list[Sequence[object]]) -> None:
    places = f"({', '.join('?' * len(rows[0]))})"
    connection.execute(f"{into} VALUES {', '.join([places] * len(rows))}", list(chain.from_iterable(rows)))

"""What somebody may do to the rows of a catalog: flip a bit, or move whole rows about.

Each deed is one or a few SQL statements in a transaction that is taken back. Whether a
deed altered what the catalog says is judged here by the rows themselves, all columns of
them, and not by what the audit thinks of it.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

Cell = int | str | bytes | float | None

KEYS = {  # by table: the columns of its primary key
    "meta": ("name",),
    "jobs": ("job_id",),
    "runs": ("job_id", "run_id"),
    "directories": ("job_id", "directory_id"),
    "entries": ("job_id", "directory_id", "name"),
    "changes": ("job_id", "change_id"),
    "acceptances": ("job_id", "acceptance_id"),
    "checkpoints": ("job_id",),
    "hashed": ("job_id", "path"),
}
# A hash that waits for the next run may go at any time: all that is lost is the time to make it again.
WITH_MEANING = tuple(table for table in KEYS if table != "hashed")
ROW_DEEDS = ("delete", "duplicate", "swap", "replay", "truncate", "reorder", "insert")


class Deed(NamedTuple):
    """What was done, for a message."""

    what: str
    where: str


class Tamperer:
    """Alters a catalog in one way at a time; `older` are copies of it from before, oldest first."""

    def __init__(self, connection: sqlite3.Connection, older: list[sqlite3.Connection], *, seed: int) -> None:
        self._connection = connection
        self._older = older
        self._random = random.Random(seed)
        self._columns = {table: columns_of(connection, table) for table in KEYS}

    @contextlib.contextmanager
    def deed(self, what: str) -> Iterator[Deed | None]:
        """Give a block in which something is altered; None: that could not be done, or changed nothing."""
        before = self._everything()
        self._connection.execute("BEGIN")
        try:
            try:
                where = self._flip() if what == "flip" else getattr(self, f"_{what}")()
            except sqlite3.IntegrityError:  # the database itself refuses that
                where = None
            if where is not None and what != "flip" and self._everything() == before:
                where = None
            yield None if where is None else Deed(what, where)
        finally:
            self._connection.execute("ROLLBACK")

    def _everything(self) -> list[list[tuple[Cell, ...]]]:
        return [self._rows(table) for table in WITH_MEANING]

    def _rows(self, table: str, connection: sqlite3.Connection | None = None) -> list[tuple[Cell, ...]]:
        order = ", ".join(KEYS[table])
        found = connection or self._connection
        return found.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()

    def _some_table(self, *, rows: int = 1, among: tuple[str, ...] = WITH_MEANING) -> str | None:
        tables = [table for table in among if len(self._rows(table)) >= rows]
        return self._random.choice(tables) if tables else None

    def _key(self, table: str, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return tuple(row[self._columns[table].index(column)] for column in KEYS[table])

    def _delete_row(self, table: str, row: tuple[Cell, ...]) -> None:
        where = " AND ".join(f"{column} = ?" for column in KEYS[table])
        self._connection.execute(f"DELETE FROM {table} WHERE {where}", self._key(table, row))

    def _insert_row(self, table: str, row: tuple[Cell, ...]) -> None:
        places = ", ".join("?" * len(row))
        self._connection.execute(f"INSERT INTO {table} VALUES ({places})", row)

    # One value

    def _flip(self) -> str | None:
        table = self._some_table(among=tuple(KEYS))
        assert table is not None
        row = self._random.choice(self._rows(table))
        position = self._random.randrange(len(row))
        old, new = row[position], self._flipped(row[position])
        column = self._columns[table][position]
        where = " AND ".join(f"{each} = ?" for each in KEYS[table])
        value = "CAST(? AS TEXT)" if isinstance(old, str) and isinstance(new, bytes) else "?"
        self._connection.execute(
            f"UPDATE {table} SET {column} = {value} WHERE {where}", (new, *self._key(table, row))
        )
        return f"{table}.{column}: {old!r} is {new!r} in {self._key(table, row)}"

    def _flipped(self, value: Cell) -> Cell:
        """Flip one bit of a value; of nothing, and seldom of others, make a value of another type."""
        chance = self._random.random()
        if value is None:
            something: list[Cell] = [0, -1, b"", "", 1]
            return self._random.choice(something)
        if chance < 0.02:
            others: list[Cell] = [None, b"x", "x", 1.5, 0]
            return self._random.choice([each for each in others if type(each) is not type(value)])
        if isinstance(value, int):
            flipped = (value + (1 << 64)) % (1 << 64) ^ 1 << self._random.randrange(64)
            return flipped - (1 << 64) if flipped >= 1 << 63 else flipped
        assert isinstance(value, str | bytes)
        data = bytearray(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
        if not data:
            return b"\0" if isinstance(value, bytes) else "\1"
        data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(data)

    # Whole rows

    def _delete(self) -> str | None:
        table = self._some_table()
        assert table is not None
        row = self._random.choice(self._rows(table))
        self._delete_row(table, row)
        return f"{table}: {self._key(table, row)}"

    def _duplicate(self) -> str | None:
        table = self._some_table()
        assert table is not None
        row = list(self._random.choice(self._rows(table)))
        position = self._columns[table].index(self._random.choice(KEYS[table]))
        row[position] = self._other(row[position])
        self._insert_row(table, tuple(row))
        return f"{table}: as {row[:3]}"

    def _other(self, key: Cell) -> Cell:
        if isinstance(key, int):
            return key + self._random.choice([1, 1, 2, -1, 1000])
        return key + b"2" if isinstance(key, bytes) else f"{key}2"

    def _swap(self) -> str | None:
        table = self._some_table(rows=2)
        if table is None:
            return None
        one, other = self._random.sample(self._rows(table), 2)
        self._put_in_places(table, [one, other], [other, one])
        return f"{table}: {self._key(table, one)} and {self._key(table, other)}"

    def _reorder(self) -> str | None:
        table = self._some_table(rows=3, among=("changes", "runs", "acceptances", "entries", "directories"))
        if table is None:
            return None
        rows = self._rows(table)
        start = self._random.randrange(len(rows) - 2)
        part = rows[start : start + self._random.randint(3, 5)]
        self._put_in_places(table, part, part[1:] + part[:1])
        return f"{table}: {[self._key(table, row) for row in part]}"

    def _put_in_places(
        self, table: str, places: list[tuple[Cell, ...]], rows: list[tuple[Cell, ...]]
    ) -> None:
        """Put rows in the places, that is under the keys, of others."""
        for row in rows:
            self._delete_row(table, row)
        keys = [self._columns[table].index(column) for column in KEYS[table]]
        for place, row in zip(places, rows, strict=True):
            self._insert_row(table, tuple(place[i] if i in keys else cell for i, cell in enumerate(row)))

    def _insert(self) -> str | None:
        """Put a row of long ago back that has gone since."""
        if not self._older:
            return None
        older, table = self._random.choice(self._older), self._random.choice(WITH_MEANING)
        there = {self._key(table, row) for row in self._rows(table)}
        gone = [row for row in self._rows(table, older) if self._key(table, row) not in there]
        if not gone:
            return None
        row = self._random.choice(gone)
        self._insert_row(table, row)
        return f"{table}: {self._key(table, row)}"

    def _replay(self) -> str | None:
        """Put one row, a table, or the whole catalog as it was."""
        if not self._older:
            return None
        older = self._random.choice(self._older)
        chance = self._random.random()
        if chance < 0.6:
            return self._replay_row(older)
        tables = list(WITH_MEANING) if chance < 0.7 else self._random.sample(WITH_MEANING, 2)
        for table in tables:
            self._connection.execute(f"DELETE FROM {table}")
            for row in self._rows(table, older):
                self._insert_row(table, row)
        return f"tables {tables}"

    def _replay_row(self, older: sqlite3.Connection) -> str | None:
        table = self._some_table(
            among=("jobs", "entries", "directories", "changes", "checkpoints", "acceptances")
        )
        assert table is not None
        now = {self._key(table, row): row for row in self._rows(table)}
        then = [row for row in self._rows(table, older) if now.get(self._key(table, row), row) != row]
        if not then:
            return None
        row = self._random.choice(then)
        self._delete_row(table, now[self._key(table, row)])
        self._insert_row(table, row)
        return f"{table}: {self._key(table, row)}"

    def _truncate(self) -> str | None:
        """Cut the tail off one chain or several, with the job's row as it was then or as it is."""
        count = self._random.randint(1, 4)
        tables = self._random.choice([("changes",), ("runs",), ("acceptances",), ("changes", "runs")])
        for table in tables:
            for row in self._rows(table)[-count:]:
                self._delete_row(table, row)
        if self._older and self._random.random() < 0.5:
            self._connection.execute("DELETE FROM jobs")
            for row in self._rows("jobs", self._random.choice(self._older)):
                self._insert_row("jobs", row)
        return f"{tables}, {count} rows"


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """List the columns of a table."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def copy_of(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Give a copy of a database, in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(copy)
    return copy

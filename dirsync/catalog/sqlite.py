"""A catalog in a SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from dirsync.catalog.schema import CHANGE_COLUMNS
from dirsync.catalog.sqlite_file import MADE, connected, is_full, made_by_this_program, prepare
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Damage, Damaged, Row, Staging, Value
from dirsync.errors import Busy, RunError
from dirsync.model.names import escaped
from dirsync.sqlite_connection import insert_rows

_AT_ONCE = 400  # values in one statement

_DIRECTORIES = ", ".join(DIRECTORY_COLUMNS)
_ENTRIES = ", ".join(ENTRY_COLUMNS)
_CHANGES = ", ".join(CHANGE_COLUMNS)
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process holds it; nothing was recorded, run again when that is over",
    sqlite3.SQLITE_LOCKED: "another process holds it; nothing was recorded, run again when that is over",
    sqlite3.SQLITE_FULL: "its disk is full; nothing was recorded, so make room and run again",
    sqlite3.SQLITE_IOERR: "its disk does not answer; nothing was recorded",
    sqlite3.SQLITE_READONLY: "it may not be written; nothing was recorded, change its permissions "
    "and those of its directory, or set another 'catalog'",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; nothing was recorded, check that its disk is not read-only"
    " and who may write its directory",
}


class SqliteStore:
    """One open SQLite catalog; made by `open_sqlite`."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self.shown = f"catalog '{escaped(path)}'"
        self.notices: list[str] = []

    def rows(self, statement: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Run a query and give its rows as they come."""
        with self.translated():
            yield from self._connection.execute(statement, values)

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a statement; give how many rows it touched."""
        with self.translated():
            return self._connection.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each row."""
        with self.translated():
            self._connection.executemany(statement, rows)

    def insert(self, into: str, rows: Iterable[Sequence[Value]]) -> None:
        """Insert rows of one width; `into` is all of the statement that comes before `VALUES`."""
        with self.translated():
            insert_rows(self._connection, into, rows)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Give a block whose statements are all durable at its end, or none of them is."""
        with self.translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends some itself, as when the disk is full
                    with contextlib.suppress(sqlite3.Error):  # what happened first is what to tell
                        self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Give a block whose queries all see one state of the database."""
        self.run("BEGIN")
        try:
            yield
        finally:
            self.run("ROLLBACK")

    def damage(self) -> Iterator[Damage]:
        """Tell what SQLite finds wrong, and where the tables are not as this program made them."""
        for (line,) in self.rows("PRAGMA integrity_check"):
            if line != "ok":
                yield Damage(f"SQLite finds: {line!s}", is_corrupt=True)
        there = {str(name): sql for name, sql in self.rows(MADE)}
        expected = made_by_this_program()
        for name, sql in expected.items():
            if there.get(name) != sql:
                text = f"the table or index '{name}' is missing, or not as this program makes it"
                yield Damage(text, is_corrupt=False)
        for name in there.keys() - expected:
            yield Damage(f"'{escaped(name)}' was not made by this program", is_corrupt=False)

    def transaction_alone(self) -> contextlib.AbstractContextManager[None]:
        """Give such a block: here there is one writer at a time anyway."""
        return self.transaction()

    @contextlib.contextmanager
    def one_writer(self, job_id: int) -> Iterator[None]:
        """Give a block as it is: the state directory's lock keeps other runs of a job away."""
        yield

    # Where directories are

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> Iterator[Row]:
        """Give the rows of the directories at these paths."""
        yield from self._directories(job_id, "path", paths)

    def directories_with(self, job_id: int, inos: Sequence[int]) -> Iterator[Row]:
        """Give the rows of the directories of some inode numbers."""
        yield from self._directories(job_id, "ino", inos)

    def _directories(self, job_id: int, column: str, values: Sequence[Value]) -> Iterator[Row]:
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            yield from self.rows(
                f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND {column} IN ({places})",
                (job_id, *part),
            )

    def directories_beneath(self, job_id: int, path: bytes) -> Iterator[Row]:
        """Give the rows of the directories at and beneath a path: a range of the index."""
        of_job = f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ?"
        if not path:
            yield from self.rows(of_job, (job_id,))
            return
        yield from self.directories_at(job_id, [path])
        yield from self.rows(f"{of_job} AND path > ? AND path < ?", (job_id, path + b"/", path + b"0"))

    def entries_in(self, job_id: int, directory_ids: Sequence[int]) -> Iterator[Row]:
        """Give the entries of directories."""
        for start in range(0, len(directory_ids), _AT_ONCE):
            part = directory_ids[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            yield from self.rows(
                f"SELECT directory_id, {_ENTRIES} FROM entries "
                f"WHERE job_id = ? AND directory_id IN ({places}) ORDER BY directory_id, name",
                (job_id, *part),
            )

    def changes_beneath(self, job_id: int, path: bytes) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: ranges of the indexes, each by itself."""
        if not path:
            return "TRUE", []
        ids, values = "SELECT change_id FROM changes WHERE job_id = ? AND", (job_id, path + b"/", path + b"0")
        parts = [
            f"{ids} {column} {at}"
            for column in ("path", "old_path")
            for at in ("= ?", f"> ? AND {column} < ?")
        ]
        both: list[Value] = [job_id, path, *values]
        return f"change_id IN ({' UNION ALL '.join(parts)})", [*both, *both]

    def changes_at(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: look-ups in an index that suffices."""
        return _changes_with("path", job_id, paths)

    def moves_off(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values, likewise."""
        return _changes_with("old_path", job_id, paths)

    def first_slash(self, path: str) -> str:
        """Give an expression: where the first slash is in a path."""
        return f"instr({path}, X'2F')"

    # The bulk path

    @contextlib.contextmanager
    def staging(self, job_id: int, run_id: int) -> Iterator[Staging]:
        """Give a place for the rows of a run: temporary tables, on disk when they grow."""
        staging = _Staging(self, job_id)
        staging.begin()
        try:
            yield staging
        finally:
            with contextlib.suppress(RunError):  # they go with the connection, and what happened is told
                staging.end()

    # Errors

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Give a block in which an error of SQLite's becomes a `RunError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> RunError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_IOERR and is_full(self._path):
            code = sqlite3.SQLITE_FULL  # of what it keeps beside the database SQLite does not say so
        if code in _CORRUPT:
            return Damaged(
                f"{self.shown} is corrupt ({error}); nothing was recorded. Put a copy back, "
                "or begin anew with 'dirsync catalog init JOB', which moves it aside"
            )
        kind = Busy if code in _LOCKED else RunError
        return kind(f"{self.shown} cannot be used ({error}): {_ADVICE.get(code, 'nothing was recorded')}")


class _Staging:
    """The rows of one run in temporary tables."""

    _TABLES = MappingProxyType(
        {
            "staged_entries": f"directory_id, {_ENTRIES}",
            "dropped_entries": "directory_id, name",
            "staged_directories": _DIRECTORIES,
            "dropped_directories": "directory_id",
            "staged_changes": _CHANGES,
        }
    )

    def __init__(self, store: SqliteStore, job_id: int) -> None:
        self._store = store
        self._job_id = job_id

    def begin(self) -> None:
        """Make the tables."""
        self.end()
        for name, columns in self._TABLES.items():
            self._store.run(f"CREATE TEMP TABLE {name} ({columns})")

    def end(self) -> None:
        """Drop the tables."""
        for name in self._TABLES:
            self._store.run(f"DROP TABLE IF EXISTS temp.{name}")

    def put_entries(self, rows: Iterable[Row]) -> None:
        """Take entries that are to be there."""
        self._insert("staged_entries", rows)

    def drop_entries(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Take entries that are to go."""
        self._insert("dropped_entries", rows)

    def put_directories(self, rows: Iterable[Row]) -> None:
        """Take directories that are to be there."""
        self._insert("staged_directories", rows)

    def drop_directories(self, directory_ids: Iterable[int]) -> None:
        """Take directories that are to go."""
        self._insert("dropped_directories", ((each,) for each in directory_ids))

    def add_changes(self, rows: Iterable[Row]) -> None:
        """Take changes."""
        self._insert("staged_changes", rows)

    def _insert(self, table: str, rows: Iterable[Sequence[Value]]) -> None:
        self._store.run("SAVEPOINT staging")  # one transaction of the temporary database for all rows
        self._store.insert(f"INSERT INTO temp.{table}", rows)
        self._store.run("RELEASE staging")

    def merge(self) -> None:
        """Bring it all into the catalog: what goes first, for a new row may take an old one's path."""
        job = self._job_id
        for statement in (
            "DELETE FROM entries WHERE job_id = ? "
            "AND directory_id IN (SELECT directory_id FROM dropped_directories)",
            "DELETE FROM entries WHERE job_id = ? "
            "AND (directory_id, name) IN (SELECT directory_id, name FROM dropped_entries)",
            "DELETE FROM directories WHERE job_id = ? "
            "AND directory_id IN (SELECT directory_id FROM dropped_directories)",
            "DELETE FROM directories WHERE job_id = ? "
            "AND directory_id IN (SELECT directory_id FROM staged_directories)",
            f"INSERT INTO directories (job_id, {_DIRECTORIES}) "
            f"SELECT ?, {_DIRECTORIES} FROM staged_directories",
            f"INSERT OR REPLACE INTO entries (job_id, directory_id, {_ENTRIES}) "
            f"SELECT ?, directory_id, {_ENTRIES} FROM staged_entries",
            f"INSERT INTO changes (job_id, {_CHANGES}) SELECT ?, {_CHANGES} FROM staged_changes",
        ):
            self._store.run(statement, (job,))


@contextlib.contextmanager
def open_sqlite(path: str, *, may_create: bool) -> Iterator[SqliteStore]:
    """Open a catalog, made where there is none and that is allowed.

    Raises:
        Missing: there is none.
        Damaged: it is empty, or corrupt.
        RunError: it cannot be opened, is of a later version, or no catalog.
    """
    connection = connected(path, may_create=may_create)
    store = SqliteStore(connection, path)
    try:
        with store.translated():
            prepare(connection, shown=store.shown, may_create=may_create)
        yield store
    finally:
        connection.close()


def _changes_with(column: str, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
    ids = f"SELECT change_id FROM changes WHERE job_id = ? AND {column} IN ({', '.join('?' * len(paths))})"
    return f"change_id IN ({ids})", [job_id, *paths]

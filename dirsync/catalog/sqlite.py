"""A catalog in a SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from dirsync.catalog.schema import CHANGE_COLUMNS, STEPS
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Row, Staging, Value
from dirsync.errors import RunError
from dirsync.model.names import escaped

_BUSY_SECONDS = 30.0  # how long one waits for another's merge
_AT_ONCE = 400  # values in one statement
_CACHE_KIB = 32_768

_DIRECTORIES = ", ".join(DIRECTORY_COLUMNS)
_ENTRIES = ", ".join(ENTRY_COLUMNS)
_CHANGES = ", ".join(CHANGE_COLUMNS)
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another run records in it; this one will succeed when that is over",
    sqlite3.SQLITE_LOCKED: "another run records in it; this one will succeed when that is over",
    sqlite3.SQLITE_FULL: "its disk is full; nothing was recorded, so make room and run again",
    sqlite3.SQLITE_IOERR: "its disk does not answer; nothing was recorded",
    sqlite3.SQLITE_READONLY: "it may not be written; change its permissions, or set another 'catalog'",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its directory and the permissions",
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
        with self._translated():
            yield from self._connection.execute(statement, values)

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a statement; give how many rows it touched."""
        with self._translated():
            return self._connection.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each row."""
        with self._translated():
            self._connection.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Give a block whose statements are all durable at its end, or none of them is."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def one_writer(self, job_id: int) -> Iterator[None]:
        """Give a block as it is: the state directory's lock keeps other runs of a job away."""
        yield

    # Where directories are

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> Iterator[Row]:
        """Give the rows of the directories at these paths."""
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            yield from self.rows(
                f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND path IN ({places})",
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

    # The bulk path

    @contextlib.contextmanager
    def staging(self, job_id: int, run_id: int) -> Iterator[Staging]:
        """Give a place for the rows of a run: temporary tables, on disk when they grow."""
        staging = _Staging(self, job_id)
        staging.begin()
        try:
            yield staging
        finally:
            staging.end()

    # Errors

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> RunError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _CORRUPT:
            return RunError(
                f"{self.shown} is corrupt ({error}); put a copy back, "
                "or move it away and begin anew with 'dirsync catalog init'"
            )
        return RunError(f"{self.shown} cannot be used ({error}): {_ADVICE.get(code, 'nothing was recorded')}")


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
        self._insert("staged_entries", 1 + len(ENTRY_COLUMNS), rows)

    def drop_entries(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Take entries that are to go."""
        self._insert("dropped_entries", 2, rows)

    def put_directories(self, rows: Iterable[Row]) -> None:
        """Take directories that are to be there."""
        self._insert("staged_directories", len(DIRECTORY_COLUMNS), rows)

    def drop_directories(self, directory_ids: Iterable[int]) -> None:
        """Take directories that are to go."""
        self._insert("dropped_directories", 1, ((each,) for each in directory_ids))

    def add_changes(self, rows: Iterable[Row]) -> None:
        """Take changes."""
        self._insert("staged_changes", len(CHANGE_COLUMNS), rows)

    def _insert(self, table: str, width: int, rows: Iterable[Sequence[Value]]) -> None:
        places = ", ".join("?" * width)
        self._store.run("SAVEPOINT staging")  # one transaction of the temporary database for all rows
        self._store.run_many(f"INSERT INTO temp.{table} VALUES ({places})", rows)
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


# Opening


@contextlib.contextmanager
def open_sqlite(path: str, *, may_create: bool) -> Iterator[SqliteStore]:
    """Open a catalog, made where there is none and that is allowed.

    Raises:
        RunError: it cannot be opened, is corrupt, or of a later version.
    """
    connection = _connected(path, may_create=may_create)
    store = SqliteStore(connection, path)
    try:
        _prepare(store)
        yield store
    finally:
        connection.close()


def _connected(path: str, *, may_create: bool) -> sqlite3.Connection:
    if may_create and not os.path.exists(path):
        with contextlib.suppress(FileExistsError, OSError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        # `rw`: SQLite makes no file itself, so a catalog that is gone stays gone.
        uri = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise RunError(
            f"catalog '{escaped(path)}' cannot be opened ({error}); check its directory and the permissions"
        ) from error


def _prepare(store: SqliteStore) -> None:
    store.run("PRAGMA synchronous = FULL")
    store.run(f"PRAGMA cache_size = -{_CACHE_KIB}")
    store.run("PRAGMA journal_mode = WAL")
    version = _version(store)
    if version > len(STEPS):
        raise RunError(
            f"{store.shown} is of version {version}, this program knows up to {len(STEPS)}; "
            "use the newer program"
        )
    if version < len(STEPS):
        _upgrade(store)


def _upgrade(store: SqliteStore) -> None:
    with store.transaction():
        for statements in STEPS[_version(store) :]:
            for statement in statements:
                store.run(statement.replace("CLUSTERED", "WITHOUT ROWID"))
        store.run("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (str(uuid.uuid4()),))
        store.run(f"PRAGMA user_version = {len(STEPS)}")


def _version(store: SqliteStore) -> int:
    ((version,),) = store.rows("PRAGMA user_version")
    return int(version or 0)

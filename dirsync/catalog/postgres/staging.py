"""The rows of one run on their way into a catalog in PostgreSQL.

They go by binary COPY into tables of the run's own, that have no log: what a crash takes
is what no one needs, for the run is over with it. One statement then merges them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from dirsync.catalog.postgres.connecting import Connection
from dirsync.catalog.postgres.statements import SCHEMA
from dirsync.catalog.postgres.subtree import tree_of
from dirsync.catalog.schema import CHANGE_COLUMNS
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Row, Value

_AT_ONCE = 8192  # rows that wait in memory
_ANALYZED_FROM = 10_000  # rows brought in: from then on what the planner knows of the tables is stale

_DIRECTORIES = ", ".join(DIRECTORY_COLUMNS)
_ENTRIES = f"directory_id, {', '.join(ENTRY_COLUMNS)}"
_CHANGES = ", ".join(CHANGE_COLUMNS)

# What is staged, as a query that has its columns: their types are those of the tables.
_ORIGINS = {
    "entries": f"SELECT {_ENTRIES} FROM entries",
    "gone_entries": "SELECT directory_id, name FROM entries",
    "directories": f"SELECT {_DIRECTORIES} FROM directories",
    "gone_directories": "SELECT directory_id FROM directories",
    "changes": f"SELECT {_CHANGES} FROM changes",
}
_WITH_TREE = f"SELECT {_DIRECTORIES}, CAST('' AS TEXT) AS tree FROM directories"


class PostgresStaging:
    """The rows of one run in tables of its own; made by `PostgresStore.staging`."""

    def __init__(
        self,
        connection: Connection,
        job_id: int,
        run_id: int,
        *,
        has_tree: bool,
        translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._connection = connection
        self._job_id = job_id
        self._prefix = f"staged_{job_id:d}_"
        self._run = f"{self._prefix}{run_id:d}_"
        self._has_tree = has_tree
        self._translated = translated
        self._origins = {**_ORIGINS, "directories": _WITH_TREE} if has_tree else _ORIGINS
        self._waiting: dict[str, list[Sequence[Value]]] = {name: [] for name in _ORIGINS}
        self._types: dict[str, list[int]] = {}  # of the columns, by table; tables that were made
        self._count = 0

    def begin(self) -> None:
        """Drop what a run of this job left that was killed."""
        with self._translated():
            self._drop(self._leftovers())

    def end(self) -> None:
        """Drop the tables; what cannot be dropped now is by the job's next run."""
        with contextlib.suppress(psycopg.Error):
            self._drop([self._run + name for name in self._types])

    def _leftovers(self) -> list[str]:
        found = self._connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) "
            "AND relkind = 'r' AND starts_with(relname, %s)",
            (SCHEMA, self._prefix),
        )
        return [name for (name,) in found]

    def _drop(self, tables: list[str]) -> None:
        if tables:
            self._execute(f"DROP TABLE IF EXISTS {', '.join(tables)}")

    # Rows in

    def put_entries(self, rows: Iterable[Row]) -> None:
        """Take entries that are to be there."""
        self._take("entries", rows)

    def drop_entries(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Take entries that are to go."""
        self._take("gone_entries", rows)

    def put_directories(self, rows: Iterable[Row]) -> None:
        """Take directories that are to be there."""
        self._take("directories", map(self._with_tree, rows) if self._has_tree else rows)

    def drop_directories(self, directory_ids: Iterable[int]) -> None:
        """Take directories that are to go."""
        self._take("gone_directories", ((each,) for each in directory_ids))

    def add_changes(self, rows: Iterable[Row]) -> None:
        """Take changes."""
        self._take("changes", rows)

    def _with_tree(self, row: Row) -> Row:
        path = row[1]
        assert isinstance(path, bytes)
        return (*row, tree_of(self._job_id, path))

    def _take(self, name: str, rows: Iterable[Sequence[Value]]) -> None:
        waiting = self._waiting[name]
        for row in rows:
            if name not in self._types:
                self._make(name)
            waiting.append(row)
            if len(waiting) >= _AT_ONCE:
                self._copy(name)

    def _copy(self, name: str) -> None:
        """Stream what waits into its table."""
        rows = self._waiting[name]
        with self._translated():
            statement = f"COPY {self._run}{name} FROM STDIN (FORMAT BINARY)".encode()
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(self._types[name])
                for row in rows:
                    copy.write_row(row)
        self._count += len(rows)
        rows.clear()

    def _make(self, name: str) -> None:
        """Make a table, in a transaction of its own.

        If the transaction that made a table without a log is undone, and the server crashes before
        that is on its disk, it may not start again ("could not create file: File exists").
        Source: seen on PostgreSQL 15.18 and 18.4, killed after a ROLLBACK.
        """
        table, origin = self._run + name, self._origins[name]
        with self._translated():
            self._execute(
                f"CREATE UNLOGGED TABLE {table} WITH (autovacuum_enabled = off) AS {origin} WITH NO DATA"
            )
            columns = self._execute(f"SELECT * FROM {table} LIMIT 0").description or ()
        self._types[name] = [column.type_code for column in columns]

    # The merge

    def merge(self) -> None:
        """Bring it all into the catalog by one statement; all of it sees what was there before.

        That takes care of directories that swap paths, or take one that was freed: whether two
        have one path is checked when the statement is over. No row is touched twice, for a
        run stages each of them once. Where nothing was taken there is no table.
        """
        for name, rows in self._waiting.items():
            if rows:
                self._copy(name)
        with self._translated():
            for name in self._types:
                self._execute(f"ANALYZE {self._run}{name}")  # else it is taken for a table of any size
            found = self._execute(f"SELECT 1 FROM directories WHERE job_id = {self._job_id:d} LIMIT 1")
            is_first = found.fetchone() is None
            parts = [part for name in self._types for part in self._parts(name, is_first=is_first)]
            if parts:
                self._execute(f"WITH {', '.join(parts)} SELECT 1")
            if self._count >= _ANALYZED_FROM:
                self._execute("ANALYZE directories, entries, changes")

    def _parts(self, name: str, *, is_first: bool) -> list[str]:
        """Give the parts of the statement that merge a table; the first run of a job meets no rows."""
        job, table = self._job_id, self._run + name
        match name:
            case "entries":
                insertion = _insertion("entries", job, table, columns=_ENTRIES)
                conflict = "" if is_first else _on_conflict("directory_id, name", columns=_ENTRIES)
                return [f"put_entries AS ({insertion} {conflict})"]
            case "gone_entries":
                where = "entries.directory_id = gone.directory_id AND entries.name = gone.name"
                return [f"took_entries AS ({_deletion('entries', job, table, where)})"]
            case "directories":
                columns, values = _DIRECTORIES, _DIRECTORIES
                if self._has_tree:
                    columns, values = f"{columns}, tree", f"{values}, tree::ltree"
                insertion = _insertion("directories", job, table, columns=columns, values=values)
                conflict = "" if is_first else _on_conflict("directory_id", columns=columns)
                return [f"put_directories AS ({insertion} {conflict})"]
            case "gone_directories":
                entries = _deletion("entries", job, table, "entries.directory_id = gone.directory_id")
                themselves = _deletion(
                    "directories", job, table, "directories.directory_id = gone.directory_id"
                )
                return [f"emptied AS ({entries})", f"took_directories AS ({themselves})"]
            case _:
                return [f"told AS ({_insertion('changes', job, table, columns=_CHANGES)})"]

    def _execute(self, statement: str) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(statement.encode())


def _insertion(table: str, job: int, staged: str, *, columns: str, values: str | None = None) -> str:
    return f"INSERT INTO {table} (job_id, {columns}) SELECT {job:d}, {values or columns} FROM {staged}"


def _on_conflict(key: str, *, columns: str) -> str:
    altered = [column for column in columns.split(", ") if column not in key.split(", ")]
    excluded = ", ".join(f"excluded.{column}" for column in altered)
    return f"ON CONFLICT (job_id, {key}) DO UPDATE SET ({', '.join(altered)}) = ROW({excluded})"


def _deletion(table: str, job: int, staged: str, where: str) -> str:
    return f"DELETE FROM {table} USING {staged} AS gone WHERE {table}.job_id = {job:d} AND {where}"

"""The statements of a catalog in PostgreSQL."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg.pq import TransactionStatus

from dirsync.catalog.postgres.connecting import Connection, holder_of
from dirsync.catalog.postgres.failing import told
from dirsync.catalog.postgres.staging import PostgresStaging
from dirsync.catalog.postgres.statements import PREFIX_BYTES, SCHEMA, placed, prefix_of
from dirsync.catalog.postgres.subtree import Conditions, beneath_prefix, beneath_tree, tree_of
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Damage, Row, Staging, Value
from dirsync.errors import Busy, RunError
from dirsync.model.names import escaped, shown

LOCKS = 0x64697273  # 'dirs': the class of this program's advisory locks; a number in it is a job's
_JOB_NUMBERS = (1 << 31) - 1
_NO_JOB = 0  # jobs are numbered from 1
_ROWS_AT_ONCE = 2000  # of a query, in memory
_PATHS_AT_ONCE = 10_000
_DIRECTORIES_AT_ONCE = 400
_STATEMENTS_AT_ONCE = 1000
_ATTEMPTS = 10  # of a statement that another's row came before

_FOREIGN = """
    SELECT 'trigger', tgname::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = ? AND NOT tgisinternal
    UNION ALL SELECT 'rule', rulename::text FROM pg_rules WHERE schemaname = ?
    UNION ALL SELECT 'policy', policyname::text FROM pg_policies WHERE schemaname = ?
"""
_DIRECTORIES = ", ".join(DIRECTORY_COLUMNS)
_ENTRIES = ", ".join(ENTRY_COLUMNS)


class PostgresStore:
    """One open catalog in PostgreSQL; made by `open_postgres`."""

    def __init__(self, connection: Connection, shown: str) -> None:
        self.connection = connection
        self.shown = shown
        self.notices: list[str] = []
        self.has_tree = False  # whether directories have an ltree; `prepare` knows
        self._numbers = itertools.count(1)

    def rows(self, statement: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Run a query and give its rows as they come, from a cursor that outlives transactions.

        Another statement may run meanwhile. The server keeps the result, on its disk if it is long.
        """
        with self.translated():
            cursor = self.connection.cursor(f"rows_{next(self._numbers)}", withhold=True, scrollable=False)
            cursor.itersize = _ROWS_AT_ONCE
            try:
                yield from cursor.execute(placed(statement), values, binary=True)
            finally:
                with contextlib.suppress(psycopg.Error):  # it went with the connection or the transaction
                    cursor.close()

    def few_rows(self, statement: str, values: Sequence[Value | Sequence[Value]] = ()) -> list[Row]:
        """Run a query, and give its rows at once: half as many round trips."""
        with self.translated():
            return self.connection.execute(placed(statement), values, binary=True).fetchall()

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a statement; give how many rows it touched.

        A statement on its own that a row of somebody else came before sees that row when it is run again.
        """
        with self.translated():
            attempts = _ATTEMPTS if not self._is_in_transaction() else 1
            for _ in range(attempts - 1):
                with contextlib.suppress(psycopg.errors.UniqueViolation):
                    return self.connection.execute(placed(statement), values).rowcount
            return self.connection.execute(placed(statement), values).rowcount

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each row."""
        left = iter(rows)
        while part := list(itertools.islice(left, _STATEMENTS_AT_ONCE)):
            with self.translated(), self.connection.cursor() as cursor:
                cursor.executemany(placed(statement), part)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Give a block whose statements are all durable at its end, or none of them is."""
        with self.translated():
            self.connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                yield
            except BaseException:
                with contextlib.suppress(psycopg.Error):  # without a connection it is rolled back as well
                    self.connection.execute("ROLLBACK")
                raise
            self._commit()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Give a block whose queries all see one state of the database."""
        with self.translated():
            self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield
            finally:
                with contextlib.suppress(psycopg.Error):  # without a connection it has ended as well
                    self.connection.execute("ROLLBACK")

    def damage(self) -> Iterator[Damage]:
        """Tell what acts on the tables and is none of this program's, and what is not found by its index.

        PostgreSQL looks after its pages itself, and a query that meets a bad one fails.
        """
        for kind, name in self.rows(_FOREIGN, (SCHEMA,) * 3):
            yield Damage(
                f"the {kind!s} '{escaped(str(name))}' was not made by this program", is_corrupt=False
            )
        if not self.has_tree:
            return
        for job_id, path, tree in self.rows("SELECT job_id, path, tree::text FROM directories"):
            if isinstance(job_id, int) and isinstance(path, bytes) and tree != tree_of(job_id, path):
                text = f"the index of subtrees has directory '{shown(path)}' in another place"
                yield Damage(text, is_corrupt=False)

    @contextlib.contextmanager
    def transaction_alone(self) -> Iterator[None]:
        """Give such a block that no other of its kind goes on beside; the lock goes with the transaction."""
        with self.transaction():
            self.few_rows("SELECT pg_advisory_xact_lock(?, ?)", (LOCKS, _NO_JOB))
            yield

    def _commit(self) -> None:
        try:
            self.connection.execute("COMMIT")
        except psycopg.Error as error:
            if not self.connection.closed:
                raise
            raise RunError(
                f"{self.shown}: the connection broke while the run was made durable; "
                "whether it was, the next run will see"
            ) from error

    def _is_in_transaction(self) -> bool:
        return self.connection.info.transaction_status is not TransactionStatus.IDLE

    @contextlib.contextmanager
    def one_writer(self, job_id: int) -> Iterator[None]:
        """Give a block in which no other connection to the database has the job; the lock goes with ours.

        Raises:
            Busy: another one has.
        """
        number = job_id & _JOB_NUMBERS
        with self.translated():
            ((is_ours,),) = self.few_rows("SELECT pg_try_advisory_lock(?, ?)", (LOCKS, number))
            if not is_ours:
                holder = holder_of(self.connection, lock_class=LOCKS, number=number)
                raise Busy(f"{self.shown}: another run records the same job{holder}")
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):
                self.connection.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCKS, number))

    # Where directories are

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> Iterator[Row]:
        """Give the rows of the directories at these paths, found by the paths' hashes."""
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            part = set(paths[start : start + _PATHS_AT_ONCE])
            hashes = [hashlib.sha256(path).digest() for path in part]
            statement = f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND path_hash = ANY(?)"
            for row in self.few_rows(statement, (job_id, hashes)):
                if row[1] in part:
                    yield row

    def directories_with(self, job_id: int, inos: Sequence[int]) -> Iterator[Row]:
        """Give the rows of the directories of some inode numbers."""
        statement = f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND ino = ANY(?)"
        for start in range(0, len(inos), _PATHS_AT_ONCE):
            yield from self.few_rows(statement, (job_id, list(inos[start : start + _PATHS_AT_ONCE])))

    def directories_beneath(self, job_id: int, path: bytes) -> Iterator[Row]:
        """Give the rows of the directories at and beneath a path: by the ltree, or by a range of prefixes."""
        if not path:
            conditions: Conditions = [("TRUE", [])]
        elif self.has_tree:
            conditions = [beneath_tree(job_id, path)]
        else:
            conditions = beneath_prefix("path", path)
        for condition, values in conditions:
            yield from self.rows(
                f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? AND {condition}", (job_id, *values)
            )

    def entries_in(self, job_id: int, directory_ids: Sequence[int]) -> Iterator[Row]:
        """Give the entries of directories."""
        statement = (
            f"SELECT directory_id, {_ENTRIES} FROM entries "
            "WHERE job_id = ? AND directory_id = ANY(?) ORDER BY directory_id, name"
        )
        for start in range(0, len(directory_ids), _DIRECTORIES_AT_ONCE):
            part = list(directory_ids[start : start + _DIRECTORIES_AT_ONCE])
            yield from self.few_rows(statement, (job_id, part))

    def changes_beneath(self, job_id: int, path: bytes) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values.

        An array is made before all else; a mere `IN` may be answered by a walk through all changes.
        """
        if not path:
            return "TRUE", []
        parts: list[str] = []
        values: list[Value] = []
        for column in ("path", "old_path"):
            for condition, some in beneath_prefix(column, path):
                parts.append(f"SELECT change_id FROM changes WHERE job_id = ? AND {condition}")
                values += [job_id, *some]
        return f"change_id = ANY(ARRAY({' UNION ALL '.join(parts)}))", values

    def changes_at(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: the index holds the begin of a path."""
        return _changes_with("path", paths)

    def moves_off(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values, likewise."""
        condition, values = _changes_with("old_path", paths)
        return f"old_path IS NOT NULL AND {condition}", values

    def first_slash(self, path: str) -> str:
        """Give an expression: where the first slash is in a path."""
        return f"position('\\x2f'::bytea in {path})"

    # The bulk path

    @contextlib.contextmanager
    def staging(self, job_id: int, run_id: int) -> Iterator[Staging]:
        """Give a place for the rows of a run: tables of its own, without a log, made when first needed."""
        staging = PostgresStaging(
            self.connection, job_id, run_id, has_tree=self.has_tree, translated=self.translated
        )
        staging.begin()
        try:
            yield staging
        finally:
            staging.end()

    # Errors

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Give a block that raises a `RunError` where PostgreSQL raises its own."""
        try:
            yield
        except psycopg.Error as error:
            raise told(error, shown=self.shown, is_lost=self.connection.closed) from error


def _changes_with(column: str, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
    places = ", ".join("?" * len(paths))
    condition = f"{prefix_of(column)} IN ({places}) AND {column} IN ({places})"
    return condition, [*(path[:PREFIX_BYTES] for path in paths), *paths]

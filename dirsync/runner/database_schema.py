"""The tables of the state database, and how an older one becomes a newer one."""

from __future__ import annotations

import sqlite3
import time

from dirsync.errors import RunError
from dirsync.model.names import escaped

BUSY_SECONDS = 4.0  # how long one waits for another: less than a run that is told to stop may take
_PAUSE_SECONDS = 0.01

# One script a version; `user_version` counts those already applied.
_STEPS = (
    (
        """
        CREATE TABLE runs (
            run_id INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL,
            type TEXT NOT NULL,
            started_at TEXT NOT NULL,
            finished_at TEXT,
            outcome TEXT,
            dry_run INTEGER NOT NULL,
            error TEXT,
            pid INTEGER NOT NULL,
            scanned INTEGER NOT NULL DEFAULT 0,
            created INTEGER NOT NULL DEFAULT 0,
            modified INTEGER NOT NULL DEFAULT 0,
            metadata INTEGER NOT NULL DEFAULT 0,
            moved INTEGER NOT NULL DEFAULT 0,
            deleted INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            bytes_copied INTEGER NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX runs_of_a_job ON runs (job, run_id)",
        "CREATE INDEX runs_unfinished ON runs (job) WHERE outcome IS NULL",
        """
        CREATE TABLE facts (
            job TEXT NOT NULL,
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (job, key)
        ) WITHOUT ROWID
        """,
    ),
    (
        # Runs that keep what they displace, and what each path was before them.
        """
        CREATE TABLE version_runs (
            job TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            area BLOB NOT NULL,
            settled INTEGER NOT NULL,
            PRIMARY KEY (job, run_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE before_runs (
            job TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            path BLOB NOT NULL,
            kind TEXT NOT NULL,
            entry TEXT,
            kept INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (job, run_id, path, kind)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX before_runs_of_a_path ON before_runs (job, path, run_id)",
    ),
    (
        """
        CREATE TABLE hashes (
            job TEXT NOT NULL,
            path BLOB NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            ctime_ns INTEGER NOT NULL,
            algorithm TEXT NOT NULL,
            hash BLOB NOT NULL,
            verified_at TEXT NOT NULL,
            PRIMARY KEY (job, path)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE unverified (
            job TEXT NOT NULL,
            path BLOB NOT NULL,
            ctime_ns INTEGER NOT NULL,
            PRIMARY KEY (job, path)
        ) WITHOUT ROWID
        """,
    ),
    (
        # Which object of the source became which path of the destination.
        """
        CREATE TABLE identities (
            job TEXT NOT NULL,
            ino INTEGER NOT NULL,
            ctime_ns INTEGER NOT NULL,
            path BLOB NOT NULL,
            PRIMARY KEY (job, ino)
        ) WITHOUT ROWID
        """,
        "CREATE UNIQUE INDEX identities_by_path ON identities (job, path)",
    ),
)


def prepare(connection: sqlite3.Connection, *, path: str) -> None:
    """Make a connection durable and its database of this version.

    `path` is for messages only. Costs one read when there is nothing to do.

    Raises:
        RunError: the database was written by a later version.
        sqlite3.Error: it cannot be read or written.
    """
    connection.execute("PRAGMA synchronous = FULL")
    if _version(connection) != len(_STEPS):
        _upgrade(connection, path=path)
    _write_ahead(connection)


def _upgrade(connection: sqlite3.Connection, *, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # again, now that nobody else can change it
        if version > len(_STEPS):
            raise RunError(
                f"ledger '{escaped(path)}' is of version {version}, this program knows "
                f"up to {len(_STEPS)}; use the newer program"
            )
        for statements in _STEPS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_STEPS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log, once in a database's life.

    SQLite's own timeout does not hold here: it refuses at once while another
    connection is about to write (8 threads on a new ledger: 1 refusal in 2,400).
    """
    ends_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > ends_at:
                raise
        time.sleep(_PAUSE_SECONDS)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)

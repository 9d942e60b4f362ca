"""The tables of the state database, and how an older one becomes a newer one."""

from __future__ import annotations

import sqlite3
from itertools import chain

from dirsync.errors import RunError
from dirsync.model.names import escaped
from dirsync.sqlite_connection import altering, number, write_ahead

BUSY_SECONDS = 4.0  # how long one waits for another: less than a run that is told to stop may take

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
    if number(connection, "user_version") != len(_STEPS):
        _upgrade(connection, path=path)
    write_ahead(connection, patience_seconds=BUSY_SECONDS)


def _upgrade(connection: sqlite3.Connection, *, path: str) -> None:
    with altering(connection):
        version = number(connection, "user_version")  # again, now that nobody else can change it
        if version > len(_STEPS):
            raise RunError(
                f"ledger '{escaped(path)}' is of version {version}, this program knows "
                f"up to {len(_STEPS)}; use the newer program"
            )
        for statement in chain.from_iterable(_STEPS[version:]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_STEPS)}")

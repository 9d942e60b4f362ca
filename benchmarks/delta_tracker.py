"""A peer that keeps a catalog by loading all of it: `python -m benchmarks.delta_tracker init|scan|count`.

Written from what fs-delta-tracker says of its method in public: a pool of processes walks the tree
with `os.scandir` and streams path, size and mtime of everything by COPY into an unlogged staging
table; one statement of several CTEs brings the table of files up to date and fills the audit table;
the staging table is dropped. Made as fast as that goes: binary COPY, a connection a process, nothing
indexed but the path, no fingerprint of content. Its table says in which scan each file was last seen,
so every row is written by every scan; `--lean` writes those that differ alone, which is faster than
what it describes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import struct
import sys
import time
from collections.abc import Iterable

import psycopg

from benchmarks.stat_walk import walk

_SCHEMA = """
DROP SCHEMA IF EXISTS filesystem CASCADE;
CREATE SCHEMA filesystem;
CREATE TABLE filesystem.scan_runs (
    scan_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    staged bigint, added bigint, modified bigint, removed bigint, bytes bigint
);
CREATE TABLE filesystem.files (
    path bytea PRIMARY KEY, size bigint NOT NULL, mtime_ns bigint NOT NULL, last_seen int NOT NULL
);
CREATE TABLE filesystem.file_changes (
    scan_id int NOT NULL, path bytea NOT NULL, kind text NOT NULL,
    old_size bigint, new_size bigint, old_mtime_ns bigint, new_mtime_ns bigint
);
"""
_SESSION = "SET jit = off; SET work_mem = '512MB'"
_STAGING = "filesystem.staging_files"
_STAGE = f"CREATE UNLOGGED TABLE {_STAGING} (size bigint, mtime_ns bigint, path bytea)"
_DIFFERS = "(new.size, new.mtime_ns) IS DISTINCT FROM (old.size, old.mtime_ns)"
_MERGE = f"""
WITH joined AS MATERIALIZED (
    SELECT path, new.path IS NOT NULL AS is_there, old.path IS NOT NULL AS was_there,
           old.size AS old_size, new.size AS new_size,
           old.mtime_ns AS old_mtime_ns, new.mtime_ns AS new_mtime_ns,
           {_DIFFERS} AS differs
    FROM {_STAGING} AS new FULL JOIN filesystem.files AS old USING (path)
    WHERE {_DIFFERS} OR NOT %(lean)s
), merged AS (
    INSERT INTO filesystem.files
    SELECT path, new_size, new_mtime_ns, %(scan)s FROM joined WHERE is_there
    ON CONFLICT (path) DO UPDATE SET (size, mtime_ns, last_seen)
        = (excluded.size, excluded.mtime_ns, excluded.last_seen)
), dropped AS (
    DELETE FROM filesystem.files USING joined WHERE files.path = joined.path AND NOT is_there
), audited AS (
    INSERT INTO filesystem.file_changes
    SELECT %(scan)s, path,
           CASE WHEN NOT was_there THEN 'new' WHEN is_there THEN 'modified' ELSE 'removed' END,
           old_size, new_size, old_mtime_ns, new_mtime_ns
    FROM joined WHERE differs
    RETURNING kind, new_size
)
UPDATE filesystem.scan_runs
SET (finished_at, staged, added, modified, removed, bytes) = (
    SELECT clock_timestamp(), %(staged)s, count(*) FILTER (WHERE kind = 'new'),
           count(*) FILTER (WHERE kind = 'modified'), count(*) FILTER (WHERE kind = 'removed'),
           coalesce(sum(new_size), 0)
    FROM audited
)
WHERE scan_id = %(scan)s
RETURNING added, modified, removed
"""
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_ROW = struct.Struct(">hiqiqi")  # columns; size and mtime, each with its length; the length of the path
_BUFFER_BYTES = 1 << 18


def main() -> int:
    """Do what was asked for, and say what it came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delta_tracker", description=__doc__)
    parser.add_argument("verb", choices=["init", "scan", "count"])
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--directory", type=os.fsencode)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--lean", action="store_true")
    asked = parser.parse_args()
    with psycopg.connect(asked.database, autocommit=True) as connection:
        if asked.verb == "init":
            connection.execute(_SCHEMA)
        elif asked.verb == "count":
            print(*connection.execute("SELECT count(*) FROM filesystem.files").fetchone() or ())
        else:
            print(scan(connection, asked))
    return 0


def scan(connection: psycopg.Connection[tuple[object, ...]], asked: argparse.Namespace) -> str:
    """Load everything, merge, and tell the counts and seconds."""
    connection.execute(_SESSION)
    connection.execute(f"DROP TABLE IF EXISTS {_STAGING}".encode())  # of a scan that died
    connection.execute(_STAGE.encode())
    began = connection.execute("INSERT INTO filesystem.scan_runs DEFAULT VALUES RETURNING scan_id").fetchone()
    began_at = time.perf_counter()
    staged = walk(
        asked.directory,
        processes=asked.processes,
        opened=lambda: _Staging(asked.database, root=asked.directory),
    )
    staged_at = time.perf_counter()
    facts = {"scan": began[0] if began else None, "staged": staged, "lean": asked.lean}
    counts = connection.execute(_MERGE.encode(), facts).fetchone()
    connection.execute(f"DROP TABLE {_STAGING}".encode())
    merged_at = time.perf_counter()
    added, modified, removed = counts or (None, None, None)
    walking, merging = staged_at - began_at, merged_at - staged_at
    return (
        f"{staged} entries: {added} new, {modified} modified, {removed} removed; "
        f"walk and COPY {walking:.3f} s ({staged / walking:,.0f} rows/s), "
        f"merge {merging:.3f} s ({staged / merging:,.0f} rows/s)"
    )


class _Staging:
    """A process's stream of rows into the staging table."""

    def __init__(self, database: str, *, root: bytes) -> None:
        self._skipped_bytes = len(root) + 1
        self._connection = psycopg.connect(database)
        self._opened = self._connection.cursor().copy(
            f"COPY {_STAGING} (size, mtime_ns, path) FROM STDIN (FORMAT binary)".encode()
        )
        self._copy = self._opened.__enter__()
        self._pieces = bytearray(_SIGNATURE)

    def take(self, entries: list[os.DirEntry[bytes]], stats: list[os.stat_result]) -> None:
        """Write a row an entry."""
        skipped = self._skipped_bytes
        paths = [entry.path[skipped:] for entry in entries]
        rows = zip(_fixed_parts(paths, stats), paths, strict=True)
        self._pieces += b"".join(itertools.chain.from_iterable(rows))
        if len(self._pieces) > _BUFFER_BYTES:
            self._flush()

    def finish(self) -> None:
        """Make the rows visible to the merge."""
        self._pieces += _TRAILER
        self._flush()
        self._opened.__exit__(None, None, None)
        self._connection.commit()
        self._connection.close()

    def _flush(self) -> None:
        self._copy.write(self._pieces)
        self._pieces = bytearray()


def _fixed_parts(paths: list[bytes], stats: list[os.stat_result]) -> Iterable[bytes]:
    """Give the bytes of each row up to the path, without a step of Python a row."""
    columns, length = itertools.repeat(3), itertools.repeat(8)
    sizes = [status.st_size for status in stats]
    mtimes_ns = [status.st_mtime_ns for status in stats]
    return map(_ROW.pack, columns, length, sizes, length, mtimes_ns, map(len, paths))


if __name__ == "__main__":
    sys.exit(main())

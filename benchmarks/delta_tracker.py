"""A peer that keeps a catalog by loading all of it: `python -m benchmarks.delta_tracker init|scan|count`.

Written from what fs-delta-tracker says of its method in public, with its tables and their keys: a
pool of processes lists directories with `os.scandir` and gives rows of path, size and mtime as
tab-separated text; one `COPY` streams them into an unlogged staging table; one statement of several
CTEs brings the table of files up to date (`INSERT … ON CONFLICT DO UPDATE`, `DELETE … RETURNING`) and
fills the audit table; the staging table is emptied. Each file's row says in which scan it was last
seen. No fingerprint of content is made.

`--lean` does the same work as fast as that goes, and as that project does not: binary `COPY` on a
connection a process, no key but the path, and only rows that differ are written.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import struct
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import SimpleQueue

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
    path text PRIMARY KEY, size bigint NOT NULL, mtime_ns bigint NOT NULL, last_seen int NOT NULL
);
CREATE TABLE filesystem.file_changes (
    scan_id int NOT NULL, path text NOT NULL, kind text NOT NULL,
    old_size bigint, new_size bigint, old_mtime_ns bigint, new_mtime_ns bigint
);
CREATE UNLOGGED TABLE filesystem.staging_files (
    scan_id int NOT NULL, path text NOT NULL, size bigint NOT NULL, mtime_ns bigint NOT NULL{key}
);
"""
_STAGING_KEY = ", PRIMARY KEY (scan_id, path)"
_SESSION = "SET jit = off; SET work_mem = '512MB'"
_DIFFERS = "(new.size, new.mtime_ns) IS DISTINCT FROM (old.size, old.mtime_ns)"
_STAGED = "SELECT path, size, mtime_ns FROM filesystem.staging_files WHERE scan_id = %(scan)s"
_COUNTED = """
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
_MERGE = f"""
WITH staged AS NOT MATERIALIZED ({_STAGED}),
merged AS (
    INSERT INTO filesystem.files
    SELECT path, size, mtime_ns, %(scan)s FROM staged
    ON CONFLICT (path) DO UPDATE SET (size, mtime_ns, last_seen)
        = (excluded.size, excluded.mtime_ns, excluded.last_seen)
), removed AS (
    DELETE FROM filesystem.files AS old WHERE NOT EXISTS (SELECT FROM staged WHERE staged.path = old.path)
    RETURNING path, size, mtime_ns
), audited AS (
    INSERT INTO filesystem.file_changes
    SELECT %(scan)s, path, CASE WHEN old.path IS NULL THEN 'new' ELSE 'modified' END,
           old.size, new.size, old.mtime_ns, new.mtime_ns
    FROM staged AS new LEFT JOIN filesystem.files AS old USING (path) WHERE {_DIFFERS}
    UNION ALL
    SELECT %(scan)s, path, 'removed', size, NULL, mtime_ns, NULL FROM removed
    RETURNING kind, new_size
)
{_COUNTED}"""
_LEAN_MERGE = f"""
WITH joined AS MATERIALIZED (
    SELECT path, new.path IS NOT NULL AS is_there, old.path IS NOT NULL AS was_there,
           old.size AS old_size, new.size AS new_size,
           old.mtime_ns AS old_mtime_ns, new.mtime_ns AS new_mtime_ns
    FROM ({_STAGED}) AS new FULL JOIN filesystem.files AS old USING (path)
    WHERE {_DIFFERS}
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
    FROM joined
    RETURNING kind, new_size
)
{_COUNTED}"""
_EMPTY = "TRUNCATE filesystem.staging_files"
_COPY = "COPY filesystem.staging_files (scan_id, path, size, mtime_ns) FROM STDIN"
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_BEGINNING = struct.Struct(">hiii")  # columns; the scan with its length; the length of the path
_END = struct.Struct(">iqiq")  # size and mtime, each with its length
_BUFFER_BYTES = 1 << 18
_FORK = multiprocessing.get_context("fork")

Connection = psycopg.Connection[tuple[object, ...]]
Texts = SimpleQueue["bytes | None"]


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
            connection.execute(_SCHEMA.format(key="" if asked.lean else _STAGING_KEY).encode())
        elif asked.verb == "count":
            print(*connection.execute("SELECT count(*) FROM filesystem.files").fetchone() or ())
        else:
            print(scan(connection, asked))
    return 0


def scan(connection: Connection, asked: argparse.Namespace) -> str:
    """Load everything, merge, and tell the counts and seconds."""
    connection.execute(_SESSION)
    connection.execute(_EMPTY)  # of a scan that died
    began = connection.execute("INSERT INTO filesystem.scan_runs DEFAULT VALUES RETURNING scan_id").fetchone()
    assert began is not None
    scan_id = int(str(began[0]))
    began_at = time.perf_counter()
    staged = (_stage_in_parallel if asked.lean else _stage)(connection, asked, scan_id)
    staged_at = time.perf_counter()
    merge = _LEAN_MERGE if asked.lean else _MERGE
    counts = connection.execute(merge.encode(), {"scan": scan_id, "staged": staged}).fetchone()
    connection.execute(_EMPTY)
    merged_at = time.perf_counter()
    added, modified, removed = counts or (None, None, None)
    walking, merging = staged_at - began_at, merged_at - staged_at
    return (
        f"{staged} entries: {added} new, {modified} modified, {removed} removed; "
        f"walk and COPY {walking:.3f} s ({staged / walking:,.0f} rows/s), "
        f"merge {merging:.3f} s ({staged / merging:,.0f} rows/s)"
    )


def _stage(connection: Connection, asked: argparse.Namespace, scan_id: int) -> int:
    """Have the pool's rows go through one COPY, as they come."""
    texts: Texts = _FORK.SimpleQueue()
    with ThreadPoolExecutor(1) as executor:
        copying = executor.submit(_copy, connection, texts, asked.processes)
        opened: Callable[[], _TextRows] = lambda: _TextRows(texts, scan_id, root=asked.directory)  # noqa: E731
        staged = walk(asked.directory, processes=asked.processes, opened=opened)
        copying.result()
    return staged


def _copy(connection: Connection, texts: Texts, senders: int) -> None:
    with connection.cursor().copy(_COPY.encode()) as copy:
        while senders:
            text = texts.get()
            if text is None:
                senders -= 1
            else:
                copy.write(text)


class _TextRows:
    """Sends rows as tab-separated text."""

    def __init__(self, texts: Texts, scan_id: int, *, root: bytes) -> None:
        self._texts = texts
        self._beginning = b"%d\t" % scan_id
        self._skipped_bytes = len(root) + 1
        self._pieces = bytearray()

    def take(self, entries: list[os.DirEntry[bytes]], stats: list[os.stat_result]) -> None:
        """Write a line an entry; the trees of the benchmarks have no name that needs escapes."""
        beginning, skipped = self._beginning, self._skipped_bytes
        for entry, status in zip(entries, stats, strict=True):
            figures = b"\t%d\t%d\n" % (status.st_size, status.st_mtime_ns)
            self._pieces += beginning + entry.path[skipped:] + figures
        if len(self._pieces) > _BUFFER_BYTES:
            self._send()

    def finish(self) -> None:
        """Send what is left, and that this was all."""
        self._send()
        self._texts.put(None)

    def _send(self) -> None:
        self._texts.put(bytes(self._pieces))
        self._pieces.clear()


def _stage_in_parallel(connection: Connection, asked: argparse.Namespace, scan_id: int) -> int:
    """Have each process of the pool load its own rows."""
    return walk(
        asked.directory,
        processes=asked.processes,
        opened=lambda: _BinaryRows(asked.database, scan_id, root=asked.directory),
    )


class _BinaryRows:
    """A process's stream of rows into the staging table."""

    def __init__(self, database: str, scan_id: int, *, root: bytes) -> None:
        self._scan_id = scan_id
        self._skipped_bytes = len(root) + 1
        self._connection = psycopg.connect(database)
        self._opened = self._connection.cursor().copy(f"{_COPY} (FORMAT binary)".encode())
        self._copy = self._opened.__enter__()
        self._pieces = bytearray(_SIGNATURE)

    def take(self, entries: list[os.DirEntry[bytes]], stats: list[os.stat_result]) -> None:
        """Write a row an entry, without a step of Python a row."""
        skipped = self._skipped_bytes
        paths = [entry.path[skipped:] for entry in entries]
        four, eight = itertools.repeat(4), itertools.repeat(8)
        scans = itertools.repeat(self._scan_id)
        beginnings = map(_BEGINNING.pack, four, four, scans, map(len, paths))
        sizes = [status.st_size for status in stats]
        mtimes_ns = [status.st_mtime_ns for status in stats]
        ends = map(_END.pack, eight, sizes, eight, mtimes_ns)
        rows: Iterable[tuple[bytes, bytes, bytes]] = zip(beginnings, paths, ends, strict=True)
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


if __name__ == "__main__":
    sys.exit(main())

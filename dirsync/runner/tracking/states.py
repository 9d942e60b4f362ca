"""A tracked tree as its catalog has it: now, or after an earlier run.

An earlier state is the present one with the changes since taken back, run by run, in a
table of its own beside the state directory; it is gone when it was read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.retention import checkpoint
from dirsync.errors import RunError
from dirsync.model.change import ChangeKind, Failure
from dirsync.model.entry import Kind
from dirsync.model.job import Compare, HashAlgorithm, TrackJob
from dirsync.model.recorded import CatalogJob, Recorded, RecordedChange, RecordedDirectory, RecordedRun
from dirsync.model.snapshot import Seen, Sighting, path_key
from dirsync.trees.handles import join

Changes = Callable[[Sequence[ChangeKind]], Iterator[RecordedChange]]  # those of one run, of some kinds

_COLUMNS = ("mode", "size", "mtime_ns", "uid", "gid", "target", "hash")
_PLACES = ", ".join("?" * (3 + len(_COLUMNS)))


def algorithm_of(job: TrackJob) -> HashAlgorithm | None:
    """Say what hashes the content of a job's files; None: nothing does anywhere."""
    everywhere = (job.comparison.by, *(rule.attributes for rule in job.rules))
    return job.comparison.algorithm if any(Compare.HASH in by for by in everywhere) else None


class LatestState:
    """A tracked tree as it is on record."""

    def __init__(self, job: TrackJob, catalog: Catalog, known: CatalogJob) -> None:
        self.algorithm = algorithm_of(job)
        self._catalog = catalog
        self._known = known

    def sightings(self) -> Iterator[Sighting]:
        """Give every entry, and the directories that could not be listed, in path order."""
        for root in self._directories([b""]).values():
            yield from self._beneath(root)

    def _directories(self, paths: list[bytes]) -> dict[bytes, RecordedDirectory]:
        return self._catalog.directories_at(self._known.job_id, paths)

    def _beneath(self, root: RecordedDirectory) -> Iterator[Sighting]:
        """Walk the directories on record, each level's held on a stack of their rows."""
        stack = [self._opened(root)]
        while stack:
            for sighting, directory in stack[-1]:
                if sighting is not None:
                    yield sighting
                if directory is not None:
                    stack.append(self._opened(directory))
                    break
            else:
                stack.pop()

    def _opened(
        self, directory: RecordedDirectory
    ) -> Iterator[tuple[Sighting | None, RecordedDirectory | None]]:
        """Give what is in a directory: what was seen there, each with the directory it is."""
        if directory.unseen_since is not None:
            reason = f"could not be listed since run {directory.unseen_since}"
            yield Failure(directory.path, reason), None
        entries = self._catalog.entries_in(self._known.job_id, [directory.directory_id])
        rows = [row for _, row in entries if row.name]
        paths = [join(directory.path, row.name) for row in rows if row.kind is Kind.DIRECTORY]
        below = self._directories(paths) if paths else {}
        for row in rows:
            path = join(directory.path, row.name)
            yield None if row.is_passage else _seen(path, row), below.get(path)


def _seen(path: bytes, row: Recorded) -> Seen:
    return Seen(row.entry(path), row.hash)


class EarlierState:
    """A tracked tree as it was after an earlier run."""

    def __init__(
        self, job: TrackJob, catalog: Catalog, known: CatalogJob, *, run_id: int, folder: str
    ) -> None:
        """Take back what was recorded after `run_id`; `folder` is where there is room."""
        self.algorithm = algorithm_of(job)
        self._latest = LatestState(job, catalog, known)
        self._catalog = catalog
        self._known = known
        self._run_id = run_id
        self._folder = folder

    def sightings(self) -> Iterator[Sighting]:
        """Give every entry in path order, and what is unknown on record."""
        with (
            tempfile.TemporaryDirectory(prefix="dirsync-", dir=self._folder) as folder,
            contextlib.closing(sqlite3.connect(os.path.join(folder, "state.db"))) as connection,
        ):
            past = _Past(connection)
            past.fill(self._latest.sightings())
            for run in self._catalog.runs(self._known.job_id, after_run=self._run_id):
                if run.last_change >= run.first_change:
                    past.take_back(partial(self._changes, run), rot=self._rot(run))
            yield from past.sightings()

    def _changes(self, run: RecordedRun, kinds: Sequence[ChangeKind]) -> Iterator[RecordedChange]:
        changes = self._catalog.changes(
            self._known.job_id,
            first=run.first_change,
            last=run.last_change,
            kinds=[kind.value for kind in kinds],
            quiet=True,
        )
        return (change for change in changes if not change.rotted)

    def _rot(self, run: RecordedRun) -> Iterator[RecordedChange]:
        return self._catalog.changes(
            self._known.job_id, first=run.first_change, last=run.last_change, only_rot=True
        )


class _Past:
    """A state in a table, altered run by run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        columns = ", ".join(_COLUMNS)
        connection.execute(f"CREATE TABLE entries (path BLOB PRIMARY KEY, key BLOB, failure TEXT, {columns})")
        connection.execute(f"CREATE TABLE taken (path BLOB, key BLOB, failure TEXT, {columns})")
        connection.execute("CREATE TABLE moves (depth INTEGER, path BLOB, old_path BLOB)")
        connection.create_function("old_path_of", 3, _old_path_of, deterministic=True)
        connection.create_function("path_key", 1, path_key, deterministic=True)

    def fill(self, sightings: Iterable[Sighting]) -> None:
        """Take a state in; a failure comes after the entry of its path, and is kept beside it."""
        failure = "ON CONFLICT (path) DO UPDATE SET failure = excluded.failure"
        self._connection.executemany(
            f"INSERT INTO entries VALUES ({_PLACES}) {failure}", map(_row, sightings)
        )

    def _put(self, rows: Iterable[tuple[object, ...]]) -> None:
        self._connection.executemany(f"INSERT OR REPLACE INTO entries VALUES ({_PLACES})", rows)

    def take_back(self, changes: Changes, *, rot: Iterable[RecordedChange]) -> None:
        """Take one run's changes back at once: paths are of after it, old paths of before it.

        They are asked for kind by kind, for a run may have made very many. Rot is on record
        only where it was accepted, and may have been overwritten since.
        """
        for change in changes([ChangeKind.CREATED]):
            self._connection.execute("DELETE FROM entries WHERE path = ?", (change.path,))
        kept = changes([ChangeKind.DELETED, ChangeKind.MODIFIED, ChangeKind.METADATA])
        self._put(_told_row(c.path, c.old) for c in kept if c.old is not None and c.path)
        self._connection.executemany(
            "UPDATE entries SET hash = ? WHERE path = ? AND hash = ?",
            ((c.old.hash, c.path, c.new.hash) for c in rot if c.old is not None and c.new is not None),
        )
        self._put_moves(changes([ChangeKind.MOVED]))
        moves = self._connection.execute("SELECT path, old_path FROM moves ORDER BY depth DESC, rowid")
        for path, old_path in moves:
            self._take(path, old_path)
        self._connection.execute("INSERT OR REPLACE INTO entries SELECT * FROM taken ORDER BY rowid")
        moved = changes([ChangeKind.MOVED])
        self._put(_told_row(c.old_path, c.old) for c in moved if c.old is not None and c.old_path is not None)
        self._connection.execute("DELETE FROM taken")
        self._connection.execute("DELETE FROM moves")

    def _put_moves(self, moves: Iterable[RecordedChange]) -> None:
        rows = ((move.path.count(b"/"), move.path, move.old_path) for move in moves)
        self._connection.executemany("INSERT INTO moves VALUES (?, ?, ?)", rows)

    def _take(self, path: bytes, old_path: bytes) -> None:
        """Take a path and all beneath it out, with the paths of before."""
        where, values = "path = ? OR (path > ? AND path < ?)", (path, path + b"/", path + b"0")
        columns = ", ".join(("failure", *_COLUMNS))
        self._connection.execute(
            f"INSERT INTO taken SELECT old_path, path_key(old_path), {columns} FROM "
            f"(SELECT old_path_of(path, ?, ?) AS old_path, {columns} FROM entries WHERE {where})",
            (path, old_path, *values),
        )
        self._connection.execute(f"DELETE FROM entries WHERE {where}", values)

    def sightings(self) -> Iterator[Sighting]:
        """Give what is there, in path order."""
        for path, _, failure, *row in self._connection.execute("SELECT * FROM entries ORDER BY key"):
            if row[0] is not None:
                mode, size, mtime_ns, uid, gid, target, hash_ = row
                recorded = Recorded(b"", mode, size, mtime_ns, 0, uid, gid, 0, target, hash_)
                yield Seen(recorded.entry(path), hash_)
            if failure is not None:
                yield Failure(path, failure)


def _row(sighting: Sighting) -> tuple[object, ...]:
    path = sighting.path
    if isinstance(sighting, Failure):
        return (path, path_key(path), sighting.reason, *(None for _ in _COLUMNS))
    entry = sighting.entry
    figures = (entry.mode, entry.size, entry.mtime_ns, entry.uid, entry.gid)
    return (path, path_key(path), None, *figures, entry.target, sighting.hash)


def _told_row(path: bytes, old: Recorded) -> tuple[object, ...]:
    figures = (old.mode, old.size, old.mtime_ns, old.uid, old.gid)
    return (path, path_key(path), None, *figures, old.target, old.hash)


def _old_path_of(now: bytes, path: bytes, old_path: bytes) -> bytes:
    """Give where something was that is at or beneath a path by now."""
    return old_path + now[len(path) :]


def run_at(catalog: Catalog, known: CatalogJob, text: str, *, before: str | None) -> int:
    """Find the run whose state is meant: `latest`, a run's id, or the last that began `before` a moment.

    Raises:
        RunError: there is no such run.
    """
    runs = catalog.runs(known.job_id)
    if not runs:
        raise RunError(f"'{known.name}': nothing is recorded yet; run the job once first")
    if text == "latest":
        return runs[0].run_id
    if before is None:
        found = [run for run in runs if str(run.run_id) == text]
    else:
        found = [run for run in runs if run.started_at.isoformat() <= before]
    if not found:
        what = f"no run {text}" if before is None else f"no run from before {text}"
        ids = f"the runs on record are {runs[-1].run_id} to {runs[0].run_id}"
        pruned = checkpoint(catalog, known)
        if pruned is not None:
            ids += f", and what was up to run {pruned.run_id} was pruned, as 'keep' asks"
        raise RunError(f"'{known.name}': {what} is in the catalog; {ids}")
    return found[0].run_id

"""A tracked tree as its catalog has it: now, or after an earlier run.

An earlier state is the present one with the changes since taken back, run by run, in a
table of its own beside the state directory; it is gone when it was read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.retention import checkpoint
from dirsync.errors import RunError
from dirsync.model.change import ChangeKind, Failure
from dirsync.model.entry import Kind
from dirsync.model.job import Compare, HashAlgorithm, TrackJob
from dirsync.model.recorded import CatalogJob, Recorded, RecordedChange, RecordedDirectory
from dirsync.model.snapshot import Seen, Sighting, path_key
from dirsync.trees.handles import join

_COLUMNS = ("mode", "size", "mtime_ns", "uid", "gid", "target", "hash")


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
                    past.take_back(self._changes(run.first_change, run.last_change))
            yield from past.sightings()

    def _changes(self, first: int, last: int) -> list[RecordedChange]:
        changes = self._catalog.changes(self._known.job_id, first=first, last=last, quiet=True)
        return [change for change in changes if not change.rotted]


class _Past:
    """A state in a table, altered run by run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        columns = ", ".join(_COLUMNS)
        connection.execute(f"CREATE TABLE entries (path BLOB PRIMARY KEY, key BLOB, failure TEXT, {columns})")

    def fill(self, sightings: Iterable[Sighting]) -> None:
        """Take a state in."""
        self._put(map(_row, sightings))

    def _put(self, rows: Iterable[tuple[object, ...]]) -> None:
        places = ", ".join("?" * (3 + len(_COLUMNS)))
        self._connection.executemany(f"INSERT OR REPLACE INTO entries VALUES ({places})", rows)

    def take_back(self, changes: list[RecordedChange]) -> None:
        """Take one run's changes back at once: paths are of after it, old paths of before it."""
        for change in changes:
            if change.kind is ChangeKind.CREATED:
                self._connection.execute("DELETE FROM entries WHERE path = ?", (change.path,))
        kept = (ChangeKind.DELETED, ChangeKind.MODIFIED, ChangeKind.METADATA)
        was = [c for c in changes if c.kind in kept and c.old is not None and c.path]
        self._put(_told_row(change.path, change.old) for change in was if change.old is not None)
        moves = [change for change in changes if change.kind is ChangeKind.MOVED]
        taken = [(move, self._taken(move.path)) for move in sorted(moves, key=_deepest_first)]
        for move, rows in taken:
            assert move.old_path is not None
            self._put(_moved_row(row, move.path, move.old_path) for row in rows)
            if move.old is not None:
                self._put([_told_row(move.old_path, move.old)])

    def _taken(self, path: bytes) -> list[tuple[object, ...]]:
        """Take a path and all beneath it out."""
        where, values = "path = ? OR (path > ? AND path < ?)", (path, path + b"/", path + b"0")
        rows = self._connection.execute(f"SELECT * FROM entries WHERE {where}", values).fetchall()
        self._connection.execute(f"DELETE FROM entries WHERE {where}", values)
        return rows

    def sightings(self) -> Iterator[Sighting]:
        """Give what is there, in path order."""
        for path, _, failure, *row in self._connection.execute("SELECT * FROM entries ORDER BY key"):
            if row[0] is not None:
                mode, size, mtime_ns, uid, gid, target, hash_ = row
                recorded = Recorded(b"", mode, size, mtime_ns, 0, uid, gid, 0, target, hash_)
                yield Seen(recorded.entry(path), hash_)
            if failure is not None:
                yield Failure(path, failure)


def _deepest_first(change: RecordedChange) -> int:
    return -change.path.count(b"/")


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


def _moved_row(row: tuple[object, ...], path: bytes, old_path: bytes) -> tuple[object, ...]:
    now = row[0]
    assert isinstance(now, bytes)
    then = old_path + now[len(path) :]
    return (then, path_key(then), *row[2:])


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

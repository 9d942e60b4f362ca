"""States of a tree as literals, and snapshot files of real ones."""

from __future__ import annotations

import datetime
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from dirsync.filters import scope_of
from dirsync.filters.selection import Selection
from dirsync.model.change import Failure
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm, PatternLine
from dirsync.model.place import LocalPlace
from dirsync.model.snapshot import Seen, Sighting, SnapshotHeader, State
from dirsync.runner.present import DirectoryState
from dirsync.snapshot.reading import Snapshot
from dirsync.snapshot.writing import write_snapshot

TAKEN_AT = datetime.datetime(2026, 11, 21, 12, 30, 0, 123000, tzinfo=datetime.UTC)


def seen(
    path: bytes,
    kind: int = stat.S_IFREG,
    *,
    mode: int = 0o644,
    size: int = 0,
    mtime_ns: int = 0,
    uid: int = 0,
    gid: int = 0,
    target: bytes | None = None,
    hash: bytes | None = None,
) -> Seen:
    """Make a sighting of an entry, as a snapshot file knows it."""
    return Seen(Entry(path, kind | mode, size, mtime_ns, 0, uid, gid, 0, 0, 1, target), hash)


def directory(path: bytes, *, mode: int = 0o755, mtime_ns: int = 0) -> Seen:
    """Make a sighting of a directory."""
    return seen(path, stat.S_IFDIR, mode=mode, mtime_ns=mtime_ns)


class ListedState:
    """A state that was written down in a test."""

    def __init__(self, *sightings: Sighting, algorithm: HashAlgorithm | None = None) -> None:
        self.algorithm = algorithm
        self._sightings = sightings

    def sightings(self) -> Iterator[Sighting]:
        return iter(self._sightings)


def now(root: Path, *, hashes: bool = False, exclude: Sequence[bytes] = ()) -> DirectoryState:
    """Give the state of a directory as it is now."""
    lines = [PatternLine(text, "--exclude", number) for number, text in enumerate(exclude, 1)]
    return DirectoryState(
        LocalPlace(path=os.fsencode(root)),
        algorithm=HashAlgorithm.BLAKE3 if hashes else None,
        selection=Selection(scope_of(include=(), exclude=lines)),
        check=lambda: None,
    )


def written(state: State, *, root: bytes = b"/root") -> bytes:
    """Write a snapshot of a state."""
    file = io.BytesIO()
    header = SnapshotHeader(root=root, taken_at=TAKEN_AT, algorithm=state.algorithm)
    write_snapshot(file, header, state.sightings())
    return file.getvalue()


def read(text: bytes) -> Snapshot:
    """Open what is in a snapshot file."""
    return Snapshot(io.BytesIO(text), name="snap.json")


def paths_not_seen(state: State) -> list[bytes]:
    """Give the paths that a state does not know."""
    return [found.path for found in state.sightings() if isinstance(found, Failure)]

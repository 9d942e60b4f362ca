"""Directories that turned out to be others, moved: where the catalog has what is now elsewhere."""

from __future__ import annotations

from dirsync.model.recorded import RecordedDirectory
from dirsync.trees.handles import ancestors


class Overlay:
    """The moves of directories that were found so far, seen from both sides.

    A path is now where the source has it, or recorded where the catalog has it. A
    directory in a moved one is recorded beneath the old path until the run is merged.
    """

    def __init__(self) -> None:
        self._recorded: dict[bytes, bytes] = {}  # by where it is now, where it is recorded
        self._now: dict[bytes, bytes] = {}  # the other way round
        self.ids: set[int] = set()  # of the directories that were moved themselves

    def __len__(self) -> int:
        return len(self._recorded)

    def add(self, now: bytes, directory: RecordedDirectory) -> None:
        """Note a move."""
        self._recorded[now] = directory.path
        self._now[directory.path] = now
        self.ids.add(directory.directory_id)

    def moves(self) -> list[tuple[bytes, bytes]]:
        """List the moves: where each directory is now, and where it is recorded."""
        return list(self._recorded.items())

    def moved_from(self, now: bytes) -> bytes | None:
        """Give where a directory is recorded that was moved itself; None: it was not."""
        return self._recorded.get(now)

    def was_moved(self, recorded: bytes) -> bool:
        """Whether the directory recorded at a path was itself moved."""
        return recorded in self._now

    def recorded(self, now: bytes) -> bytes:
        """Give where the catalog has what is at a path now."""
        return _through(self._recorded, now)

    def now(self, recorded: bytes) -> bytes:
        """Give where what the catalog has at a path would be now."""
        return _through(self._now, recorded)


def _through(moves: dict[bytes, bytes], path: bytes) -> bytes:
    if not moves:
        return path
    for above in (path, *ancestors(path)):
        if above in moves:
            return moves[above] + path[len(above) :]
    return path

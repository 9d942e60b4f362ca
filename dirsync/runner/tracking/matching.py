"""Which directory on record is which of those that a scan saw, moved ones too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.march.tracking import SeenDirectory
from dirsync.model.entry import signed
from dirsync.model.job import TrackJob
from dirsync.model.recorded import Recorded, RecordedDirectory, passage_of, recorded_of, recorded_rows
from dirsync.runner.tracking.overlay import Overlay
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree

_NOT_FOLLOWED = 0  # the inode of directories that are merely entered: what is in one moves by itself

Rows = dict[bytes, Recorded]


class Match(NamedTuple):
    """One directory that was seen, and what the catalog has of it."""

    seen: SeenDirectory
    now: Rows  # what was seen in it, hashes not yet in
    unselected: Rows  # what was seen in it, and is not recorded
    directory: RecordedDirectory | None  # None: the catalog does not hold it
    before: Rows


class Matching:
    """Matches directories in the order in which they come; for one thread."""

    def __init__(self, job: TrackJob, catalog: Catalog, job_id: int, *, source: LocalTree) -> None:
        self._job = job
        self._catalog = catalog
        self._job_id = job_id
        self._source = source
        self._new_inodes: dict[bytes, int] = {}  # by path, of directories that are not on record there
        self._replaced: set[bytes] = set()  # those of them where something else is on record
        self._alike: dict[int, list[RecordedDirectory]] = {}  # on record, by the inodes of a piece's new ones
        self.moved = Overlay()
        self.staged: set[int] = set()  # directories on record that were seen, or that could not be listed

    def of(self, changed: list[SeenDirectory]) -> list[Match]:
        """Match directories that were seen, each after those above it."""
        where = [self.moved.recorded(seen.path) for seen in changed]
        directories = self._catalog.directories_at(self._job_id, where)
        rows = self._rows_of(directories.values())
        self._alike = {}
        if self._job.moves:
            self._look_up(seen.ino for seen, at in zip(changed, where, strict=True) if at not in directories)
        return [self._match(seen, directories, rows) for seen in changed]

    def of_unlisted(self, path: bytes) -> RecordedDirectory | None:
        """Find what the catalog has of a directory that could not be listed; None: nothing."""
        where = self.moved.recorded(path)
        directory = self._catalog.directories_at(self._job_id, [where]).get(where)
        if directory is not None and self._is_elsewhere(directory, path):
            directory = None
        if directory is None and self._job.moves:
            directory = self._moved_unlisted_here(path)
        if directory is not None:
            self.staged.add(directory.directory_id)
        return directory

    def left_meanwhile(self, path: bytes) -> bool:
        """Whether a directory was where it is recorded when the scan came by, and was met elsewhere since."""
        return self.moved.recorded(path) == path != self.moved.now(path)

    def new_inode(self, path: bytes) -> int:
        """Give the inode of a directory that is new at a path; 0: it is not, or is not followed."""
        return self._new_inodes.get(path, _NOT_FOLLOWED)

    def inode_of(self, match: Match) -> int:
        """Give the inode that a directory is to be recorded with."""
        if not match.seen.path:
            return match.now[b""].ino
        before = _NOT_FOLLOWED if match.directory is None else match.directory.ino
        return self._new_inodes.get(match.seen.path, before)

    def _rows_of(self, directories: Iterable[RecordedDirectory]) -> dict[int, Rows]:
        rows: dict[int, Rows] = {directory.directory_id: {} for directory in directories}
        for directory_id, row in self._catalog.entries_in(self._job_id, list(rows)):
            rows[directory_id][row.name] = row
        return rows

    def _match(
        self, seen: SeenDirectory, directories: dict[bytes, RecordedDirectory], rows: dict[int, Rows]
    ) -> Match:
        """Find what the catalog has of a directory, also if it had another path."""
        now, unselected = self._seen_rows(seen)
        where = self.moved.recorded(seen.path)  # by now: this piece may have shown that it was moved
        directory = directories.get(where)
        if directory is None and where != seen.path:
            directory = self._catalog.directories_at(self._job_id, [where]).get(where)
        if directory is not None and self._is_elsewhere(directory, seen.path):
            directory = None
        if directory is None and self._job.moves:
            directory = self._moved_here(seen.path, now)
        if directory is None:
            before: Rows = {}
        elif directory.directory_id in rows:
            before = rows[directory.directory_id]
        else:
            before = self._rows_of([directory])[directory.directory_id]
        if directory is not None:
            self.staged.add(directory.directory_id)
        for row in now.values():
            if row.is_passage:
                self._new_inodes[join(seen.path, row.name)] = _NOT_FOLLOWED
            elif row.is_directory and row.name and _has_other_inode(row, before):
                path = join(seen.path, row.name)
                self._new_inodes[path] = row.ino
                if row.name in before:
                    self._replaced.add(path)
        return Match(seen, now, unselected, directory, before)

    def _is_elsewhere(self, directory: RecordedDirectory, path: bytes) -> bool:
        """Whether a directory, found on record for what is at a path, is another: it was met elsewhere."""
        is_left = directory.directory_id in self.moved.ids or directory.path != path
        return is_left and self.moved.now(directory.path) != path

    def _seen_rows(self, seen: SeenDirectory) -> tuple[Rows, Rows]:
        """Give what is recorded of what was seen, and what is not recorded."""
        rows = {row.name: row for row in recorded_rows(seen.listing)}
        for name in seen.entered:
            rows[name] = passage_of(rows[name])
        unselected = {name: rows.pop(name) for name in seen.unselected - seen.entered}
        return rows if seen.path else {b"": recorded_of(self._source.directory(b"")), **rows}, unselected

    def _moved_here(self, path: bytes, now: Rows) -> RecordedDirectory | None:
        """Find the directory that was moved here: of this inode, gone from where it was, alike inside."""
        for directory in self._gone_from_elsewhere(path):
            if _are_alike(self._rows_of([directory])[directory.directory_id], now):
                self.moved.add(path, directory)
                return directory
        return None

    def _moved_unlisted_here(self, path: bytes) -> RecordedDirectory | None:
        """Find the one directory that may have been moved here, where nobody can look inside."""
        candidates = list(self._gone_from_elsewhere(path))
        if len(candidates) != 1:
            return None
        self.moved.add(path, candidates[0])
        return candidates[0]

    def _gone_from_elsewhere(self, path: bytes) -> Iterator[RecordedDirectory]:
        """Give the directories on record of a new one's inode that are no longer where they were."""
        ino = self._new_inodes.get(path, _NOT_FOLLOWED)
        if ino == _NOT_FOLLOWED or path in self._replaced:
            return
        if signed(ino) not in self._alike:
            self._look_up([ino])
        for directory in self._alike[signed(ino)]:
            is_known = directory.directory_id in self.staged or not directory.path
            if not is_known and self._is_gone(self.moved.now(directory.path)):
                yield directory

    def _look_up(self, inos: Iterable[int]) -> None:
        """Find the directories on record of some inodes."""
        wanted = list(dict.fromkeys(map(signed, inos)))  # each once, also where file systems meet
        self._alike.update((ino, []) for ino in wanted)
        for directory in self._catalog.directories_with(self._job_id, wanted):
            self._alike[directory.ino].append(directory)

    def _is_gone(self, path: bytes) -> bool:
        """Whether nothing is at a path any more; whatever is there is compared with what was."""
        try:
            return self._source.entry(path) is None
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False


def _has_other_inode(row: Recorded, before: Rows) -> bool:
    return row.name not in before or before[row.name].ino != row.ino


def _are_alike(before: Rows, now: Rows) -> bool:
    """Whether at least half of the names in one of two directories are the same objects in the other."""
    larger = max(len(before), len(now))
    same = sum(1 for name, row in now.items() if name in before and before[name].ino == row.ino)
    return 2 * same >= larger

"""Reading again what seems unchanged, and naming what rotted: other content under unchanged times.

What rotted keeps the hash it has on record, so that it is found again until somebody
accepts it; as a change it is recorded once. Without a budget files are read directory by
directory, as the catalog gives them. With one the longest unread come first, and what
came of them waits on disk until all of a directory are together.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby, islice
from types import MappingProxyType
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.contents import Contents
from dirsync.catalog.recording import Recording
from dirsync.model.change import Aspect, ChangeKind, Failure
from dirsync.model.job import Severity, TrackJob
from dirsync.model.recorded import CatalogJob, Recorded, RecordedDirectory, storable
from dirsync.runner.tracking.budget import Budget, Due
from dirsync.runner.tracking.findings import Unfinished
from dirsync.trees.handles import join
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, open_tree
from dirsync.trees.parallel import in_threads

_AT_ONCE = 2_000  # files of one directory that are staged at once
_NONE: Mapping[int, Unfinished] = MappingProxyType({})


class Reread(NamedTuple):
    """One file that was to be read again."""

    file: Due
    content: Content | None  # None: it was not read
    read_at: int = 0  # seconds since 1970
    reason: str | None = None  # why it could not be read; None without content: it is not as on record
    is_gone: bool = False  # nothing is there

    @property
    def path(self) -> bytes:
        """Where the file is."""
        return self.file.path

    @property
    def row(self) -> Recorded:
        """The file as it is on record."""
        return self.file.row

    @property
    def is_comparable(self) -> bool:
        """Whether the file is still the one on record, so that its content has to be too."""
        if self.content is None or not self.content.unchanged:
            return False
        return _is_as_recorded(self.content.status, self.row)

    @property
    def rotted(self) -> bool:
        """Whether its content is another than on record, though nothing else tells."""
        return self.is_comparable and self.content is not None and self.content.hash != self.row.hash


class _Read(NamedTuple):
    """What is to be staged of a file that was read: when."""

    directory: RecordedDirectory
    row: Recorded  # as it is on record
    read_at: int  # seconds since 1970


class Refresher:
    """Reads files of one job's source again; for one thread."""

    def __init__(
        self,
        job: TrackJob,
        catalog: Catalog,
        known: CatalogJob,
        recording: Recording,
        *,
        workers: int,
        check: Callable[[], None],
        failed: Callable[[Failure], None],
        told: Callable[[Reread], None],
    ) -> None:
        """`told` hears of each file that was read; `check` may raise to stop."""
        self._job = job
        self._contents = Contents(catalog, known.job_id)
        self._recording = recording
        self._workers = workers
        self._check = check
        self._failed = failed
        self._told = told

    def overdue(self, *, before: int | None, unfinished: Mapping[int, Unfinished]) -> None:
        """Read what was last read before a moment (None: nothing is due), within the job's budget.

        `unfinished`: directories that this run has staged, by their ids, and of which more may
        come. Others that it has staged are left for the next.
        """
        if before is not None:
            self._read_again(before, self._job.fingerprint.budget_bytes, unfinished)

    def everything(self, *, budget_bytes: int | None) -> None:
        """Read every file; with a budget, the longest unread until their bytes have used it up."""
        self._read_again(None, budget_bytes, _NONE)

    def _read_again(
        self, before: int | None, budget_bytes: int | None, unfinished: Mapping[int, Unfinished]
    ) -> None:
        by_directory = budget_bytes is None
        files = self._due(before, unfinished, by_directory=by_directory)
        read = self._compared(files, Budget(budget_bytes))
        if by_directory:
            self._stage(read)
        else:
            with contextlib.closing(_ByDirectory()) as sorted_:
                for each in read:
                    sorted_.add(each)
                self._stage(sorted_)

    def _due(
        self, before: int | None, unfinished: Mapping[int, Unfinished], *, by_directory: bool
    ) -> Iterator[Due]:
        """Give the files to read, but for those of which this run has staged what they are."""
        for directory, row in self._contents.read_before(before, by_directory=by_directory):
            now = unfinished.get(directory.directory_id)
            if now is not None:
                if row.name not in now.altered:
                    yield Due(directory, join(now.path, row.name), row)
            elif self._recording.takes(directory.directory_id):
                yield Due(directory, join(directory.path, row.name), row)

    def _compared(self, files: Iterable[Due], budget: Budget) -> Iterator[_Read]:
        """Read files, tell what came of them, and give those that could be compared, in their order."""
        opens = partial(open_tree, self._job.source)
        covered = budget.covered(files)
        for reread in in_threads(covered, self._read, open_handles=opens, workers=self._workers):
            if reread is None:
                continue
            budget.take_back(reread.file, was_read=reread.content is not None)
            self._told(reread)
            if reread.reason is not None:
                self._failed(Failure(reread.path, reread.reason))
            if reread.rotted:
                self._record_rot(reread)
            if reread.is_comparable:
                yield _Read(reread.file.directory, reread.row, reread.read_at)

    def _read(self, tree: LocalTree, file: Due | None) -> Reread | None:
        if file is None:
            return None
        try:
            if not _is_as_recorded(tree.status(file.path), file.row):
                return Reread(file, None)  # the next scan tells
            algorithm = self._job.comparison.algorithm
            content = tree.content(file.path, algorithm, check=self._check, from_disk=True)
        except (FileNotFoundError, NotADirectoryError):
            return Reread(file, None, is_gone=True)  # the next scan tells
        except OSError as error:
            return Reread(file, None, reason=f"cannot be read: {error.strerror or error}")
        return Reread(file, content, int(time.time()))

    def _stage(self, read: Iterable[_Read]) -> None:
        """Stage when files were read, given directory by directory."""
        for directory_id, group in groupby(read, key=_directory_id):
            while part := list(islice(group, _AT_ONCE)):
                entries = [row._replace(hashed_at=read_at) for _, row, read_at in part]
                instead = [row for _, row, _ in part]
                if self._recording.is_unfinished(directory_id):
                    self._recording.put_more(directory_id, entries=entries, instead=instead)
                else:
                    directory, more = part[0].directory, len(part) == _AT_ONCE
                    self._recording.put(directory, directory, entries=entries, instead=instead, more=more)

    def _record_rot(self, reread: Reread) -> None:
        """Record a rot as a change, unless it is one already that nobody has accepted."""
        assert reread.content is not None
        new = reread.row._replace(hash=reread.content.hash)
        if self._contents.has_open_rot(reread.path, reread.content.hash):
            return
        self._recording.change(
            reread.path,
            kind=ChangeKind.MODIFIED,
            old=reread.row,
            new=new,
            aspects=frozenset({Aspect.HASH}),
            severity=Severity.CRITICAL,
            rotted=True,
        )


class _ByDirectory:
    """What came in any order, given directory by directory; what is long waits on disk."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("")  # a file without a name, made when memory gets short
        self._connection.execute("CREATE TABLE read (directory_id INTEGER, row BLOB)")

    def add(self, read: _Read) -> None:
        """Take one in."""
        row = pickle.dumps(read, protocol=pickle.HIGHEST_PROTOCOL)
        self._connection.execute("INSERT INTO read VALUES (?, ?)", (_directory_id(read), row))

    def __iter__(self) -> Iterator[_Read]:
        for (row,) in self._connection.execute("SELECT row FROM read ORDER BY directory_id"):
            read: _Read = pickle.loads(row)
            yield read

    def close(self) -> None:
        """Give the disk space back."""
        self._connection.close()


def _directory_id(read: _Read) -> int:
    return read.directory.directory_id


def _is_as_recorded(status: os.stat_result, row: Recorded) -> bool:
    """Whether size and times are those on record."""
    stamp = (status.st_size, storable(status.st_mtime_ns), storable(status.st_ctime_ns))
    return stamp == (row.size, row.mtime_ns, row.ctime_ns)

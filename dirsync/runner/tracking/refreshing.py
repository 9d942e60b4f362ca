"""Reading again what seems unchanged, and naming what rotted: other content under unchanged times.

What rotted keeps the hash it has on record, so that it is found again until somebody
accepts it; as a change it is recorded once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.contents import Contents
from dirsync.catalog.recording import Recording
from dirsync.model.change import Aspect, ChangeKind, Failure
from dirsync.model.job import Severity, TrackJob
from dirsync.model.recorded import CatalogJob, Recorded, RecordedDirectory, storable
from dirsync.trees.handles import join
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, open_tree
from dirsync.trees.parallel import in_threads

_AT_ONCE = 2_000  # files that are read before their rows are staged


class Reread(NamedTuple):
    """One file that was read again."""

    directory_id: int
    path: bytes
    row: Recorded  # as it is on record
    content: Content | None  # None: it could not be read
    reason: str | None = None  # why it could not be read

    @property
    def is_comparable(self) -> bool:
        """Whether the file is still the one on record, so that its content has to be too."""
        if self.content is None or not self.content.unchanged:
            return False
        status = self.content.status
        stamp = (status.st_size, storable(status.st_mtime_ns), storable(status.st_ctime_ns))
        return stamp == (self.row.size, self.row.mtime_ns, self.row.ctime_ns)

    @property
    def rotted(self) -> bool:
        """Whether its content is another than on record, though nothing else tells."""
        return self.is_comparable and self.content is not None and self.content.hash != self.row.hash


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
        self._catalog = catalog
        self._known = known
        self._contents = Contents(catalog, known.job_id)
        self._recording = recording
        self._workers = workers
        self._check = check
        self._failed = failed
        self._told = told

    def overdue(self, *, besides: set[int]) -> None:
        """Read what was not read for longer than the job allows, within its budget.

        `besides`: directories that are left for another run, for this one has staged them.
        """
        fingerprint = self._job.fingerprint
        if fingerprint.refresh_seconds is None:
            return
        before = int(time.time() - fingerprint.refresh_seconds)
        rows = self._contents.read_before(before)
        rows = (row for row in rows if row[0] not in besides)
        self.read(within_budget(rows, fingerprint.budget_bytes))

    def read(self, rows: Iterable[tuple[int, bytes, Recorded]]) -> None:
        """Read files again, given as directory id, path and row, and stage what came of it.

        The files of one directory must come together, or all within one batch.
        """
        opens = partial(open_tree, self._job.source)
        batch: list[Reread] = []
        for reread in in_threads(rows, self._read, open_handles=opens, workers=self._workers):
            self._told(reread)
            is_other_directory = bool(batch) and batch[-1].directory_id != reread.directory_id
            if len(batch) >= _AT_ONCE and is_other_directory:
                self._stage(batch)
                batch = []
            batch.append(reread)
        self._stage(batch)

    def _read(self, tree: LocalTree, row: tuple[int, bytes, Recorded]) -> Reread:
        directory_id, path, recorded = row
        try:
            content = tree.content(path, self._job.comparison.algorithm, check=self._check, from_disk=True)
        except FileNotFoundError:
            return Reread(directory_id, path, recorded, None)  # gone: the next scan tells
        except OSError as error:
            return Reread(directory_id, path, recorded, None, f"cannot be read: {error.strerror or error}")
        return Reread(directory_id, path, recorded, content)

    def _stage(self, batch: list[Reread]) -> None:
        """Stage what was read of whole directories."""
        directories = self._directories(batch)
        now = int(time.time())
        for directory_id, rereads in groupby(sorted(batch, key=itemgetter(0)), key=itemgetter(0)):
            sound: list[Reread] = []
            for reread in rereads:
                if reread.reason is not None:
                    self._failed(Failure(reread.path, reread.reason))
                elif reread.is_comparable:
                    sound.append(reread)
                    if reread.rotted:
                        self._record_rot(reread)
            if sound and directory_id in directories:
                directory = directories[directory_id]
                entries = [reread.row._replace(hashed_at=now) for reread in sound]
                self._recording.put(directory, directory, entries=entries, instead=[r.row for r in sound])

    def _directories(self, batch: list[Reread]) -> dict[int, RecordedDirectory]:
        paths = sorted({reread.path.rpartition(b"/")[0] for reread in batch})
        found = self._catalog.directories_at(self._known.job_id, paths)
        return {directory.directory_id: directory for directory in found.values()}

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


def within_budget(
    rows: Iterable[tuple[int, bytes, Recorded]], budget_bytes: int | None
) -> list[tuple[int, bytes, Recorded]]:
    """Choose rows until their bytes have used a budget up, at least one; by directory."""
    chosen: list[tuple[int, bytes, Recorded]] = []
    used_bytes = 0
    for row in rows:
        if budget_bytes is not None and chosen and used_bytes + row[2].size > budget_bytes:
            break
        used_bytes += row[2].size
        chosen.append(row)
    return sorted(chosen, key=lambda row: (row[0], row[1]))


def by_directory(catalog: Catalog, known: CatalogJob) -> Iterator[tuple[int, bytes, Recorded]]:
    """Give every file of a job whose content is on record, directory by directory."""
    for directory in catalog.directories_beneath(known.job_id, b""):
        for directory_id, row in catalog.entries_in(known.job_id, [directory.directory_id]):
            if row.hash is not None:
                yield directory_id, join(directory.path, row.name), row

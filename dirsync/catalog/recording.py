"""What one run brings into a catalog: staged as it is found, sealed, and merged at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from msgspec.structs import replace

from dirsync.catalog.altered_digests import AlteredDigests
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.rows import RUN_COLUMNS, row_of_change, row_of_directory, row_of_run
from dirsync.catalog.seal import SEAL_BYTES, added, mark_of, taken
from dirsync.catalog.store import Row, Staging
from dirsync.errors import RunError
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import Severity
from dirsync.model.names import shown
from dirsync.model.recorded import CatalogJob, Recorded, RecordedChange, RecordedDirectory, RecordedRun

_BATCH = 8192  # rows that wait in memory

Ending = Callable[[CatalogJob], AbstractContextManager[object]]


def unwatched(_after: CatalogJob) -> AbstractContextManager[None]:
    """Give a block that nobody watches."""
    return contextlib.nullcontext()


class Recording:
    """The rows of one run of one job; made by `recording`, used by one thread."""

    def __init__(self, catalog: Catalog, job: CatalogJob, staging: Staging, *, run_id: int) -> None:
        self._catalog = catalog
        self._sealer = catalog.sealer
        self._job = job
        self._staging = staging
        self._run_id = run_id
        self._next_directory = job.next_directory
        self._next_change = job.next_change
        self._change_link = job.change_link
        self._seal = job.seal
        self._entries: list[Row] = []
        self._dropped: list[tuple[int, bytes]] = []
        self._directories: list[Row] = []
        self._changes: list[Row] = []
        self._staged: set[int] = set()  # directories that the catalog holds, put or dropped
        self._unfinished: dict[int, RecordedDirectory] = {}  # those of them that more may come of, so far
        self.digests = AlteredDigests()

    def new_directory(self, path: bytes, *, ino: int) -> RecordedDirectory:
        """Give a directory that the catalog does not hold yet."""
        self._next_directory += 1
        return RecordedDirectory(self._next_directory - 1, path, None, 0, None, ino)

    def put(
        self,
        old: RecordedDirectory | None,
        new: RecordedDirectory,
        *,
        entries: Sequence[Recorded],
        instead: Sequence[Recorded],
        more: bool = False,
    ) -> None:
        """Have a directory as it is now: `entries` are those that are new or altered in it.

        `instead` are the catalog's own of these names, and those that are gone. The seal of
        `new` is made here, of that of `old` (None: the catalog does not hold it). `more`: what
        else is altered in it may follow, by `put_more`; it stays in memory until the commit.
        """
        sum_ = 0
        if old is not None:
            self._stage_once(old)
            self._seal = taken(self._seal, self._sealer.directory(old))
            sum_ = old.seal
        new = new._replace(seal=self._with_entries(new.directory_id, sum_, entries, instead))
        if more:
            self._unfinished[new.directory_id] = new
        else:
            self._put_directory(new)
        self._flush(at_least=_BATCH)

    def put_more(
        self, directory_id: int, *, entries: Sequence[Recorded], instead: Sequence[Recorded]
    ) -> None:
        """Have more entries of a directory that was put so that more may follow; none of them twice."""
        directory = self._unfinished[directory_id]
        sum_ = self._with_entries(directory_id, directory.seal, entries, instead)
        self._unfinished[directory_id] = directory._replace(seal=sum_)
        self._flush(at_least=_BATCH)

    def takes(self, directory_id: int) -> bool:
        """Whether more may come of a directory that the catalog holds."""
        return directory_id not in self._staged or directory_id in self._unfinished

    def is_unfinished(self, directory_id: int) -> bool:
        """Whether a directory was put, and `put_more` may follow."""
        return directory_id in self._unfinished

    def _stage_once(self, directory: RecordedDirectory) -> None:
        """Note that a directory on record is staged: twice, and the seal would be wrong for good.

        Raises:
            RunError: it is staged already; a directory that moves during a scan may be seen twice.
        """
        if directory.directory_id in self._staged:
            where = shown(directory.path)
            raise RunError(f"'{where}' was met twice, for it was moved during the scan; run the job again")
        self._staged.add(directory.directory_id)
        self.digests.leave(directory.path)

    def _with_entries(
        self, id_: int, sum_: int, entries: Sequence[Recorded], instead: Sequence[Recorded]
    ) -> int:
        """Stage entries of a directory; give the sum of its entries' seals, that was `sum_` before."""
        seals = self._sealer.entries
        if instead:
            names = {entry.name for entry in entries}
            self._dropped += [(id_, gone.name) for gone in instead if gone.name not in names]
            sum_ = taken(sum_, seals(id_, instead))
        self._entries += [(id_, *entry) for entry in entries]
        return added(sum_, seals(id_, entries))

    def _put_directory(self, new: RecordedDirectory) -> None:
        whole = self._sealer.directory(new)
        self._seal = added(self._seal, whole)
        self._directories.append(row_of_directory(new._replace(mark=mark_of(whole))))
        self.digests.put(new.path, new.digest)

    def drop(self, directory: RecordedDirectory) -> None:
        """Have a directory and all its entries gone."""
        self._stage_once(directory)
        self._seal = taken(self._seal, self._sealer.directory(directory))
        self._staging.drop_directories([directory.directory_id])

    def change(
        self,
        path: bytes,
        *,
        kind: ChangeKind,
        old: Recorded | None,
        new: Recorded | None,
        aspects: frozenset[Aspect],
        severity: Severity | None,
        old_path: bytes | None = None,
        rotted: bool = False,
    ) -> None:
        """Have a change in the history, after those before it."""
        change = RecordedChange(
            self._next_change,
            self._run_id,
            path,
            old_path,
            kind,
            aspects,
            severity,
            old,
            new,
            None,
            rotted,
        )
        self._next_change += 1
        self._change_link = self._sealer.change(self._change_link, change)
        self._changes.append(row_of_change(change, self._change_link))
        self._flush(at_least=_BATCH)

    def _flush(self, *, at_least: int) -> None:
        if len(self._entries) >= at_least:
            self._staging.put_entries(self._entries)
            self._entries.clear()
        if len(self._dropped) >= at_least:
            self._staging.drop_entries(self._dropped)
            self._dropped.clear()
        if len(self._directories) >= at_least:
            self._staging.put_directories(self._directories)
            self._directories.clear()
        if len(self._changes) >= at_least:
            self._staging.add_changes(self._changes)
            self._changes.clear()

    def commit(self, run: RecordedRun, *, scope: bytes, ending: Ending) -> CatalogJob:
        """Bring everything into the catalog, durably and at once; give the job as it is now.

        `scope` names what of the declaration decided what was recorded. `ending` is told
        beforehand how the job will be, and gives the block in which it becomes so.

        Raises:
            Busy: another run, of another state directory, recorded the job since this one began.
        """
        for directory in self._unfinished.values():
            self._put_directory(directory)
            self._flush(at_least=_BATCH)
        self._flush(at_least=1)
        run = replace(run, first_change=self._job.next_change, last_change=self._next_change - 1)
        link = self._sealer.run(self._job.link, run, change_link=self._change_link, state=self._seal)
        after = self._catalog.sealed(
            replace(
                self._job,
                scope=scope,
                next_directory=self._next_directory,
                next_change=self._next_change,
                entries=run.entries,
                bytes_total=run.bytes_total,
                seal=self._seal,
                last_run=run.run_id,
                link=link,
                change_link=self._change_link,
            )
        )
        seal = self._seal.to_bytes(SEAL_BYTES, "big")
        columns, places = ", ".join(RUN_COLUMNS), ", ".join("?" * len(RUN_COLUMNS))
        store = self._catalog.store
        with ending(after), store.transaction():
            self._catalog.put_job(after, before=self._job)
            self._staging.merge()
            store.run(
                f"INSERT INTO runs (job_id, {columns}, seal, link) VALUES (?, {places}, ?, ?)",
                (self._job.job_id, *row_of_run(run), seal, link),
            )
            store.run("DELETE FROM hashed WHERE job_id = ?", (self._job.job_id,))
        return after

    @property
    def has_rows(self) -> bool:
        """Whether anything at all is to be altered in the current view or the history."""
        return self._next_change > self._job.next_change or self._seal != self._job.seal


@contextlib.contextmanager
def recording(catalog: Catalog, job: CatalogJob, *, run_id: int) -> Iterator[Recording]:
    """Give what takes the rows of a run; what is not committed leaves no trace.

    Raises:
        Busy: somebody else records this job.
    """
    with catalog.store.one_writer(job.job_id), catalog.store.staging(job.job_id, run_id) as staging:
        yield Recording(catalog, job, staging, run_id=run_id)

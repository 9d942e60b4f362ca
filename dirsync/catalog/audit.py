"""The audit of a catalog: every row against its seal, every chain from its beginning to its end.

Rows are read once, in the order of their keys, and few are in memory at a time. What is
wrong is told as a `Flaw`, never raised: a row of a shape that no release writes is one too.
What the catalog cannot know, how it ended, is for the caller to check (`runner.tracking.ends`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain

from msgspec import Struct

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.chains import Chains, as_written
from dirsync.catalog.coverage import Coverage
from dirsync.catalog.flaws import Flaw, FlawKind
from dirsync.catalog.retention import checkpoint_row
from dirsync.catalog.rows import JOB_COLUMNS, directory_of, job_of, recorded_of, row_of_directory, row_of_job
from dirsync.catalog.seal import START, mark_of, taken
from dirsync.catalog.side_rows import HASHED_COLUMNS, checkpoint_of, hashed_of, row_of_checkpoint
from dirsync.catalog.store import DIRECTORY_COLUMNS, ENTRY_COLUMNS, Row
from dirsync.model.entry import Kind, kind_of_mode
from dirsync.model.names import escaped, shown
from dirsync.model.recorded import CatalogJob, Checkpoint, Recorded, RecordedDirectory
from dirsync.trees.handles import join

_JOBS, _HASHED = ", ".join(JOB_COLUMNS), ", ".join(HASHED_COLUMNS)
_DIRECTORIES, _ENTRIES = ", ".join(DIRECTORY_COLUMNS), ", ".join(ENTRY_COLUMNS)
_OF_A_JOB = ("runs", "directories", "entries", "changes", "acceptances", "checkpoints", "hashed")
_META = {"id", "version"}
_FILE, _TYPE = 0o100000, 0o170000


class Audited(Struct, kw_only=True):
    """How much was looked at."""

    jobs: int = 0
    runs: int = 0
    changes: int = 0
    directories: int = 0
    entries: int = 0


def audit_tables(catalog: Catalog) -> Iterator[Flaw]:
    """Find what is wrong with a catalog as a whole: its tables, and rows of no job."""
    for found in catalog.store.damage():
        yield Flaw(FlawKind.DAMAGED, found.text)
    for (name,) in catalog.store.rows("SELECT name FROM meta"):
        if name not in _META:
            yield Flaw(
                FlawKind.EXTRA, f"the table meta has {escaped(repr(name))}, which is nothing it can have"
            )
    jobs = {job_id for (job_id,) in catalog.store.rows("SELECT job_id FROM jobs")}
    for table in _OF_A_JOB:
        for job_id in _job_ids(catalog, table):
            if job_id not in jobs:
                yield Flaw(
                    FlawKind.EXTRA, f"the table {table} has rows of job number {job_id!r}, which is none"
                )


def _job_ids(catalog: Catalog, table: str) -> Iterator[object]:
    """Give the jobs that a table has rows of: a look into its index for each."""
    after = ""
    values: tuple[int | str | bytes | None, ...] = ()
    while True:
        statement = f"SELECT job_id FROM {table} {after} ORDER BY job_id LIMIT 1"
        rows = list(catalog.store.rows(statement, values))
        if not rows:
            return
        yield rows[0][0]
        after, values = "WHERE job_id > ?", rows[0]


def audited_identity(catalog: Catalog) -> str | None:
    """Give the name that no other catalog has; None: it is missing, or no name."""
    values = [value for (value,) in catalog.store.rows("SELECT value FROM meta WHERE name = 'id'")]
    return values[0] if values and isinstance(values[0], str) else None


def audited_jobs(catalog: Catalog) -> Iterator[CatalogJob | Flaw]:
    """Give the jobs of a catalog, by name; a flaw in the place of one whose row cannot be read."""
    for row in catalog.store.rows(f"SELECT {_JOBS} FROM jobs ORDER BY name"):
        job = as_written(job_of, row)
        if job is not None and row_of_job(job) == row:
            yield job
            continue
        name = row[1] if isinstance(row[1], str) else repr(row[1])
        text = (
            "its row among the jobs holds what this program does not write, so nothing of it can be checked"
        )
        yield Flaw(FlawKind.FOREIGN, text, name)


def audit_job(catalog: Catalog, job: CatalogJob, audited: Audited) -> Iterator[Flaw]:
    """Find what is wrong with all that a catalog holds of one job; `audited` counts what was looked at.

    The job has to be sealed with the key of today.
    """
    audited.jobs += 1
    if not catalog.is_sealed(job):
        yield Flaw(FlawKind.ALTERED, "its row among the jobs is not as its last run left it", job.name)
    beginning = catalog.sealer.beginning(catalog.identity(), job)
    checkpoint = yield from _checkpoint(catalog, job, beginning)
    chains = Chains(catalog, job, beginning=beginning, checkpoint=checkpoint)
    acceptances = yield from chains.acceptances()
    yield from chains.flaws(Coverage(acceptances))
    audited.changes += chains.changes
    audited.runs += chains.runs
    yield from _Contents(catalog, job, audited).flaws()
    yield from _hashed(catalog, job)


def _checkpoint(
    catalog: Catalog, job: CatalogJob, beginning: bytes
) -> Generator[Flaw, None, Checkpoint | None]:
    """Check the checkpoint; return it."""
    row = checkpoint_row(catalog, job.job_id)
    if row is None:
        if job.checkpoint_link != START:
            yield Flaw(FlawKind.MISSING, "its checkpoint, where its history begins, is missing", job.name)
        return None
    checkpoint = as_written(checkpoint_of, row)
    if checkpoint is None or row_of_checkpoint(checkpoint) != row:
        yield Flaw(FlawKind.FOREIGN, "its checkpoint holds what this program does not write", job.name)
        return None
    link = catalog.sealer.checkpoint(beginning, checkpoint)
    if not link == checkpoint.link == job.checkpoint_link:
        yield Flaw(
            FlawKind.ALTERED, "its checkpoint, where its history begins, is not as it was made", job.name
        )
    return checkpoint


def _hashed(catalog: Catalog, job: CatalogJob) -> Iterator[Flaw]:
    """Check the hashes that an interrupted run left."""
    for row in catalog.store.rows(f"SELECT {_HASHED} FROM hashed WHERE job_id = ?", (job.job_id,)):
        found = as_written(hashed_of, row)
        if found is not None:
            stamp, hash_, hashed_at, link = found
            if catalog.sealer.hashed(job.job_id, stamp, hash_, hashed_at) == link:
                continue
        path = row[0] if isinstance(row[0], bytes) else None
        where = "" if path is None else f" of '{shown(path)}'"
        text = (
            f"a hash{where} that an interrupted run left is not as it was kept; the next run does not use it"
        )
        yield Flaw(FlawKind.ALTERED, text, job.name, path)


class _Contents:
    """The current view of one job: directories and entries, read side by side."""

    def __init__(self, catalog: Catalog, job: CatalogJob, audited: Audited) -> None:
        self._store = catalog.store
        self._sealer = catalog.sealer
        self._job = job
        self._audited = audited
        self._entries = 0  # the roots' own are not counted
        self._bytes = 0

    def flaws(self) -> Iterator[Flaw]:
        """Find what is wrong."""
        entries = self._rows_of_entries()
        waiting: Row | None = next(entries, None)
        total = 0
        is_sound = True
        for row in self._rows_of_directories():
            directory = _directory_of(row)
            if directory is None:
                is_sound = False
                yield self._flaw(FlawKind.FOREIGN, "a directory's row holds what this program does not write")
                continue
            self._audited.directories += 1
            sum_, waiting = yield from self._sum(directory, waiting, entries)
            whole = self._sealer.directory(directory)
            total += whole
            if directory.mark != mark_of(whole):
                is_sound = False
                yield self._of_directory(directory, "is not as it was recorded")
            elif sum_ != directory.seal:
                is_sound = False
                yield self._of_directory(
                    directory,
                    "does not hold the entries that were recorded: some were altered, lost or added",
                )
        for row in chain([] if waiting is None else [waiting], entries):
            yield self._stray(row)
        yield from self._totals(taken(total), is_sound=is_sound)

    def _rows_of_directories(self) -> Iterator[Row]:
        statement = f"SELECT {_DIRECTORIES} FROM directories WHERE job_id = ? ORDER BY directory_id"
        return self._store.rows(statement, (self._job.job_id,))

    def _rows_of_entries(self) -> Iterator[Row]:
        statement = (
            f"SELECT directory_id, {_ENTRIES} FROM entries WHERE job_id = ? ORDER BY directory_id, name"
        )
        return self._store.rows(statement, (self._job.job_id,))

    def _sum(
        self, directory: RecordedDirectory, waiting: Row | None, entries: Iterator[Row]
    ) -> Generator[Flaw, None, tuple[int, Row | None]]:
        """Add the seals of a directory's entries up; return the sum, and the first row after them."""
        id_, seal, total = directory.directory_id, self._sealer.entry, 0
        while waiting is not None:
            owner = waiting[0]
            if owner != id_:
                if not isinstance(owner, int) or owner > id_:
                    break
                yield self._stray(waiting)
            elif (entry := as_written(recorded_of, waiting[1:])) is None:
                yield self._foreign_entry(directory, waiting)
            else:
                total += seal(id_, entry)
                self._count(entry)
            waiting = next(entries, None)
        return taken(total), waiting

    def _count(self, entry: Recorded) -> None:
        self._audited.entries += 1
        if entry.name and not entry.is_passage:
            self._entries += 1
        if entry.mode & _TYPE == _FILE:
            self._bytes += entry.size

    def _totals(self, total: int, *, is_sound: bool) -> Iterator[Flaw]:
        """Compare all directories together, and what they hold, with the job's row."""
        job = self._job
        if not is_sound:
            return
        if total != job.seal:
            yield self._flaw(FlawKind.MISSING, "a directory is missing, or one was added")
            yield from self._without_row()
        elif (self._entries, self._bytes) != (job.entries, job.bytes_total):
            yield self._flaw(
                FlawKind.ALTERED,
                f"it holds {self._entries:,} entries of {self._bytes:,} bytes, but its row among the jobs "
                f"says {job.entries:,} of {job.bytes_total:,}",
            )

    def _without_row(self) -> Iterator[Flaw]:
        """Name the directories that are entries, but are not there themselves.

        A mount point that the job does not enter is one of these too.
        """
        paths = {row[0]: row[1] for row in self._rows_of_directories()}
        there = set(paths.values())
        for directory_id, *row in self._rows_of_entries():
            entry, parent = as_written(recorded_of, tuple(row)), paths.get(directory_id)
            if entry is None or not isinstance(parent, bytes) or not entry.name:
                continue
            path = join(parent, entry.name)
            if kind_of_mode(entry.mode) is Kind.DIRECTORY and path not in there:
                yield self._flaw(FlawKind.MISSING, f"what '{shown(path)}' holds is not there", path=path)

    # Words

    def _flaw(self, kind: FlawKind, text: str, *, path: bytes | None = None) -> Flaw:
        return Flaw(kind, text, self._job.name, path)

    def _of_directory(self, directory: RecordedDirectory, what: str) -> Flaw:
        return self._flaw(
            FlawKind.ALTERED, f"directory '{shown(directory.path)}' {what}", path=directory.path
        )

    def _stray(self, row: Row) -> Flaw:
        name = row[1]
        where = f"'{shown(name)}'" if isinstance(name, bytes) else repr(name)
        return self._flaw(FlawKind.EXTRA, f"the entry {where} is in no directory that there is")

    def _foreign_entry(self, directory: RecordedDirectory, row: Row) -> Flaw:
        name = row[1]
        if not isinstance(name, bytes):
            text = f"an entry of '{shown(directory.path)}' holds what this program does not write"
            return self._flaw(FlawKind.FOREIGN, text, path=directory.path)
        path = join(directory.path, name)
        text = f"the entry '{shown(path)}' holds what this program does not write"
        return self._flaw(FlawKind.FOREIGN, text, path=path)


def _directory_of(row: Row) -> RecordedDirectory | None:
    directory = as_written(directory_of, row)
    return directory if directory is not None and row_of_directory(directory) == row else None

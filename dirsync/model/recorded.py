"""What a catalog holds: entries as a run saw them, and what became of them."""

from __future__ import annotations

import datetime
import stat
from typing import NamedTuple

from msgspec import Struct, field

from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.entry import Entry, Kind, kind_of_mode, signed
from dirsync.model.job import JobType, Severity
from dirsync.model.listing import EPOCH_NS, Listing, numbers
from dirsync.model.result import Counts, Outcome

_TYPE = 0o170000  # the bits of a mode that name the kind
_LATEST, _EARLIEST = (1 << 63) - 1, -(1 << 63)


class Recorded(NamedTuple):
    """One entry as the catalog holds it; the root's own has no name."""

    name: bytes
    mode: int  # st_mode: type and permission bits
    size: int  # bytes; 0 for a directory
    mtime_ns: int  # nanoseconds since 1970, at most what 64 bits hold (the year 2262)
    ctime_ns: int
    uid: int
    gid: int
    ino: int  # as a signed number of 64 bits
    target: bytes | None  # where a symlink points; a passage: empty; None: neither
    hash: bytes | None = None  # of a file's content; None: not hashed
    hashed_at: int | None = None  # seconds since 1970 when the content was last read; None: never

    @property
    def kind(self) -> Kind:
        """What the object is."""
        return kind_of_mode(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file; cheaper than its kind."""
        return stat.S_ISREG(self.mode)

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory; cheaper than its kind."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_passage(self) -> bool:
        """Whether this is a directory that is merely entered: nothing counts but that it is there.

        Asked of any number as a mode: a row may have been tampered with.
        """
        return self.target is not None and self.mode & _TYPE == stat.S_IFDIR

    @property
    def file_bytes(self) -> int:
        """The size of a regular file, else 0."""
        return self.size if stat.S_ISREG(self.mode) else 0

    def entry(self, path: bytes) -> Entry:
        """Give it as an entry at a path; what a catalog does not hold is 0."""
        return Entry(
            path=path,
            mode=self.mode,
            size=self.size,
            mtime_ns=self.mtime_ns,
            ctime_ns=self.ctime_ns,
            uid=self.uid,
            gid=self.gid,
            ino=self.ino,
            dev=0,
            nlink=1,
            target=self.target,
        )


class RecordedDirectory(NamedTuple):
    """One directory as the catalog holds it."""

    directory_id: int
    path: bytes
    digest: bytes | None  # of its listing; None: it has to be compared anew
    seal: int  # the sum of its entries' seals
    unseen_since: int | None = None  # the first run that could not list it; None: it was listed
    ino: int = 0  # as a signed number of 64 bits
    mark: int = 0  # of its seal with that of its entries: tells which directory is not as it was


class RecordedChange(NamedTuple):
    """One change that a run recorded."""

    change_id: int
    run_id: int
    path: bytes
    old_path: bytes | None  # of MOVED: where it was
    kind: ChangeKind
    aspects: frozenset[Aspect]
    severity: Severity | None  # None: of a sync job, whose changes are nobody's to accept
    old: Recorded | None  # None: CREATED, or of a sync job that did not tell
    new: Recorded | None  # None: DELETED, or, of METADATA without an aspect, recorded no more
    accepted_by: int | None = None  # the acceptance that covers it; None: it is open
    rotted: bool = False  # the content changed under unchanged times


class RecordedRun(Struct, frozen=True, kw_only=True):
    """One run as the catalog holds it: its row is written with its last change."""

    run_id: int
    type: JobType
    started_at: datetime.datetime  # aware, UTC
    finished_at: datetime.datetime
    outcome: Outcome
    counts: Counts = field(default_factory=Counts)
    entries: int = 0  # in the catalog after it
    bytes_total: int = 0  # of the files in the catalog after it
    bytes_added: int = 0
    bytes_modified: int = 0  # of files whose content changed, as they are now
    bytes_deleted: int = 0
    is_baseline: bool = False  # the first of its job: what it saw is no change
    first_change: int = 1  # the ids of its changes: from this one
    last_change: int = 0  # to this one; before the first: it has none
    error: str | None = None
    metadata: str = "{}"  # JSON, free-form


class CatalogJob(Struct, frozen=True, kw_only=True):
    """A job as the catalog knows it."""

    job_id: int
    name: str
    source: bytes  # its root's path
    machine: str  # the host that records it
    began_at: datetime.datetime  # aware, UTC: when it was taken in
    key_name: str  # of the key that seals its rows; empty: none does
    scope: bytes  # names what of the declaration decides what is recorded
    next_directory: int
    next_change: int
    entries: int
    bytes_total: int
    seal: int  # the sum of its directories' seals
    last_run: int | None  # the newest run in the catalog; None: it has none
    link: bytes  # what the next run is chained to
    change_link: bytes  # what the next change is chained to
    acceptance_link: bytes  # what the next acceptance is chained to
    checkpoint_link: bytes  # of its checkpoint
    head: bytes  # the seal of all this


class Acceptance(Struct, frozen=True, kw_only=True):
    """One time that somebody reviewed changes."""

    acceptance_id: int
    accepted_at: datetime.datetime  # aware, UTC
    who: str
    path: bytes  # at and beneath it; the empty one: everywhere
    last_change: int  # up to this one


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Where the history of a job begins, after what was before was pruned."""

    made_at: datetime.datetime  # aware, UTC
    run_id: int  # the last run that was pruned
    run_link: bytes
    change_id: int  # the last change that was pruned; 0: none was
    change_link: bytes
    link: bytes  # the seal of all this


def passage_of(row: Recorded) -> Recorded:
    """Give what is recorded of a directory that the job does not select, and has to enter."""
    return Recorded(row.name, stat.S_IFDIR, 0, 0, 0, 0, 0, 0, b"")


def recorded_rows(listing: Listing) -> list[Recorded]:
    """Make what a catalog records of a directory's entries, in the order of their names."""
    modes = listing.modes()
    mtimes_ns = [stamp + EPOCH_NS for stamp in numbers("Q", listing.mtime_ns)]
    if mtimes_ns and max(mtimes_ns) > _LATEST:
        mtimes_ns = list(map(storable, mtimes_ns))
    return list(
        map(
            Recorded,
            listing.name_list(),
            modes,
            numbers("q", listing.size),
            mtimes_ns,
            listing.ctimes_ns(),
            numbers("I", listing.uid),
            numbers("I", listing.gid),
            numbers("q", listing.ino),  # as a signed number
            listing.target_of_each(),
        )
    )


def recorded_of(entry: Entry) -> Recorded:
    """Make what a catalog records of an entry, by its path as a name."""
    return Recorded(
        entry.path,
        entry.mode,
        entry.size,
        storable(entry.mtime_ns),
        storable(entry.ctime_ns),
        entry.uid,
        entry.gid,
        signed(entry.ino),
        entry.target,
    )


def storable(number_: int) -> int:
    """Give the nearest number that 64 bits hold: times after 2262 are recorded as the latest there is."""
    return min(max(number_, _EARLIEST), _LATEST)

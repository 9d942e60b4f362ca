"""Catalogs with a history, made in memory and without a tree, each from a seed.

The rows are what a run would stage, not what a scan saw: a directory that comes, goes,
moves or cannot be listed, entries that come, go and change, rot, acceptances, hashes an
interrupted run left, and pruning. A few milliseconds a history.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import sqlite3
import stat
from collections.abc import Iterator

from dirsync.catalog.accepting import accept
from dirsync.catalog.audit import Audited
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.contents import Contents
from dirsync.catalog.flaws import Flaw
from dirsync.catalog.recording import Ending, Recording, recording
from dirsync.catalog.retention import pruned
from dirsync.catalog.seal import Sealer
from dirsync.catalog.sqlite import SqliteStore
from dirsync.catalog.sqlite_file import prepare
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.content import Stamp
from dirsync.model.job import JobType, Severity
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob, Recorded, RecordedDirectory, RecordedRun
from dirsync.model.result import Counts, Outcome
from dirsync.runner.tracking.auditing import Outside, flaws_in
from dirsync.runner.tracking.ends import End
from dirsync.trees.handles import join

PLACE = CatalogPlace(url="sqlite:////nowhere", key_file="/nowhere/key")
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
NAMES = [
    *(bytes([letter]) for letter in b"abcdefgh"),
    b"\xff\n",
    b"a b",
    b"%41_",
    "ä\u202e".encode(),
    b"x" * 80,
]


def catalog_in(connection: sqlite3.Connection, *, key: bytes | None) -> Catalog:
    """Make a catalog of an empty database."""
    prepare(connection, shown="memory", may_create=True)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return Catalog(SqliteStore(connection, "memory"), Sealer(key))


@contextlib.contextmanager
def memory() -> Iterator[sqlite3.Connection]:
    """Give an empty database in memory."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


class History:
    """One job's catalog and what is known of it outside; `run` makes it longer."""

    def __init__(self, catalog: Catalog, *, seed: int, job: str = "job") -> None:
        self.catalog = catalog
        self.name = job
        self.random = random.Random(seed)
        self.now = NOON
        self.ends: list[End] = []
        known = self.catalog.add_job(job, source=b"/srv", machine="here")
        self._note(known)
        self._directories: dict[int, RecordedDirectory] = {}
        self._rows: dict[int, dict[bytes, Recorded]] = {}
        self._moves = 0

    @property
    def known(self) -> CatalogJob:
        """The job as the catalog has it."""
        known = self.catalog.job(self.name)
        assert known is not None
        return known

    @property
    def outside(self) -> Outside:
        """What the ledger would know."""
        return Outside({self.name: self.catalog.identity()}, {self.name: list(self.ends)})

    def ending(self) -> Ending:
        """Note ends as the ledger does."""

        @contextlib.contextmanager
        def noted(after: CatalogJob) -> Iterator[None]:
            self.ends.append(End.of(after))
            yield
            self.ends = [End.of(after)]

        return noted

    def _note(self, known: CatalogJob) -> None:
        self.ends = [End.of(known)]

    # One run

    def run(self, deeds: int = 6) -> None:
        """Record one run with some edits; the first is the baseline."""
        self.now += DAY
        known = self.known
        run_id = (known.last_run or 0) + self.random.randint(1, 3)
        with recording(self.catalog, known, run_id=run_id) as rows:
            touched: set[int] = set()  # a directory is staged once a run
            if known.last_run is None:
                touched.add(self._make_directory(rows, b""))
                for name in NAMES[:3]:
                    touched.add(self._make_directory(rows, name))
            for _ in range(deeds if known.last_run is not None else 4 * deeds):
                self._edit(rows, touched, tells=known.last_run is not None)
            rows.commit(self._run(known, run_id), scope=b"s%d" % run_id, ending=self.ending())

    def _run(self, known: CatalogJob, run_id: int) -> RecordedRun:
        files = [row for rows in self._rows.values() for row in rows.values()]
        return RecordedRun(
            run_id=run_id,
            type=JobType.TRACK,
            started_at=self.now,
            finished_at=self.now + datetime.timedelta(seconds=self.random.random() * 100),
            outcome=self.random.choice([Outcome.SUCCEEDED, Outcome.PARTIAL]),
            counts=Counts(scanned=len(files), created=self.random.randrange(9)),
            entries=sum(bool(row.name) for row in files),
            bytes_total=sum(row.size for row in files if stat.S_ISREG(row.mode)),
            bytes_added=self.random.randrange(999),
            is_baseline=known.last_run is None,
            error=self.random.choice([None, None, "'ä\u0378' is no place"]),
            metadata=self.random.choice(["{}", '{"ä": 1}']),
        )

    def _edit(self, rows: Recording, touched: set[int], *, tells: bool) -> None:
        free = [id_ for id_ in self._directories if id_ not in touched]
        if not free:
            return
        id_ = self.random.choice(free)
        what = self.random.choice(
            ["entries"] * 5 + ["make"] * 3 + ["move"] * 3 + ["unseen"] * 2 + ["drop", "rot"]
        )
        directory = self._directories[id_]
        if what == "entries":
            touched.add(id_)
            self._edit_entries(rows, directory, tells=tells)
        elif what == "make":
            path = join(directory.path, self.random.choice(NAMES))
            if not any(each.path == path for each in self._directories.values()):
                touched.add(self._make_directory(rows, path))
        elif what == "unseen":
            touched.add(id_)
            self._put(rows, directory, directory._replace(digest=None, unseen_since=7))
        elif directory.path and not self._beneath(directory.path, but=id_):
            touched.add(id_)
            if what == "drop":
                rows.drop(directory)
                del self._directories[id_], self._rows[id_]
                if tells:
                    self._tell(
                        rows, ChangeKind.DELETED, directory.path, self._row(b"", is_directory=True), None
                    )
            elif what == "move":
                self._move(rows, directory, tells=tells)
        if what == "rot" and tells:
            self._rot(rows, directory)

    def _beneath(self, path: bytes, *, but: int) -> bool:
        return any(each.path.startswith(path + b"/") for id_, each in self._directories.items() if id_ != but)

    def _make_directory(self, rows: Recording, path: bytes) -> int:
        new = rows.new_directory(path, ino=self._number())
        id_ = new.directory_id
        new = new._replace(digest=self.random.randbytes(16))
        entries = {} if path else {b"": self._row(b"", is_directory=True)}
        for name in self.random.sample(NAMES, self.random.randrange(4)):
            entries[name] = self._row(name)
        self._rows[id_] = entries
        self._put(rows, None, new, entries=list(entries.values()))
        return id_

    def _edit_entries(self, rows: Recording, directory: RecordedDirectory, *, tells: bool) -> None:
        there = self._rows[directory.directory_id]
        entries, instead = [], []
        for name in self.random.sample(NAMES, 3):
            old = there.get(name)
            new = None if old is not None and self.random.random() < 0.4 else self._row(name)
            if old is not None:
                instead.append(old)
            if new is not None:
                entries.append(new)
                there[name] = new
            else:
                there.pop(name, None)
            if tells:
                self._tell_of(rows, join(directory.path, name), old, new)
        new_directory = directory._replace(digest=self.random.randbytes(16), unseen_since=None)
        self._put(rows, directory, new_directory, entries=entries, instead=instead)

    def _tell_of(self, rows: Recording, path: bytes, old: Recorded | None, new: Recorded | None) -> None:
        if old is None:
            self._tell(rows, ChangeKind.CREATED, path, None, new)
        elif new is None:
            self._tell(rows, ChangeKind.DELETED, path, old, None)
        else:
            aspects = frozenset(self.random.sample(list(Aspect), self.random.randint(1, 3)))
            self._tell(rows, ChangeKind.MODIFIED, path, old, new, aspects=aspects)

    def _move(self, rows: Recording, directory: RecordedDirectory, *, tells: bool) -> None:
        self._moves += 1
        path = b"moved %d" % self._moves
        old = self._row(b"", is_directory=True)
        if tells:
            self._tell(rows, ChangeKind.MOVED, path, old, old, old_path=directory.path)
        self._put(rows, directory, directory._replace(path=path))

    def _rot(self, rows: Recording, directory: RecordedDirectory) -> None:
        for row in self._rows[directory.directory_id].values():
            if row.hash is not None and stat.S_ISREG(row.mode):
                new = row._replace(hash=self.random.randbytes(32))
                path = join(directory.path, row.name)
                self._tell(
                    rows, ChangeKind.MODIFIED, path, row, new, aspects=frozenset({Aspect.HASH}), rotted=True
                )
                return

    def _put(
        self,
        rows: Recording,
        old: RecordedDirectory | None,
        new: RecordedDirectory,
        *,
        entries: list[Recorded] | None = None,
        instead: list[Recorded] | None = None,
    ) -> None:
        rows.put(old, new, entries=entries or [], instead=instead or [])
        self._directories[new.directory_id] = new

    def _tell(
        self,
        rows: Recording,
        kind: ChangeKind,
        path: bytes,
        old: Recorded | None,
        new: Recorded | None,
        *,
        aspects: frozenset[Aspect] = frozenset(),
        old_path: bytes | None = None,
        rotted: bool = False,
    ) -> None:
        if not rotted and kind is ChangeKind.MODIFIED and self.random.random() < 0.1:
            kind, aspects = ChangeKind.METADATA, frozenset()  # what does not count
        severity = Severity.CRITICAL if rotted else self.random.choice([None, *Severity])
        rows.change(
            path,
            kind=kind,
            old=old,
            new=new,
            aspects=aspects,
            severity=severity,
            old_path=old_path,
            rotted=rotted,
        )

    def _row(self, name: bytes, *, is_directory: bool = False) -> Recorded:
        chance = self.random.random()
        mode = (
            stat.S_IFDIR | 0o755
            if is_directory
            else stat.S_IFLNK | 0o777
            if chance < 0.2
            else stat.S_IFREG | 0o644
        )
        is_file = stat.S_ISREG(mode)
        hashed = is_file and chance > 0.5
        return Recorded(
            name,
            mode,
            self._number() if is_file else 0,
            self._number() * 1_000_003,
            self._number() * 1_000_003,
            self.random.choice([0, 1000]),
            self.random.choice([0, 1000]),
            self.random.randrange(-(1 << 63), 1 << 63),
            self.random.choice(NAMES) if stat.S_ISLNK(mode) else None,
            self.random.randbytes(32) if hashed else None,
            self._number() if hashed else None,
        )

    def _number(self) -> int:
        return self.random.randrange(1 << self.random.randint(1, 40))

    # What else happens

    def accept_all(self) -> None:
        """Accept all that is open."""
        known = self.known
        self._accept(known, b"", known.next_change - 1)

    def accept(self) -> None:
        """Accept what is open at and beneath some path, up to some change."""
        known = self.known
        paths = [b"", *(change.path for change in self.catalog.changes(known.job_id))]
        self._accept(known, self.random.choice(paths), self.random.randint(0, known.next_change - 1))

    def _accept(self, known: CatalogJob, path: bytes, last_change: int) -> None:
        accept(
            self.catalog,
            known,
            path=path,
            last_change=last_change,
            who="ann ä",
            at=self.now + datetime.timedelta(hours=1),
            ending=self.ending(),
        )
        self.read_again()

    def interrupt(self) -> None:
        """Leave hashes as a run that was cut off does."""
        stamps = [Stamp(join(b"d", name), *(self._number() for _ in range(3))) for name in NAMES[:3]]
        Contents(self.catalog, self.known.job_id).keep(
            (stamp, self.random.randbytes(32), self._number()) for stamp in stamps
        )

    def prune(self, *, days: int) -> list[str]:
        """Drop what is older than so many days."""
        return list(pruned(self.catalog, self.known, before=self.now - days * DAY))

    def read_again(self) -> None:
        """Take directories and entries as the catalog has them, as a run does."""
        job_id = self.known.job_id
        self._directories = {
            each.directory_id: each for each in self.catalog.directories_beneath(job_id, b"")
        }
        self._rows = {id_: {} for id_ in self._directories}
        for id_, row in self.catalog.entries(job_id):
            self._rows[id_][row.name] = row

    def live(self, runs: int) -> None:
        """Have so many runs, and now and then something else after one."""
        for _ in range(runs):
            self.run()
            self.read_again()
            chance = self.random.random()
            if chance < 0.3:
                self.accept()
            elif chance < 0.4:
                self.interrupt()
            elif chance < 0.5:
                self.prune(days=3)


def flaws_of(catalog: Catalog, outside: Outside) -> list[Flaw]:
    """List what an audit of a catalog finds."""
    found = flaws_in(catalog, outside, place=PLACE, job=None, audited=Audited(), noticed=lambda notice: None)
    return list(found)

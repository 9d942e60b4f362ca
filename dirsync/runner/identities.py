"""Which object of the source became which path of the destination, kept from run to run.

A row says: what the destination holds at this path, if it holds anything there, was
made from the source's object with this inode number when that had this ctime. So a
row is removed, durably, before anything else may come to its path, and written
when what it says is done and durable, or done, where nobody asks for more. A run that is
killed leaves rows missing, and then content decides.

Where a file is made anew from the same object, which has another ctime by now, the row may
stay meanwhile: it tells of a ctime that the object never has again. Most changed files are
such, and a row that is altered costs a quarter of one that is removed and written.

Rows hold for one pair of directories. When either is another than before, all of a
job's rows go.
"""

from __future__ import annotations

import marshal
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import NamedTuple, TypeAlias, TypeVar

from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry, Kind, signed
from dirsync.model.job import Durability, MirrorJob
from dirsync.model.listing import numbers
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.plan.plan import Plan
from dirsync.plan.spill import Packing, SpillList
from dirsync.runner.ends import directory_at
from dirsync.runner.ledger import Ledger
from dirsync.runner.moved_rows import bounds_beneath, move_rows
from dirsync.sqlite_connection import insert_rows

T = TypeVar("T")
_Row: TypeAlias = tuple[str, int, int, bytes]  # job, inode, its ctime, path

_PLAIN = Packing(lambda rows: marshal.dumps(list(rows)), marshal.loads)

_PLACES = "places of identities"
_TABLES = ("identities", "hashes")  # that tell of paths, and hold when a directory above moves
_ROWS_A_TRANSACTION = 20_000  # other jobs wait for the database meanwhile: some 0.1 s
_MOST_KEPT = 20_000  # inodes in memory; the rows of more are removed and written anew
_INODES_AT_ONCE = 500
_MADE = frozenset({ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.MOVED})
_REMEMBERED = frozenset({Kind.FILE, Kind.DIRECTORY})


class Remembered(NamedTuple):
    """What a row says of an inode."""

    ctime_ns: int
    path: bytes


class Identities:
    """The rows of one job, and what the run at hand will add; every call may raise `RunError`."""

    def __init__(self, job: MirrorJob, ledger: Ledger, *, folder: str) -> None:
        """Take the rows of a job whose places are pinned; `folder` is for what does not fit in memory."""
        self._job = job
        self._ledger = ledger
        self._database = ledger.database
        self._folder = folder
        self._made: SpillList[tuple[int, int, bytes]] = SpillList(folder=folder, packing=_PLAIN)
        self._moved: list[bytes] = []  # the new paths of directories
        self._kept: dict[int, bytes] = {}  # inodes whose rows stayed, and are to have another ctime
        self._may_write = False  # what is noted, at any time
        self._writable: list[_Row] = []  # few

    def are_of_these_places(self) -> bool:
        """Whether there are rows, and they hold for the directories at hand."""
        return self._any() and self._ledger.recall(self._job.name, _PLACES) == self._places()

    def find(self, entry: Entry) -> Remembered | None:
        """Give what is remembered of an object of the source."""
        with self._database.translated():
            row = self._database.connection.execute(
                "SELECT ctime_ns, path FROM identities WHERE job = ? AND ino = ?",
                (self._job.name, signed(entry.ino)),
            ).fetchone()
        return None if row is None else Remembered(*row)

    def clear(self) -> None:
        """Remove all rows: what changes the destination next does not keep them true."""
        if self._any():
            self._write("DELETE FROM identities WHERE job = ?", [(self._job.name,)])

    def release(self, plan: Plan) -> None:
        """Remove the rows of every path that a plan is about to touch; call it before the first step."""
        self._may_write = self._job.durability is Durability.NONE and not plan.moved_from
        if not self.are_of_these_places():
            self.clear()
            self._ledger.remember(self._job.name, _PLACES, self._places())
            return
        job = self._job.name
        self._kept = self._of_same_objects(plan)
        self._write(
            "DELETE FROM identities WHERE job = ? AND path = ?",
            ((job, path) for path in _touched(plan, kept=self._kept)),
        )
        self._write(
            "DELETE FROM identities WHERE job = ? AND path > ? AND path < ?",
            ((job, *bounds_beneath(path)) for path in plan.moved_from),
        )

    def _of_same_objects(self, plan: Plan) -> dict[int, bytes]:
        """Find files to be made anew from the object they were made of, which changed; inode and path.

        Where only the destination changed, the row's ctime is one that the object has, and the
        row would be believed if the run were cut off.
        """
        if plan.moved_from:
            return {}
        remade = islice((step for step in plan.copies() if isinstance(step, Operation)), _MOST_KEPT)
        new = (step.change.entry for step in remade if _remakes(step.change))
        wanted = {signed(entry.ino): (entry.path, entry.ctime_ns) for entry in new}
        kept: dict[int, bytes] = {}
        inos = iter(wanted)
        while some := list(islice(inos, _INODES_AT_ONCE)):
            for ino, ctime_ns, path in self._rows_of(some):
                wanted_path, ctime_now_ns = wanted[ino]
                if path == wanted_path and ctime_ns != ctime_now_ns:
                    kept[ino] = path
        return kept

    def _rows_of(self, inos: Sequence[int]) -> list[tuple[int, int, bytes]]:
        places = ", ".join("?" * len(inos))
        with self._database.translated():
            return self._database.connection.execute(
                f"SELECT ino, ctime_ns, path FROM identities WHERE job = ? AND ino IN ({places})",
                (self._job.name, *inos),
            ).fetchall()

    def note(self, operation: Operation) -> None:
        """Note a step that was carried out."""
        change = operation.change
        new = change.new
        if new is None or change.kind not in _MADE or new.kind not in _REMEMBERED:
            return
        if change.leader is not None:  # what it is linked to may have been made of an older content
            return
        self._made.append((signed(new.ino), new.ctime_ns, new.path))
        if change.kind is ChangeKind.MOVED and new.is_directory:
            self._moved.append(new.path)

    def note_made(self, changes: Sequence[Change]) -> None:
        """Note files and symlinks that were copied to where there was nothing."""
        self._made.extend(
            (signed(new.ino), new.ctime_ns, new.path)
            for new in [change.new for change in changes]
            if new is not None and stat.S_ISREG(new.mode)
        )

    def note_made_files(self, files: NewFiles) -> None:
        """Note files that were planned together, and copied to where there was nothing."""
        listing = files.listing
        signed = numbers("q", listing.ino)  # as SQLite has integers
        ctimes_ns, paths = listing.ctimes_ns(), files.paths()
        if not self._may_write:
            self._made.extend(zip(signed, ctimes_ns, paths, strict=True))
            return
        self._writable += zip(repeat(self._job.name), signed, ctimes_ns, paths)
        if len(self._writable) >= _ROWS_A_TRANSACTION:  # while others copy
            self._write_made()

    def record(self, plan: Plan) -> None:
        """Write the rows of all that was noted; call it when that is durable."""
        moved = [(plan.moved_from[path], path) for path in self._moved]
        for old, new in sorted(moved, key=lambda move: len(move[0]), reverse=True):  # what is moved out first
            for table in _TABLES:
                move_rows(self._database, table, job=self._job.name, old=old, new=new)
        self._write_made()

    def _write_made(self) -> None:
        made, self._made = self._made, SpillList(folder=self._folder, packing=_PLAIN)
        writable, self._writable = self._writable, []
        for batch in _batches(chain(((self._job.name, *row) for row in made), writable)):
            with self._database.transaction() as connection:
                altered: list[tuple[int, str, int, bytes]] = []
                others = self._but_kept(batch, altered)
                insert_rows(
                    connection, "INSERT OR REPLACE INTO identities (job, ino, ctime_ns, path)", others
                )
                connection.executemany(
                    "UPDATE identities SET ctime_ns = ? WHERE job = ? AND ino = ? AND path = ?", altered
                )
        made.close()

    def _but_kept(self, rows: Iterable[_Row], altered: list[tuple[int, str, int, bytes]]) -> Iterator[_Row]:
        """Give rows but for those that stayed, whose new ctimes are noted."""
        for job, ino, ctime_ns, path in rows:
            if self._kept.get(ino) == path:
                altered.append((ctime_ns, job, ino, path))
            else:
                yield job, ino, ctime_ns, path

    def _any(self) -> bool:
        with self._database.translated():
            row = self._database.connection.execute(
                "SELECT 1 FROM identities WHERE job = ? LIMIT 1", (self._job.name,)
            ).fetchone()
        return row is not None

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute a statement for each row, so many in a transaction that nobody waits long."""
        for batch in _batches(iter(rows)):
            with self._database.transaction() as connection:
                connection.executemany(statement, batch)

    def _places(self) -> str:
        """Name the two directories, so that the name changes when either is another."""
        return "\n".join(directory_at(place) for place in (self._job.source, self._job.destination))


def _touched(plan: Plan, *, kept: dict[int, bytes]) -> Iterator[bytes]:
    """Give every path at which a plan makes, alters or removes something, where it is before and after.

    But for those whose rows are kept.
    """
    for phase in Phase:
        for operation in plan.operations(phase):
            change = operation.change
            is_kept = _remakes(change) and kept.get(signed(change.entry.ino)) == change.path
            if operation.counted and not change.is_in_place and not is_kept:
                yield change.path
                yield plan.before(change.path)


def _remakes(change: Change) -> bool:
    """Whether a file is to be copied to where there is one, by itself."""
    return change.replaces_a_file and change.leader is None


def _batches(rows: Iterator[T]) -> Iterator[Iterator[T]]:
    """Cut a stream into batches; each is to be read to its end before the next is asked for."""
    for first in rows:
        yield chain([first], islice(rows, _ROWS_A_TRANSACTION - 1))

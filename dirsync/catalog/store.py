"""What a database has to do for a catalog: rows in and out, and one merge.

Statements are written once, with `?` where a value goes, in the SQL that SQLite and
PostgreSQL share; what they do not share is a method here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeAlias

from dirsync.errors import RunError

Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Value, ...]

ENTRY_COLUMNS = (
    *("name", "mode", "size", "mtime_ns", "ctime_ns", "uid", "gid", "ino"),
    *("target", "hash", "hashed_at"),
)
DIRECTORY_COLUMNS = ("directory_id", "path", "digest", "seal", "unseen_since", "ino", "mark")


class Damage(NamedTuple):
    """Something that a database finds wrong with itself."""

    text: str
    is_corrupt: bool  # it cannot be relied on; else it is merely not as this program makes it


class Damaged(RunError):
    """A database is there, and cannot be read as one."""


class Missing(RunError):
    """There is no database where one should be."""


class Store(Protocol):
    """One open database; for the thread that opened it.

    Every call raises `RunError` where the database cannot be used, with what to do.
    """

    shown: str  # where it is, for messages; never a password
    notices: list[str]  # what it cannot do as well as others, one sentence each

    def rows(self, statement: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Run a query and give its rows as they come, few of them in memory."""
        ...

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a statement, durably unless within `transaction`; give how many rows it touched."""
        ...

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each row."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Give a block whose statements are all durable at its end, or none of them is."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Give a block whose queries all see one state of the database, and which holds up no writer."""
        ...

    def damage(self) -> Iterator[Damage]:
        """Tell what the database itself finds wrong with its tables and indexes."""
        ...

    def transaction_alone(self) -> AbstractContextManager[None]:
        """Give such a block that no other of its kind goes on beside; it waits for its turn."""
        ...

    def one_writer(self, job_id: int) -> AbstractContextManager[None]:
        """Give a block in which nobody else records the job, on whatever machine.

        Raises:
            Busy: somebody does already.
        """
        ...

    # Where directories are

    def directories_at(self, job_id: int, paths: Sequence[bytes]) -> Iterator[Row]:
        """Give the rows (`DIRECTORY_COLUMNS`) of the directories at these paths, as far as there are any."""
        ...

    def directories_with(self, job_id: int, inos: Sequence[int]) -> Iterator[Row]:
        """Give the rows (`DIRECTORY_COLUMNS`) of the directories of some inode numbers, in no order."""
        ...

    def directories_beneath(self, job_id: int, path: bytes) -> Iterator[Row]:
        """Give the rows (`DIRECTORY_COLUMNS`) of the directories at and beneath a path, in no order.

        The empty path is the root: all of them.
        """
        ...

    def entries_in(self, job_id: int, directory_ids: Sequence[int]) -> Iterator[Row]:
        """Give the entries of directories: `directory_id`, then `ENTRY_COLUMNS`; names in order in each."""
        ...

    def changes_beneath(self, job_id: int, path: bytes) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: at a path, beneath it, or moved off it.

        It names the ids, found by the paths' indexes, so that nobody walks through all changes
        in the hope of meeting some; write `+change_id` where another condition bounds them.
        """
        ...

    def changes_at(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: at one of a few paths themselves."""
        ...

    def moves_off(self, job_id: int, paths: Sequence[bytes]) -> tuple[str, list[Value]]:
        """Give a condition on `changes` of a job, and its values: moved off one of a few paths themselves."""
        ...

    def first_slash(self, path: str) -> str:
        """Give an expression: where the first slash is in a path, itself an expression.

        1 is the first byte; 0: there is none.
        """
        ...

    # The bulk path: rows into tables of this run's own, then one merge

    def staging(self, job_id: int, run_id: int) -> AbstractContextManager[Staging]:
        """Give a place for the rows of a run; it is gone at the end, whatever happened."""
        ...


class Staging(Protocol):
    """The rows of one run, on their way into the catalog.

    Within one run a directory, and an entry of a directory, is staged at most once.
    """

    def put_entries(self, rows: Iterable[Row]) -> None:
        """Take entries that are to be there: `directory_id`, then `ENTRY_COLUMNS`."""
        ...

    def drop_entries(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Take entries that are to go: `directory_id`, `name`; those of a dropped directory need not be."""
        ...

    def put_directories(self, rows: Iterable[Row]) -> None:
        """Take directories that are to be there: `DIRECTORY_COLUMNS`."""
        ...

    def drop_directories(self, directory_ids: Iterable[int]) -> None:
        """Take directories that are to go, with all their entries."""
        ...

    def add_changes(self, rows: Iterable[Row]) -> None:
        """Take changes: the columns of the table after `job_id`, in its order."""
        ...

    def merge(self) -> None:
        """Bring it all into the catalog; call it within `transaction`."""
        ...

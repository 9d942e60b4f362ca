"""What a run reads: a tree of this machine, or a far one. Both are asked the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence, Set
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from dirsync.model.attributes import Namespace
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.model.new_files import NewFiles
from dirsync.trees.hashing import Content

if TYPE_CHECKING:  # most runs copy nothing
    from dirsync.trees.data import DataCopier, Told
    from dirsync.trees.small_files import Made, Making, Olds


class FileAhead(NamedTuple):
    """A file that will be asked for."""

    path: bytes
    size: int  # bytes


class Attributed(Protocol):
    """An object whose extended attributes can be read."""

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give those that belong to some namespaces.

        Raises:
            OSError: one of them cannot be read.
        """


class OpenFile(Attributed, Protocol):
    """A file of a source that is being read; used by one thread."""

    def status(self) -> os.stat_result:
        """Give what it is now.

        Raises:
            OSError: that cannot be told any more.
        """

    def settled(self, sleep: Callable[[float], None]) -> os.stat_result:
        """Give what it is when the tick in which it was last changed is over; `sleep` waits for that.

        Raises:
            OSError: that cannot be told any more.
        """

    def copy_to(
        self,
        copy: int,
        copier: DataCopier,
        *,
        before: os.stat_result,
        told: Told,
        basis: Callable[[], int | None],
    ) -> bool:
        """Copy its data into an empty file; tell whether there were as many as `before` says.

        `basis` opens what the copy is to replace, where that may have much in common with it
        (None: there is nothing); whoever calls it closes it.

        Raises:
            OSError: it cannot be read, or the copy not be written.
        """

    def close(self) -> None:
        """Let go of it."""


class SourceTree(Protocol):
    """A tree that is read; for one thread.

    A method that takes a path raises `OSError` where it cannot be looked at.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...

    def close(self) -> None:
        """Let go of everything."""

    def ctime_ns(self, path: bytes) -> int:
        """Say when a directory last changed: it did not change meanwhile if two answers are equal."""

    def directory(self, path: bytes) -> Entry:
        """Give the entry of a directory."""

    def entry(self, path: bytes) -> Entry | None:
        """Give what is at a path; None: nothing is."""

    def status(self, path: bytes) -> os.stat_result:
        """Give what `lstat` says of a path."""

    def opened(self, path: bytes) -> OpenFile:
        """Open a file for reading."""

    @property
    def small_bytes(self) -> int:
        """The size up to which files can be copied together; 0: none can, for each may be elsewhere."""

    def copy_small(
        self, directory: bytes, names: Sequence[bytes], *, into: int, making: Making, olds: Olds = ()
    ) -> Made:
        """Copy small files of a directory into an open one, as far as that goes together.

        `olds` says what each replaces; empty: nothing.
        Files that were foreseen are asked for in that order, here as in `opened`.
        """

    def described(self, path: bytes, status: os.stat_result) -> Entry:
        """Give the entry of an open file, from what it said of itself."""

    def bearer(self, path: bytes) -> Attributed:
        """Give what bears the attributes at a path, never followed; valid until the next call."""

    def directory_bearer(self, path: bytes) -> Attributed:
        """Give a directory as what bears attributes; valid until the next call."""

    def read_file(self, path: bytes) -> bytes:
        """Read a whole (small) file."""

    def content(
        self,
        path: bytes,
        algorithm: HashAlgorithm,
        *,
        check: Callable[[], None],
        from_disk: bool = False,
        lasting: bool = True,
    ) -> Content:
        """Hash a file's content; `check` is called now and then, and may raise to stop.

        `lasting` False: nobody relies on it later, so the answer need not be certain.
        """

    def find_in(self, handles: Sequence[int]) -> None:
        """Hear of open files in which much may be of what is copied next; a local tree has no use for it."""

    def foresee(
        self,
        *,
        listings: Sequence[bytes] = (),
        entries: Sequence[bytes] = (),
        together: Sequence[NewFiles] = (),
        files: Sequence[FileAhead] = (),
        attributes: Sequence[bytes] = (),
    ) -> None:
        """Hear what will be asked for next, in this order. Nothing but speed depends on it.

        `together`: small files, for `copy_small`.
        """

"""A far tree, asked path by path, with what was foreseen at hand.

A run asks for one thing after another, as of a tree of this machine. What it is about to ask
for it says beforehand (`foresee`), and the answers to all of that come in one stream.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from dirsync.model.attributes import Namespace
from dirsync.model.capabilities import Capabilities
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.model.listing import Listing
from dirsync.model.new_files import NewFiles
from dirsync.model.place import FarPlace
from dirsync.trees import small_files
from dirsync.trees.far.chunks import Salvaged
from dirsync.trees.far.connection import FarConnection, FarEndLost, connection_to
from dirsync.trees.far.file import FarFile, selected_attributes
from dirsync.trees.far.http import HttpAsking
from dirsync.trees.far.large_file import LargeFile
from dirsync.trees.far.listings import Listings
from dirsync.trees.far.stream import FileStream
from dirsync.trees.handles import join
from dirsync.trees.hashing import Content
from dirsync.trees.local import entry_of
from dirsync.trees.small_files import Made, Making, Olds
from dirsync.trees.source import FileAhead
from dirsync.wire import beliefs
from dirsync.wire.asks import (
    LARGE_BYTES,
    SMALL_BYTES,
    AskAttributes,
    AskEntries,
    AskHashes,
    Attributes,
    Hashed,
    NamesWanted,
    Seen,
)
from dirsync.wire.frames import ProtocolError

_ALL_NAMESPACES = [namespace.value for namespace in Namespace]
_MOST_READ_BYTES = 16 << 20  # of a file that is read whole: an ignore file


class FarBearer(NamedTuple):
    """An object of a far tree that bears attributes."""

    read: Callable[[Set[Namespace]], dict[str, bytes]]

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give those that belong to some namespaces."""
        return self.read(namespaces)


class FarTree:
    """One far tree; see `SourceTree`. For one thread."""

    small_bytes = SMALL_BYTES

    def __init__(self, connection: FarConnection, *, owned: bool = False) -> None:
        """Read through a connection, which is closed with the tree if it is `owned`."""
        self.connection = connection
        self._owned = owned
        self._listings = Listings(connection)
        self._entries: dict[bytes, Seen | OSError] = {}
        self._attributes: dict[bytes, Attributes | OSError] = {}
        self._files: FileStream | None = None
        self._wanted: list[bytes] = []  # files that were foreseen and are not asked for yet
        self._wanted_together: list[NamesWanted] = []  # the first of them
        self._arrived: dict[bytes, FarFile] = {}  # files that came, and could not be made with others

    @classmethod
    def of(cls, place: FarPlace) -> Self:
        """Read a place through the connection that is open to it, or through one of its own."""
        there = connection_to(place)
        return cls(there) if there is not None else cls(FarConnection(place, HttpAsking(place)), owned=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything."""
        self._forget_files()
        if self._owned:
            self.connection.close()

    def capabilities(self) -> Capabilities:
        """Tell what the tree keeps."""
        greeting = self.connection.greeting()
        known = {namespace.value: namespace for namespace in Namespace}
        return Capabilities(
            mtime_resolution_ns=max(1, greeting.mtime_resolution_ns),
            modes=greeting.modes,
            attributes=frozenset(known[name] for name in greeting.attributes if name in known),
        )

    def file_system(self) -> str | None:
        """Name the file system that the root is on; None: it has no name that lasts."""
        return self.connection.greeting().file_system

    # Directories

    def listing(self, path: bytes) -> Listing:
        """List a directory."""
        return self._listings.take(path)

    def ctime_ns(self, path: bytes) -> int:
        """Say always the same: the far end lists a directory again while it changes."""
        return 0

    def directory(self, path: bytes) -> Entry:
        """Give the entry of a directory."""
        if not path:
            root = beliefs.stat_of(self.connection.greeting().root)
            return entry_of(b"", root, None)
        found = self.entry(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not found.is_directory:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return found

    def entry(self, path: bytes) -> Entry | None:
        """Give what is at a path; None: nothing is."""
        seen = self._seen(path)
        if seen.status is None:
            return None
        try:
            return beliefs.entry_of(path, seen.status, seen.target)
        except ProtocolError as error:
            raise self._nonsense(error) from error

    def status(self, path: bytes) -> os.stat_result:
        """Give what `lstat` says of a path."""
        seen = self._seen(path)
        if seen.status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            return beliefs.stat_of(seen.status)
        except ProtocolError as error:
            raise self._nonsense(error) from error

    def _seen(self, path: bytes) -> Seen:
        seen = self._entries.pop(path, None)
        if seen is None:
            return self.connection.one(path, _ask_entries, Seen)
        if isinstance(seen, OSError):
            raise seen
        return seen

    # Files

    def opened(self, path: bytes) -> FarFile | LargeFile:
        """Open a file to be copied."""
        arrived = self._arrived.pop(path, None)
        if arrived is not None:
            return arrived
        stream = self._stream_for(path)
        if stream is not None:
            return stream.next(path)
        status = self.status(path)
        if status.st_size >= LARGE_BYTES:
            return LargeFile(self.connection, path, status, attributes=partial(self._attributes_of, path))
        self._forget_files()
        self._files = FileStream(self.connection, [path], namespaces=_ALL_NAMESPACES)
        return self._files.next(path)

    def copy_small(
        self, directory: bytes, names: Sequence[bytes], *, into: int, making: Making, olds: Olds = ()
    ) -> Made:
        """Write small files of a directory that come together, as far as that goes."""
        paths = [join(directory, name) for name in names]
        stream = self._stream_for(paths[0])
        if stream is None:
            return small_files.none_made(len(names))
        some = stream.together(paths)
        if some is None:
            whole = stream.take_whole(paths[0])
            if whole is None:
                return small_files.none_made(len(names))
            self._arrived[paths[0]] = whole
            return small_files.none_made(1)
        made = small_files.write(
            making,
            into,
            names[: some.size],
            rows=some.rows,
            data=some.data,
            start=some.start,
            olds=olds[: some.size],
        )
        for number, is_made in enumerate(made.ended):
            if not is_made:
                self._arrived[paths[number]] = stream.one_of_them(number)
        stream.take(len(made.ended))
        return made

    def _stream_for(self, path: bytes) -> FileStream | None:
        """Give the stream that a file will come on, if it was foreseen."""
        if self._files is not None and self._files.has(path):
            return self._files
        wanted, together = self._wanted, self._wanted_together
        if path not in wanted:
            return None
        self._forget_files()
        at = wanted.index(path)
        self._files = FileStream(
            self.connection,
            wanted[at:],
            namespaces=_ALL_NAMESPACES,
            together=together if at == 0 else (),
        )
        return self._files

    def _forget_files(self) -> None:
        if self._files is not None:
            self._files.close()
            self._files = None
        self._wanted, self._wanted_together = [], []
        self._arrived = {}

    def described(self, path: bytes, status: os.stat_result) -> Entry:
        """Give the entry of an open file."""
        return entry_of(path, status, None)

    def read_file(self, path: bytes) -> bytes:
        """Read a whole (small) file."""
        stream = FileStream(self.connection, [path], namespaces=[])
        try:
            with contextlib.closing(stream.next(path)) as file:
                return file.read(most=_MOST_READ_BYTES)
        finally:
            stream.close()

    def content(
        self,
        path: bytes,
        algorithm: HashAlgorithm,
        *,
        check: Callable[[], None],
        from_disk: bool = False,
        lasting: bool = True,
    ) -> Content:
        """Hash a file's content, where it lies; its answer lasts in any case."""

        def ask(paths: list[bytes]) -> AskHashes:
            return AskHashes(paths=paths, algorithm=algorithm.value, from_disk=from_disk)

        check()
        hashed = self.connection.one(path, ask, Hashed)
        try:
            status = beliefs.stat_of(hashed.status)
        except ProtocolError as error:
            raise self._nonsense(error) from error
        return Content(hashed.hash, status, hashed.unchanged, hashed.certain)

    # Attributes

    def bearer(self, path: bytes) -> FarBearer:
        """Give what bears the attributes at a path."""
        return FarBearer(partial(self._attributes_of, path))

    def directory_bearer(self, path: bytes) -> FarBearer:
        """Give a directory as what bears attributes."""
        return FarBearer(partial(self._attributes_of, path))

    def _attributes_of(self, path: bytes, namespaces: Set[Namespace]) -> dict[str, bytes]:
        if not namespaces:
            return {}
        known = self._attributes.pop(path, None)
        if known is None:
            known = self.connection.one(path, _ask_attributes, Attributes)
        if isinstance(known, OSError):
            raise known
        return selected_attributes(known.attributes, namespaces)

    # Foresight

    def find_in(self, handles: Sequence[int]) -> None:
        """Hear of open files in which much may be of what is copied next."""
        self.connection.kept(Salvaged).take(handles)

    def foresee(
        self,
        *,
        listings: Sequence[bytes] = (),
        entries: Sequence[bytes] = (),
        together: Sequence[NewFiles] = (),
        files: Sequence[FileAhead] = (),
        attributes: Sequence[bytes] = (),
    ) -> None:
        """Hear what will be asked for next, in this order."""
        if listings:
            self._listings.foresee(listings)
        if entries:
            self._entries = dict(zip(entries, self.connection.each(entries, _ask_entries, Seen), strict=True))
        if attributes:
            found = self.connection.each(attributes, _ask_attributes, Attributes)
            self._attributes = dict(zip(attributes, found, strict=True))
        if together or files:
            self._listings.expect_no_more()
            self._forget_files()
            self._wanted_together = [
                NamesWanted(some.directory, some.listing.names) for some in together if some.entry_count
            ]
            self._wanted = [path for some in together for path in some.paths()]
            self._wanted += [file.path for file in files if file.size < LARGE_BYTES]

    def foresee_beneath(
        self,
        path: bytes,
        others: Iterable[bytes] = (),
        *,
        include: Iterable[bytes] = (),
        exclude: Iterable[bytes] = (),
    ) -> None:
        """Hear that a directory will be listed, then others, and all beneath each that is selected."""
        self._listings.foresee_beneath(path, others, include=tuple(include), exclude=tuple(exclude))

    def _nonsense(self, error: ProtocolError) -> FarEndLost:
        return FarEndLost(f"{self.connection.place}: {error}")


class DeepFarTree(FarTree):
    """A far tree that is walked to its end: a directory is listed with all beneath it."""

    def listing(self, path: bytes) -> Listing:
        """List a directory."""
        self.foresee_beneath(path)
        return super().listing(path)


def _ask_entries(paths: list[bytes]) -> AskEntries:
    return AskEntries(paths=paths)


def _ask_attributes(paths: list[bytes]) -> AskAttributes:
    return AskAttributes(paths=paths, namespaces=_ALL_NAMESPACES)

"""Facts: what differs between a source and a destination, and what could not be seen."""

from __future__ import annotations

import enum
import stat
from typing import NamedTuple, Protocol

from dirsync.model.entry import Entry


class ChangeKind(enum.Enum):
    """What happened to a path, as reports and machine output name it."""

    CREATED = "created"
    MODIFIED = "modified"
    METADATA = "metadata"
    MOVED = "moved"
    DELETED = "deleted"


class Aspect(enum.Enum):
    """One respect in which two entries of the same path can differ."""

    KIND = "kind"
    SIZE = "size"
    MTIME = "mtime"
    MODE = "mode"
    OWNERSHIP = "ownership"
    TARGET = "target"
    HASH = "hash"
    XATTRS = "xattrs"  # extended attributes, ACLs among them
    LINKS = "links"  # the names that share one object


class Leader(NamedTuple):
    """The name of a file with several that the others are linked to at the destination."""

    path: bytes
    entry: Entry | None  # what the destination has there; None: this run makes it


class Change(NamedTuple):
    """One path that differs between destination (old) and source (new): a fact."""

    kind: ChangeKind
    old: Entry | None  # None: CREATED
    new: Entry | None  # None: DELETED
    aspects: frozenset[Aspect] = frozenset()  # of MODIFIED, METADATA and MOVED: what differs
    selected: bool = True  # False: a directory wanted only for what it holds
    leader: Leader | None = None  # set: it becomes another name of that file, and is not copied
    is_whole: bool = False  # the old object, whose every name is of this file of the source, is altered

    @property
    def entry(self) -> Entry:
        """The entry that names the path: the new one, else the old one."""
        entry = self.new or self.old
        assert entry is not None
        return entry

    @property
    def path(self) -> bytes:
        """The path that differs, relative to the root."""
        return self.entry.path

    @property
    def is_in_place(self) -> bool:
        """Whether the object at the destination is altered, and not replaced by a new one.

        Metadata is set in place, but for a file with several names: the others may be a
        snapshot somebody keeps, or paths whose source looks otherwise.
        """
        if self.kind is not ChangeKind.METADATA or self.old is None:
            return False
        return self.is_whole or (self.leader is None and (self.old.is_directory or self.old.nlink == 1))

    @property
    def displaces(self) -> bool:
        """Whether the object at the destination gives way: it is deleted, or another takes its place."""
        return self.old is not None and self.kind is not ChangeKind.MOVED and not self.is_in_place

    @property
    def replaces_a_file(self) -> bool:
        """Whether the content of a file is another, or may be."""
        new, old = self.new, self.old
        if self.kind is not ChangeKind.MODIFIED or new is None or old is None:
            return False
        return stat.S_ISREG(new.mode) and stat.S_ISREG(old.mode)

    @property
    def bytes_to_copy(self) -> int:
        """The size of a file that has to be copied; else 0."""
        new = self.new
        if new is None or self.kind is ChangeKind.MOVED or self.leader is not None or self.is_in_place:
            return 0
        return new.size if stat.S_ISREG(new.mode) else 0


class Changes(Protocol):
    """Many changes, that are made one by one only where somebody asks for each."""

    @property
    def entry_count(self) -> int:
        """How many they are."""
        ...

    def changes(self) -> list[Change]:
        """Give each."""
        ...


class Failure(NamedTuple):
    """A path given up, and why. What could not be seen is unknown, never absent."""

    path: bytes
    reason: str

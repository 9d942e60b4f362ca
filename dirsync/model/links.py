"""Files with several names: what is known of each of their paths."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from dirsync.model.change import ChangeKind
from dirsync.model.entry import Entry, Kind

Identity: TypeAlias = "tuple[int, int]"  # device and inode


class Linked(NamedTuple):
    """A path of the source that is a file with several names, there or at the destination."""

    path: bytes
    source: Identity
    destination: Identity | None  # None: no file is there
    names: int  # of the destination's file, outside the tree too; 0: no file is there
    change: ChangeKind | None  # None: it is up to date by itself


def identity_of(entry: Entry) -> Identity:
    """Say which object an entry is a name of."""
    return entry.dev, entry.ino


def has_links(new: Entry | None, old: Entry | None) -> bool:
    """Whether a path is a file that has other names, on one side at least."""
    if new is None or new.kind is not Kind.FILE:
        return False
    return new.nlink > 1 or (old is not None and old.kind is Kind.FILE and old.nlink > 1)


def linked_of(new: Entry, old: Entry | None, *, change: ChangeKind | None) -> Linked:
    """Give the fact about a path that `has_links`."""
    if old is None or old.kind is not Kind.FILE:
        return Linked(new.path, identity_of(new), None, 0, change)
    return Linked(new.path, identity_of(new), identity_of(old), old.nlink, change)

"""What a tree is, or was, at one time: seen entries in path order, and what could not be seen."""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from dirsync.model.change import Failure
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm


class Seen(NamedTuple):
    """An entry, and the hash of its content."""

    entry: Entry
    hash: bytes | None  # None: it is no file, or was not hashed

    @property
    def path(self) -> bytes:
        """The path that was seen, relative to the root."""
        return self.entry.path


Sighting: TypeAlias = "Seen | Failure"


class State(Protocol):
    """A tree at one time: a directory now, a snapshot file, a run on record."""

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """What hashed the content of its files; None: they are not hashed."""

    def sightings(self) -> Iterator[Sighting]:
        """Give what was seen, and what was not, in path order; the root is no entry.

        A failure comes after the entry of its own path, if there is one, and before
        all that is beneath: that is unknown. Given once.

        Raises:
            DirsyncError: it cannot be read to its end.
        """


class SnapshotHeader(Struct, frozen=True, kw_only=True):
    """What a snapshot says of itself before its entries."""

    root: bytes  # absolute path of the directory that was seen
    taken_at: datetime.datetime  # aware; when it was begun
    algorithm: HashAlgorithm | None  # None: content was not hashed


def path_key(path: bytes) -> bytes:
    """Give what paths are ordered by: component by component, a directory directly before its subtree."""
    return path.replace(b"/", b"\0")


def in_path_order(seen: Iterable[Seen], failures: Iterable[Failure]) -> Iterator[Sighting]:
    """Merge entries, in path order, with failures in any order."""
    unseen = sorted(failures, key=_key)
    return heapq.merge(seen, unseen, key=_key) if unseen else iter(seen)


def _key(sighting: Sighting) -> bytes:
    return path_key(sighting.path)

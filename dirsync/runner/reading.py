"""Reading files of both ends in parallel threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from msgspec import Struct

from dirsync.errors import PathError
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm, MirrorJob
from dirsync.trees import parallel
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, entry_of, open_tree
from dirsync.trees.source import SourceTree

T = TypeVar("T")
R = TypeVar("R")


class Ends(Struct, frozen=True, kw_only=True):
    """Both ends of a job, open; for one thread."""

    source: SourceTree
    destination: LocalTree

    def close(self) -> None:
        """Close every handle."""
        self.source.close()
        self.destination.close()


class Contents(NamedTuple):
    """What was read at both ends of one path, from the disk."""

    path: bytes
    source: Content
    replica: Content

    @property
    def agree(self) -> bool:
        """Whether the two are the same, byte for byte."""
        return self.source.hash == self.replica.hash

    @property
    def source_entry(self) -> Entry:
        """What the source was when it was read."""
        return entry_of(self.path, self.source.status, None)

    @property
    def replica_entry(self) -> Entry:
        """What the replica was when it was read."""
        return entry_of(self.path, self.replica.status, None)


def read_both(ends: Ends, path: bytes, algorithm: HashAlgorithm, *, check: Callable[[], None]) -> Contents:
    """Hash a file at both ends, as the disks hold it.

    Raises:
        PathError: one of them cannot be read; it says which.
    """
    contents = []
    for end, tree in (("source", ends.source), ("replica", ends.destination)):
        try:
            contents.append(tree.content(path, algorithm, check=check, from_disk=True))
        except OSError as error:
            raise PathError(path, f"the {end} cannot be read: {error.strerror or error}") from error
    return Contents(path, *contents)


def in_threads(
    items: Iterable[T], read: Callable[[Ends, T], R], *, job: MirrorJob, workers: int
) -> Iterator[R]:
    """Give what `read` makes of each item, in their order.

    Raises:
        OSError: a root is gone.
        Whatever `read` raises.
    """

    def open_ends() -> Ends:
        return Ends(source=open_tree(job.source), destination=open_tree(job.destination))

    return parallel.in_threads(items, read, open_handles=open_ends, workers=workers)

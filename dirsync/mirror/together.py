"""Steps of one directory that are done many in one call, as far as that is plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol, TypeGuard

from dirsync.mirror.files import Staged
from dirsync.mirror.settings import Settings
from dirsync.model.operation import Operation
from dirsync.trees import small_files
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


def go_together(source: SourceTree, settings: Settings) -> TypeGuard[LocalTree]:
    """Whether steps may be taken many in one call, at this moment.

    Not where each has to be taken by itself, nor where a name of the source is not what lies at
    it: where links are followed, say.
    """
    if settings.stop_on_failure or settings.source_check is not None:
        return False
    return isinstance(source, LocalTree) and source.small_bytes > 0 and small_files.serves()


class Together(NamedTuple):
    """What came of steps that were tried together."""

    ended: list[tuple[Operation, Staged | None]]  # None: it is done, and what it made in its place
    left: list[Operation]  # for the usual way
    untried: list[Operation]  # for another try
    byte_count: int = 0  # that were written


class Way(Protocol):
    """One kind of such steps; for one thread."""

    def serves(self) -> bool:
        """Whether anything is to be tried so, at this moment."""

    def directory_of(self, operation: Operation) -> bytes | None:
        """Give the directory in which a step may be done so with others; None: it may not."""

    def tried(self, operations: Sequence[Operation]) -> Together:
        """Do steps of one directory, for a moment, but one at least."""


def parted(
    operations: Sequence[Operation], ways: Sequence[Way]
) -> Iterator[tuple[list[Operation], Way | None]]:
    """Part steps, in their order, into those that may be tried together, each with its way, and others."""
    serving = [way for way in ways if way.serves()]
    if not serving:
        yield list(operations), None
        return

    def where(operation: Operation) -> tuple[Way | None, bytes | None]:
        for way in serving:
            directory = way.directory_of(operation)
            if directory is not None:
                return way, directory
        return None, None

    for (way, _), some in groupby(operations, where):
        yield list(some), way

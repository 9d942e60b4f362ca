"""Many new files of one directory, in columns: what a first run finds, plans and copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.listing import Listing, Runs, numbers
from dirsync.model.operation import Operation, Phase


class NewFiles(NamedTuple):
    """Regular files with one name each, of which the destination has none: a step for each.

    They are what `changes` or `operations` say, one by one; kept together they take a tenth
    of the memory, and of the time.
    """

    directory: bytes  # their parent's path
    listing: Listing  # of them alone

    @property
    def entry_count(self) -> int:
        """How many they are. (`len` of a tuple is its width.)"""
        return self.listing.entry_count

    @property
    def byte_count(self) -> int:
        """How long they are, together."""
        return sum(self.sizes())

    def sizes(self) -> Sequence[int]:
        """Give the size of each, in bytes."""
        return numbers("q", self.listing.size)

    def names(self) -> list[bytes]:
        """Give the name of each."""
        return self.listing.name_list()

    def paths(self) -> list[bytes]:
        """Give the path of each."""
        prefix = self.directory + b"/" if self.directory else b""
        return [prefix + name for name in self.names()]

    def entries(self) -> list[Entry]:
        """Give the entry of each."""
        return self.listing.entries(self.directory)

    def changes(self) -> list[Change]:
        """Give the change of each."""
        return [Change(ChangeKind.CREATED, None, entry) for entry in self.entries()]

    def operations(self) -> list[Operation]:
        """Give the step of each."""
        return [Operation(Phase.COPY, change) for change in self.changes()]

    def some(self, runs: Runs) -> NewFiles:
        """Give some of them."""
        return NewFiles(self.directory, self.listing.rows(runs))

    def cut(self, ends: Sequence[int]) -> Iterator[NewFiles]:
        """Give them in pieces, each up to the next of some ends, of which the last is behind all."""
        if len(ends) == 1:
            yield self
        else:
            for listing in self.listing.cut(ends):
                yield NewFiles(self.directory, listing)

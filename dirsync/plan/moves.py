"""Which creations and deletions of a plan are one object that moved; nothing is looked at here.

A directory that moved takes the steps for what is in it along: they are replaced by
those of a second march, between its new place in the source and its old one at the
destination. A `Layer` is the plan of one march, the first or a later one, with what
moves have made needless in it; `replanned` makes one plan of all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple, Protocol

from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry, Kind
from dirsync.model.operation import Phase
from dirsync.plan.plan import Plan
from dirsync.trees.handles import ancestors, split

_MOST_ALIKE = 8  # directories of the destination that one file may speak for


class Layer:
    """The plan of one march: its paths are those that hold when the moves before it are done."""

    def __init__(self, plan: Plan, *, path: bytes = b"", destination_path: bytes = b"") -> None:
        """Take a plan for what is beneath `path`, and is beneath `destination_path` before the run."""
        self.plan = plan
        self.path = path
        self._destination_path = destination_path
        self._moved_to: set[bytes] = set()
        self._moved_from: set[bytes] = set()

    def at_destination(self, path: bytes) -> bytes:
        """Give where something that is to be deleted is before the run."""
        return self._destination_path + path[len(self.path) :]

    def take_to(self, path: bytes) -> None:
        """Drop what is created at a path and beneath it: it is moved there."""
        self._moved_to.add(path)

    def take_from(self, path: bytes) -> None:
        """Drop what is deleted at a path and beneath it: it is moved away."""
        self._moved_from.add(path)

    def still_made(self, path: bytes) -> bool:
        """Whether no move brings what a step would make or alter."""
        return not _covers(self._moved_to, path)

    def still_deleted(self, path: bytes) -> bool:
        """Whether no move takes away what a step would delete."""
        return not _covers(self._moved_from, path)

    def created(self, phase: Phase) -> Iterator[Change]:
        """Give what is still to be created in a phase, a directory before its content, and is selected."""
        for operation in self.plan.operations(phase):
            change = operation.change
            if change.kind is ChangeKind.CREATED and change.selected and self.still_made(change.path):
                yield change

    def deleted(self) -> Iterator[Gone]:
        """Give what is still to be deleted, and was selected."""
        for operation in self.plan.operations(Phase.DELETE):
            change = operation.change
            if change.selected and self.still_deleted(change.path):
                yield Gone(change.entry, self)


class Gone(NamedTuple):
    """Something at the destination that is to be deleted, unless it is what moved."""

    entry: Entry
    layer: Layer

    @property
    def at_destination(self) -> bytes:
        """Where it is before the run."""
        return self.layer.at_destination(self.entry.path)


def _covers(roots: set[bytes], path: bytes) -> bool:
    return bool(roots) and (path in roots or not roots.isdisjoint(ancestors(path)))


class GoneDirectories:
    """The whole directories that are to be deleted, by where they are before the run."""

    def __init__(self) -> None:
        self._by_path: dict[bytes, Gone] = {}

    def add(self, layer: Layer) -> None:
        """Add those of a layer, but for those in which something stays."""
        for gone in layer.deleted():
            if gone.entry.is_directory and gone.entry.path not in layer.plan.holding_kept:
                self._by_path[gone.at_destination] = gone

    def find(self, path: bytes) -> Gone | None:
        """Give the one at a path, if no move has taken it."""
        gone = self._by_path.get(path)
        return gone if gone is not None and gone.layer.still_deleted(gone.entry.path) else None

    def __contains__(self, path: bytes) -> bool:
        return path in self._by_path

    def __len__(self) -> int:
        return len(self._by_path)


class Votes:
    """For each created directory, the deleted one whose files agree most with its own.

    They agree in name, size and mtime.
    """

    def __init__(self, layers: list[Layer], gone: GoneDirectories, *, mtime_resolution_ns: int) -> None:
        self._resolution_ns = mtime_resolution_ns
        self._gone = gone
        self._created = {change.path for layer in layers for change in layer.created(Phase.MAKE_DIRECTORIES)}
        self._votes: dict[bytes, dict[bytes, int]] = {}
        homes = self._homes(layers)
        for change in (change for layer in layers for change in layer.created(Phase.COPY)):
            if change.entry.kind is Kind.FILE:
                for home in homes.get(self._key(change.entry), ()):
                    self._vote(split(change.path)[0], home)

    def _key(self, entry: Entry) -> int:
        return hash((split(entry.path)[1], entry.size, entry.mtime_ns // self._resolution_ns))

    def _homes(self, layers: list[Layer]) -> dict[int, list[bytes]]:
        """Give the directories that the deleted files of a name, size and mtime are in, a few at most."""
        homes: dict[int, list[bytes]] = defaultdict(list)
        for gone in (gone for layer in layers for gone in layer.deleted()):
            if gone.entry.kind is Kind.FILE:
                home = homes[self._key(gone.entry)]
                if len(home) < _MOST_ALIKE:
                    home.append(split(gone.at_destination)[0])
        return homes

    def _vote(self, new: bytes, old: bytes) -> None:
        """Count a file that agrees, for its directory and for those above with equal names beneath them."""
        while new in self._created and old in self._gone:
            of_new = self._votes.setdefault(new, {})
            of_new[old] = of_new.get(old, 0) + 1
            (new, new_name), (old, old_name) = split(new), split(old)
            if new_name != old_name:
                return

    def best(self, new: bytes) -> bytes | None:
        """Name, of those still to be had, the one that got most votes; None: there is none."""
        votes = self._votes.get(new, {})
        left = [old for old in votes if self._gone.find(old) is not None]
        return max(left, key=lambda old: (votes[old], old), default=None)


class Contents(Protocol):
    """What the files on both sides hold."""

    def remembered(self, new: Entry) -> bytes | None:
        """Where the destination had a file of the source when the last run ended; None: not known."""

    def is_known(self, new: Entry, destination_path: bytes) -> bool:
        """Whether a file of the source is surely what the one there was copied from."""

    def of_source(self, path: bytes) -> bytes | None:
        """Hash a file of the source; None: it cannot be read."""

    def of_destination(self, path: bytes) -> bytes | None:
        """Hash a file of the destination; None: it cannot be read."""


class Alike:
    """Files to be deleted that agree in size and mtime; each is hashed once at most."""

    def __init__(self) -> None:
        self._left: dict[bytes, Gone] = {}  # by where they are before the run
        self._by_name: dict[bytes, list[bytes]] = defaultdict(list)
        self._hashes: dict[bytes, bytes | None] = {}
        self._by_hash: dict[bytes, list[bytes]] | None = None  # None: not all are hashed

    def add(self, gone: Gone) -> None:
        """Add a file."""
        self._left[gone.at_destination] = gone
        self._by_name[split(gone.entry.path)[1]].append(gone.at_destination)

    def take(self, new: Entry, contents: Contents, *, suits: Callable[[Entry, Gone], bool]) -> Gone | None:
        """Take out the one that a created file was, confirmed by its content; None: none was.

        Asked first is the one that the file was when the last run ended, then one of
        the same name. Empty files are one as another: only one of the same name.
        """
        for path in self._confirmed(new, contents):
            gone = self._left.get(path)
            if gone is not None and suits(new, gone):
                del self._left[path]
                return gone
        return None

    def _confirmed(self, new: Entry, contents: Contents) -> Iterator[bytes]:
        likely = self._those_left(self._by_name[split(new.path)[1]])
        if not new.size:
            yield from likely
            return
        remembered = contents.remembered(new)
        if remembered is not None and remembered in self._left and contents.is_known(new, remembered):
            yield remembered
        hashed = contents.of_source(new.path) if self._left else None
        if hashed is None:
            return
        first = [remembered] if remembered is not None and remembered in self._left else []
        yield from (path for path in chain(first, likely) if self._hash(path, contents) == hashed)
        yield from self._those_left(self._all_hashed(contents).get(hashed, []))

    def _those_left(self, paths: list[bytes]) -> Iterator[bytes]:
        """Give the paths that are still to be had, and shorten the list by those that are not at its end."""
        while paths and paths[-1] not in self._left:
            paths.pop()
        return (path for path in reversed(paths) if path in self._left)

    def _hash(self, path: bytes, contents: Contents) -> bytes | None:
        if path not in self._hashes:
            self._hashes[path] = contents.of_destination(path)
        return self._hashes[path]

    def _all_hashed(self, contents: Contents) -> dict[bytes, list[bytes]]:
        if self._by_hash is None:
            self._by_hash = defaultdict(list)
            for path in self._left:
                hashed = self._hash(path, contents)
                if hashed is not None:
                    self._by_hash[hashed].append(path)
        return self._by_hash


def replanned(layers: list[Layer], moves: Plan) -> Plan:
    """Add to the moves what is left of each layer, and give the complete plan.

    `moves` holds the moves, and what is made within what was moved. Layers come as
    their moves do, the first march's first.
    """
    first, *others = layers
    for phase in (Phase.SWEEP, Phase.MAKE_WAY):
        moves.take_over(first.plan, phase, where=lambda _: True)
    moves.take_over(first.plan, Phase.MAKE_DIRECTORIES, where=first.still_made)
    for layer in layers:
        moves.take_over(layer.plan, Phase.COPY, where=layer.still_made)
        moves.take_over(layer.plan, Phase.DELETE, where=layer.still_deleted)
        moves.take_over(layer.plan, Phase.FINISH_DIRECTORIES, where=layer.still_made)
    moves.failures = first.plan.failures
    moves.counts.scanned = first.plan.counts.scanned
    moves.destination_entries = first.plan.destination_entries
    known = {failure.path for failure in moves.failures} if others else set()
    for layer in others:
        for failure in layer.plan.failures:
            if failure.path not in known:
                moves.failures.append(failure)
    return moves

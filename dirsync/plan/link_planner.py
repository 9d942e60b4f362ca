"""Holding back what is to be done about files with several names until all of them are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from dirsync.model.change import Aspect, Change, ChangeKind, Leader
from dirsync.model.entry import Entry
from dirsync.model.links import Linked, has_links, identity_of
from dirsync.model.operation import Operation, Phase
from dirsync.plan.links import Decisions, decide
from dirsync.plan.spill import SpillList
from dirsync.trees.handles import ancestors, split

Look = Callable[[bytes], "tuple[Entry | None, Entry | None]"]  # at source and destination; None: unseen


class LinkPlanner:
    """Gathers facts and changes of files with several names, and makes operations of them."""

    def __init__(self, *, look: Look, mounts: Set[bytes], folder: str | None = None) -> None:
        """Plan with a second look at paths; `mounts` are the destination's mount points."""
        self._look = look
        self._mounts = mounts
        self._facts: list[Linked] = []
        self._held = SpillList[Change](folder=folder)
        self._leaders: dict[bytes, Leader] = {}

    def add(self, linked: Linked) -> None:
        """Note a name of a file with several."""
        self._facts.append(linked)

    def holds(self, change: Change) -> bool:
        """Take a change over if it is one of a file with several names; tell whether it was."""
        if not has_links(change.new, change.old):
            return False
        self._held.append(change)
        return True

    def operations(self, *, unusable: Set[bytes]) -> Iterator[Operation]:
        """Give the operations of all files with several names; nothing is done at `unusable` paths."""
        decisions = decide(self._facts, part_of=self._part_of, unusable=unusable)
        directories = set()  # in which a name is replaced that the march took for one that is not
        for change in self._held:
            yield self._operation(change, decisions)
            if change.is_in_place and change.path in decisions.leader_of:
                directories.add(split(change.path)[0])
        for linked in decisions.parted:
            change_of_links = self._parted(linked)
            if change_of_links is not None:
                yield self._operation(change_of_links, decisions)
                directories.add(split(linked.path)[0])
        for directory in sorted(directories):
            yield from self._finishing(directory)
        self._held.close()

    def _part_of(self, path: bytes) -> bytes:
        if not self._mounts:
            return b""
        return next((above for above in ancestors(path) if above in self._mounts), b"")

    def _operation(self, change: Change, decisions: Decisions) -> Operation:
        leader = decisions.leader_of.get(change.path)
        if leader is not None:
            return Operation(Phase.LINK, change._replace(leader=self._leader(leader)))
        return Operation(Phase.COPY, change._replace(is_whole=change.path in decisions.in_place))

    def _leader(self, linked: Linked) -> Leader:
        """Say what the destination has to hold for others to be linked to it."""
        if linked.change is not None:
            return Leader(linked.path, None)
        if linked.path not in self._leaders:
            old = self._look(linked.path)[1]
            as_it_was = old is not None and identity_of(old) == linked.destination
            self._leaders[linked.path] = Leader(linked.path, old if as_it_was else None)
        return self._leaders[linked.path]

    def _parted(self, linked: Linked) -> Change | None:
        """Say that a name is linked otherwise than in the source; None: it has changed since."""
        new, old = self._look(linked.path)
        if new is None or old is None:
            return None
        if (identity_of(new), identity_of(old)) != (linked.source, linked.destination):
            return None
        return Change(ChangeKind.METADATA, old, new, frozenset({Aspect.LINKS}))

    def _finishing(self, directory: bytes) -> Iterator[Operation]:
        """Have the mtime of a directory set again in which a name is replaced."""
        new, old = self._look(directory)
        if new is not None and old is not None:
            yield Operation(Phase.FINISH_DIRECTORIES, Change(ChangeKind.METADATA, old, new), counted=False)

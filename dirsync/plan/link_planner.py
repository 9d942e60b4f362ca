"""Deciding about files with several names, when all names are known and what moved is moved.

Until then the plan holds the changes of such files back, and the facts about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from functools import partial

from dirsync.errors import PathError
from dirsync.model.change import Aspect, Change, ChangeKind, Failure, Leader
from dirsync.model.entry import Entry
from dirsync.model.links import Linked, identity_of
from dirsync.model.operation import Operation, Phase
from dirsync.plan.links import Decisions, decide
from dirsync.plan.plan import Plan
from dirsync.trees.handles import ancestors, split

Look = Callable[
    [bytes], "tuple[Entry | None, Entry | None]"
]  # at source and destination; None: nothing; it may raise PathError


class LinkPlanner:
    """Makes operations of the changes that a plan holds back."""

    def __init__(self, plan: Plan, *, look: Look, mounts: Set[bytes]) -> None:
        """Work on a plan; `mounts` are the destination's mount points.

        `look` gives a second look at a path, at the destination where the plan's moves
        take it from.
        """
        self._plan = plan
        self._look = look
        self._mounts = mounts
        self._leaders: dict[bytes, Leader] = {}

    def decide(self) -> None:
        """Have nothing held back any more.

        Raises:
            OSError: a root is gone.
        """
        decisions = decide(self._plan.linked, part_of=self._part_of, unusable=self._plan.blocked)
        for operation in self._operations(decisions, self._plan.released()):
            self._plan.add(operation)

    def _operations(self, decisions: Decisions, held: Iterator[Change]) -> Iterator[Operation]:
        directories = set()  # in which a name is replaced that the march took for one that is not
        for change in held:
            yield from self._seen(change.path, partial(self._operation, change, decisions))
            if change.is_in_place and change.path in decisions.leader_of:
                directories.add(split(change.path)[0])
        for linked in decisions.parted:
            for operation in self._seen(linked.path, partial(self._parting, linked, decisions)):
                yield operation
                directories.add(split(linked.path)[0])
        for directory in sorted(directories):
            yield from self._seen(directory, partial(self._finishing, directory))

    def _seen(self, path: bytes, decide: Callable[[], Operation | None]) -> list[Operation]:
        """Give the operation that is decided on, if any; a path that cannot be looked at is a failure."""
        try:
            operation = decide()
        except PathError as error:
            self._plan.failures.append(Failure(path, error.reason))
            return []
        return [] if operation is None else [operation]

    def _part_of(self, path: bytes) -> bytes:
        if not self._mounts:
            return b""
        return next((above for above in ancestors(path) if above in self._mounts), b"")

    def _operation(self, change: Change, decisions: Decisions) -> Operation:
        leader = decisions.leader_of.get(change.path)
        if leader is None:
            return Operation(Phase.COPY, change._replace(is_whole=change.path in decisions.in_place))
        altered = leader.path in decisions.in_place and _is_name_of(change, leader)
        return Operation(Phase.LINK, change._replace(leader=self._leader(leader), is_whole=altered))

    def _leader(self, linked: Linked) -> Leader:
        """Say what the destination has to hold for others to be linked to it."""
        if linked.change is not None:
            return Leader(linked.path, None)
        if linked.path not in self._leaders:
            old = self._look(linked.path)[1]
            as_it_was = old is not None and identity_of(old) == linked.destination
            self._leaders[linked.path] = Leader(linked.path, old if as_it_was else None)
        return self._leaders[linked.path]

    def _parting(self, linked: Linked, decisions: Decisions) -> Operation | None:
        """Decide about a name that is linked otherwise than in the source; None: it has changed since."""
        new, old = self._look(linked.path)
        if new is None or old is None:
            return None
        if (identity_of(new), identity_of(old)) != (linked.source, linked.destination):
            return None
        return self._operation(Change(ChangeKind.METADATA, old, new, frozenset({Aspect.LINKS})), decisions)

    def _finishing(self, directory: bytes) -> Operation | None:
        """Have the mtime of a directory set again in which a name is replaced."""
        new, old = self._look(directory)
        if new is None or old is None:
            return None
        return Operation(Phase.FINISH_DIRECTORIES, Change(ChangeKind.METADATA, old, new), counted=False)


def _is_name_of(change: Change, leader: Linked) -> bool:
    """Whether what is at a path is the very object that leads, so that it is altered along with it."""
    return change.old is not None and identity_of(change.old) == leader.destination

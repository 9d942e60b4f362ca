"""Which names share one object: decided for each file of the source, once all its names are known.

Of a file's names one leads: the others are linked to what the destination has there. It is
a name that is up to date, so that nothing is copied; else one whose metadata can be set in
place; else the first in path order. An object of the destination serves one file alone: a
second one that shares it is copied anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Set

from msgspec import Struct, field

from dirsync.model.change import ChangeKind
from dirsync.model.links import Identity, Linked

_FULL = 32_000  # a file system may refuse more names than this (ext2 does, ext4 65,000)

PartOf = Callable[[bytes], bytes]


class Decisions(Struct, kw_only=True):
    """What is to become of files with several names."""

    leader_of: dict[bytes, Linked] = field(default_factory=dict)  # of each path that is to be linked
    parted: list[Linked] = field(default_factory=list)  # up to date, but for what they are linked with
    in_place: set[bytes] = field(default_factory=set)  # leaders whose every name is this file's


def decide(facts: Iterable[Linked], *, part_of: PartOf, unusable: Set[bytes]) -> Decisions:
    """Decide which names are linked to which.

    `part_of` tells in which mounted part of the destination a path is: links do not cross
    them. `unusable` are paths that nothing will be done about.
    """
    groups: dict[tuple[Identity, bytes], list[Linked]] = {}
    for linked in sorted(facts):
        groups.setdefault((linked.source, part_of(linked.path)), []).append(linked)
    decisions = Decisions()
    taken: set[Identity] = set()
    for group in groups.values():
        usable = [linked for linked in group if linked.path not in unusable]
        if usable:
            _decide_group(usable, taken, decisions)
    return decisions


def _decide_group(names: list[Linked], taken: set[Identity], decisions: Decisions) -> None:
    """Decide about the names of one file, given in path order."""
    counts = Counter(name.destination for name in names)
    current = [name for name in names if _is_current(name, taken)]
    leader = _most_widespread(current) if current else min(names, key=lambda name: _cost(name, counts))
    stays = bool(current) or _cost(leader, counts) == 0
    if stays and leader.destination is not None:
        taken.add(leader.destination)
    if stays and leader.change is not None:
        decisions.in_place.add(leader.path)
    elif not stays and leader.change is None:
        decisions.parted.append(leader)
    for name in names:
        if name is leader or (name.change is None and _stays_apart(name, leader, taken, stays=stays)):
            continue
        decisions.leader_of[name.path] = leader
        if name.change is None:
            decisions.parted.append(name)


def _is_current(name: Linked, taken: Set[Identity]) -> bool:
    return name.change is None and name.destination not in taken


def _most_widespread(current: list[Linked]) -> Linked:
    """Give the first name of the object that most of the names share already."""
    (destination, _), *_ = Counter(name.destination for name in current).most_common(1)
    return next(name for name in current if name.destination == destination)


def _cost(name: Linked, counts: Counter[Identity | None]) -> int:
    """Rank a name that may have to lead though it is not up to date, or its object is taken."""
    if name.change is ChangeKind.METADATA and name.names == counts[name.destination]:
        return 0  # no other file, and nobody's snapshot, has a name of this object
    return 1 if name.change is not None else 2


def _stays_apart(name: Linked, leader: Linked, taken: set[Identity], *, stays: bool) -> bool:
    """Whether a name that is up to date stays what it is: linked already, or beyond what can be."""
    if not stays or name.destination is None:
        return False
    if name.destination == leader.destination:
        return True
    if leader.names < _FULL or name.destination in taken:
        return False
    taken.add(name.destination)
    return True

"""Folding: a directory that came or went stands for all that came or went in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dirsync.model.change import ChangeKind
from dirsync.model.tallies import Glimpse

_WHOLE = frozenset({ChangeKind.CREATED, ChangeKind.DELETED})  # of a directory: with all in it

Key = tuple[int, ChangeKind, bytes]


class Top(NamedTuple):
    """One change that is not beneath another of its run and kind."""

    change_id: int
    beneath: int  # changes that it stands for besides itself
    byte_count: int  # of all their files


def folded(glimpses: Iterable[Glimpse]) -> list[Top]:
    """Fold changes, in the order in which the first of each fold comes."""
    changes = list(glimpses)
    whole = {
        (each.run_id, each.kind, each.path): each
        for each in changes
        if each.is_directory and each.kind in _WHOLE
    }
    tops: dict[int, Top] = {}
    for each in changes:
        top = _top_of(each, whole)
        known = tops.get(top.change_id, Top(top.change_id, -1, 0))
        tops[top.change_id] = Top(top.change_id, known.beneath + 1, known.byte_count + each.size)
    return list(tops.values())


def _top_of(change: Glimpse, whole: dict[Key, Glimpse]) -> Glimpse:
    """Find the change that stands for another: of the highest directory above that came or went, too."""
    top = change
    while (above := whole.get((top.run_id, top.kind, top.path.rpartition(b"/")[0]))) is not None:
        if above is top:  # the root's own
            break
        top = above
    return top

"""Surveys for another end: walked once, told level by level as they are asked about."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import TypeAlias

from dirsync.answers.pulse import Check, with_signs_of_life
from dirsync.answers.selecting import scope_beneath, scope_of_top
from dirsync.scan.survey import Columns, Ground, TooMany, survey
from dirsync.trees.local import LocalTree
from dirsync.wire import frames
from dirsync.wire.asks import AskSurvey, Surveyed
from dirsync.wire.frames import ProtocolError

_KEPT = 4  # surveys, of a few hundred bytes a directory
_MOST_DIRECTORIES = 200_000
_LONGEST_NAME = 64
_ANSWERS_A_FRAME = 1_000

Grounds: TypeAlias = dict[bytes, Ground]


class Surveys:
    """The surveys that are at hand; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[bytes, bytes], Grounds] = OrderedDict()

    def answered(self, ask: AskSurvey, tree: LocalTree, *, check: Check) -> Iterator[bytes]:
        """Give the frames that answer one question; it may take as long as a walk."""
        if not 0 < len(ask.name) <= _LONGEST_NAME:
            raise ProtocolError("a survey without a name")
        grounds = self._at_hand(ask)
        if grounds is None:
            found: list[Grounds] = []
            yield from with_signs_of_life(partial(self._walked, ask, tree), found, check=check)
            grounds = found[0]
        for start in range(0, len(ask.paths), _ANSWERS_A_FRAME):
            batch = ask.paths[start : start + _ANSWERS_A_FRAME]
            yield frames.messages(*(_told(path, grounds.get(path)) for path in batch))

    def _at_hand(self, ask: AskSurvey) -> Grounds | None:
        with self._lock:
            return self._known.get((ask.name, ask.root))

    def _walked(self, ask: AskSurvey, tree: LocalTree, check: Check) -> Grounds:
        counted = ask.counted
        try:
            grounds = survey(
                tree,
                ask.root,
                scope=scope_beneath(ask.root, scope_of_top(ask.selecting)),
                columns=Columns(
                    size=counted.size,
                    mtime=counted.mtime,
                    ownership=counted.ownership,
                    hard_links=counted.hard_links,
                ),
                most_directories=min(ask.most_directories, _MOST_DIRECTORIES),
                check=check,
            )
        except TooMany:
            grounds = {}
        with self._lock:
            self._known[ask.name, ask.root] = grounds
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return grounds


def _told(path: bytes, ground: Ground | None) -> Surveyed:
    if ground is None:
        return Surveyed(path=path, known=False)
    return Surveyed(path=path, own=ground.own, whole=ground.whole, entries=ground.entries, rows=ground.rows)

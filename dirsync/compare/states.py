"""Two states of one tree, as the changes from the older to the newer: in path order, in one pass.

What could not be seen on one side is unknown: it and all beneath is never created or
deleted, only compared where both sides did see it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from dirsync.compare.rules import EXACT, kind_of_change
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Kind
from dirsync.model.snapshot import Seen, Sighting, State, path_key


class Unseen(NamedTuple):
    """A path that one of two states does not know."""

    failure: Failure
    is_new: bool  # it is the newer one


Difference: TypeAlias = "Change | Unseen"


def compare_states(old: State, new: State) -> Iterator[Difference]:
    """Give the changes that lead from one state to another, and what each does not know.

    Memory grows with the changes beneath a directory whose mtime differs, until it is
    known whether something in it explains that.

    Raises:
        Whatever reading the states raises.
    """
    return _Comparison(old, new).differences()


class _Own:
    """A directory of which the mtime alone differs: news unless something in it explains that."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_open = True  # more of what it holds may come
        self.is_news = True


class _Side:
    """One state, read in step with the other."""

    def __init__(self, state: State) -> None:
        self._sightings = state.sightings()
        self.next: Sighting | None = None  # None: there is no more
        self._unknown: list[bytes] = []  # paths that could not be seen and hold the one at hand
        self.key: bytes | None = None  # of what comes next; None: there is no more
        self.advance()

    def advance(self) -> None:
        """Go on to what comes next."""
        self.next = found = next(self._sightings, None)
        self.key = None if found is None else path_key(found.path)

    def take(self, key: bytes, failures: list[Failure]) -> Seen | None:
        """Take all that is said of a path, failures apart; None: it was not seen."""
        seen = None
        while self.key == key:
            if isinstance(self.next, Failure):
                failures.append(self.next)
                self._unknown.append(self.next.path)
            else:
                seen = self.next
            self.advance()
        return seen

    def knows(self, path: bytes) -> bool:
        """Whether a path that was not seen was absent; asked in path order."""
        while self._unknown and not _holds(self._unknown[-1], path):
            self._unknown.pop()
        return not self._unknown


class _Comparison:
    def __init__(self, old: State, new: State) -> None:
        self._old = _Side(old)
        self._new = _Side(new)
        self._compares_hashes = old.algorithm is not None and old.algorithm is new.algorithm
        self._found: deque[Difference | _Own] = deque()
        self._undecided: list[_Own] = []  # each holds the next

    def differences(self) -> Iterator[Difference]:
        old, new = self._old, self._new
        while (key := _first(old.key, new.key)) is not None:
            if old.key == new.key and not self._undecided and _agree(new.next, old.next):
                old.advance()  # failures of this very path may still come
                new.advance()
                continue
            unseen_old: list[Failure] = []
            unseen_new: list[Failure] = []
            before, after = old.take(key, unseen_old), new.take(key, unseen_new)
            if self._undecided:
                self._decide(key.replace(b"\0", b"/"))
            self._compare(before, after)
            self._found.extend(Unseen(failure, is_new=False) for failure in unseen_old)
            self._found.extend(Unseen(failure, is_new=True) for failure in unseen_new)
            if self._found:
                yield from self._ready()
        self._decide(None)
        yield from self._ready()

    def _compare(self, old: Seen | None, new: Seen | None) -> None:
        if new is not None and old is not None:
            self._compare_seen(old, new)
        elif new is not None:
            if self._old.knows(new.path):
                self._add(Change(ChangeKind.CREATED, None, new.entry))
        elif old is not None and self._new.knows(old.path):
            self._add(Change(ChangeKind.DELETED, old.entry, None))

    def _compare_seen(self, old: Seen, new: Seen) -> None:
        aspects = EXACT.aspects(new.entry, old.entry)
        hashed = self._compares_hashes and old.hash is not None and new.hash is not None
        if hashed and old.hash != new.hash:
            aspects |= {Aspect.HASH}
        if not aspects:
            return
        kind = new.entry.kind
        if Aspect.KIND in aspects:
            self._add(Change(ChangeKind.MODIFIED, old.entry, new.entry, frozenset({Aspect.KIND})))
        elif kind is Kind.DIRECTORY:
            self._add_own(Change(ChangeKind.METADATA, old.entry, new.entry, aspects))
        else:
            change = kind_of_change(aspects, content_is_known=hashed or kind is not Kind.FILE)
            self._add(Change(change, old.entry, new.entry, aspects))

    def _add(self, change: Change) -> None:
        self._found.append(change)
        if self._undecided and change.kind is not ChangeKind.METADATA:
            directory = self._undecided[-1]
            if directory.change.path == change.path.rpartition(b"/")[0]:
                directory.is_news = False
                directory.is_open = False

    def _add_own(self, change: Change) -> None:
        if change.aspects != {Aspect.MTIME}:
            self._found.append(change)
            return
        own = _Own(change)
        self._found.append(own)
        self._undecided.append(own)

    def _decide(self, path: bytes | None) -> None:
        """Close the directories that do not hold a path; None: all of them."""
        while self._undecided and (path is None or not _holds(self._undecided[-1].change.path, path)):
            self._undecided.pop().is_open = False

    def _ready(self) -> Iterator[Difference]:
        """Give what was found, up to the first directory that is still open."""
        found = self._found
        while found:
            first = found[0]
            if not isinstance(first, _Own):
                yield first
            elif first.is_open:
                return
            elif first.is_news:
                yield first.change
            found.popleft()


def _first(one: bytes | None, other: bytes | None) -> bytes | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _holds(directory: bytes, path: bytes) -> bool:
    """Whether a path is another or lies beneath it; the root holds all."""
    return not directory or path == directory or path.startswith(directory + b"/")


def _agree(new: Sighting | None, old: Sighting | None) -> bool:
    """Whether two entries are equal in all that is compared: a quick yes, or have a closer look."""
    if not isinstance(new, Seen) or not isinstance(old, Seen) or new.hash != old.hash:
        return False
    one, other = new.entry, old.entry
    return (
        one.mtime_ns == other.mtime_ns
        and one.size == other.size
        and one.mode == other.mode
        and one.uid == other.uid
        and one.gid == other.gid
        and one.target == other.target
    )

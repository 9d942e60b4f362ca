"""Listings of far directories: one at a time, several foreseen, or all beneath one in one stream."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from dirsync.model.listing import Listing
from dirsync.trees.far.connection import FarConnection, FarEndLost, Unreachable, answers_of
from dirsync.wire import beliefs
from dirsync.wire.asks import MOST_PATHS, MOST_ROWS, AskListings, Listed, Selecting, Unseen
from dirsync.wire.frames import ProtocolError, StreamCut

_MOST_BYTES = 1 << 30  # of one directory's listing: more than ten million names
_COLUMNS = 11


_Found: TypeAlias = tuple[bytes, Listing | OSError]  # a directory's path, and what was found


class _Beneath:
    """What is still to come of all beneath a directory, for any tree of a connection."""

    def __init__(self) -> None:
        self._coming: Generator[_Found, None, None] | None = None
        self._lock = threading.Lock()

    def begin(self, coming: Generator[_Found, None, None] | None) -> None:
        """Let go of what is still to come, and have something else come."""
        with self._lock:
            old, self._coming = self._coming, coming
            if old is not None:
                old.close()

    def next(self) -> _Found | None:
        """Give the next one; None: there is no more."""
        with self._lock:
            return None if self._coming is None else next(self._coming, None)


class Listings:
    """What was listed at a far end and not yet asked for; for one thread."""

    def __init__(self, connection: FarConnection) -> None:
        self._connection = connection
        self._beneath = connection.kept(_Beneath)

    @property
    def _known(self) -> dict[tuple[type, bytes], Any]:
        """What is at hand, for any tree of the connection: a march opens one again and again."""
        return self._connection.foreseen

    def take(self, path: bytes) -> Listing:
        """Give a directory's listing; one that was foreseen is used up.

        Raises:
            OSError: it cannot be listed.
            RunError: the far end is lost.
        """
        if not self._has_come(path):
            self.foresee([path])
        known = self._known.pop((Listing, path))
        if isinstance(known, OSError):
            raise known
        assert isinstance(known, Listing)
        return known

    def foresee(self, paths: Sequence[bytes]) -> None:
        """List directories; what goes wrong is told when one is asked for."""
        left = [path for path in paths if (Listing, path) not in self._known]
        while left:
            batch, left = left[:MOST_PATHS], left[MOST_PATHS:]
            patience = self._connection.patience()
            while batch:
                try:
                    for path, listing in self._asked(AskListings(paths=batch)):
                        if not batch or path != batch[0]:
                            raise FarEndLost(f"{self._connection.place}: a listing nobody asked for")
                        patience.renew()
                        self._known[Listing, path] = listing
                        del batch[0]
                    if batch:
                        raise FarEndLost(f"{self._connection.place}: fewer listings than were asked for")
                except (Unreachable, StreamCut) as error:
                    patience.wait(error)

    def foresee_beneath(
        self, path: bytes, others: Iterable[bytes], *, include: tuple[bytes, ...], exclude: tuple[bytes, ...]
    ) -> None:
        """List a directory, then `others`, and what is beneath each, as much as one answer holds.

        The far end lists ahead of what is taken.
        """
        if not self._has_come(path):
            paths = dict.fromkeys([path, *islice(others, MOST_PATHS - 1)])
            self._beneath.begin(self._all_beneath(paths, Selecting(include=include, exclude=exclude)))

    def expect_no_more(self) -> None:
        """Let go of what is still to come: nothing will ask for it."""
        self._beneath.begin(None)

    def _has_come(self, path: bytes) -> bool:
        """Whether a directory's listing is at hand; takes what comes until it is."""
        while (Listing, path) not in self._known:
            found = self._beneath.next()
            if found is None:
                return False
            self._known[Listing, found[0]] = found[1]
        return True

    def _all_beneath(self, left: dict[bytes, None], selecting: Selecting) -> Generator[_Found, None, None]:
        """Give what one answer holds of some directories and of all beneath.

        What was cut off goes on with those that did not come.
        """
        patience = self._connection.patience()
        while left:
            ask = AskListings(paths=list(islice(left, MOST_PATHS)), beneath=True, selecting=selecting)
            rows = 0
            try:
                for found, listing in self._asked(ask):
                    if found not in left or rows >= MOST_ROWS:
                        raise FarEndLost(f"{self._connection.place}: a listing nobody asked for")
                    patience.renew()
                    del left[found]
                    if isinstance(listing, Listing):
                        left.update(dict.fromkeys(_children(found, listing)))
                        rows += listing.entry_count + 1
                    yield found, listing
                return
            except (Unreachable, StreamCut) as error:
                patience.wait(error)

    def _asked(self, ask: AskListings) -> Iterator[_Found]:
        """Give the listings of one stream, each put together of its parts."""
        with self._connection.frames(ask) as frames:
            parts = _Parts()
            for answer in answers_of(frames):
                match answer:
                    case Unseen():
                        yield answer.path, beliefs.error_of(answer)
                    case Listed():
                        parts.add(answer)
                        if not answer.more:
                            yield answer.path, beliefs.listing_of(parts.taken())
                    case _:
                        raise ProtocolError("an answer to another question")
            if parts:
                raise ProtocolError("a listing that is not complete")


class _Parts:
    """The parts of one listing, as they come."""

    def __init__(self) -> None:
        self._parts: list[Listed] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, part: Listed) -> None:
        """Take one more.

        Raises:
            ProtocolError: it does not fit, holds nothing, or it is too much in all.
        """
        first = self._parts[0] if self._parts else part
        if part.path != first.path or len(part.columns) != _COLUMNS or (part.more and not part.columns[1]):
            raise ProtocolError("a listing whose parts do not fit")
        self._bytes += sum(map(len, part.columns))
        self._bytes += sum(len(name) + len(reason) for name, reason in part.unknown)
        if self._bytes > _MOST_BYTES:
            raise ProtocolError(f"a directory whose names and figures take more than {_MOST_BYTES} bytes")
        self._parts.append(part)

    def taken(self) -> Listed:
        """Give all as one, and begin anew."""
        parts, self._parts, self._bytes = self._parts, [], 0
        return _joined(parts)


def _children(path: bytes, listing: Listing) -> Iterator[bytes]:
    prefix = path + b"/" if path else b""
    return (prefix + name for name in listing.directories())


def _joined(parts: list[Listed]) -> Listed:
    """Put the parts of one listing together."""
    if len(parts) == 1:
        return parts[0]
    columns = [
        (b"\0" if at in (0, _COLUMNS - 1) else b"").join(
            part.columns[at] for part in parts if part.columns[at]
        )
        for at in range(_COLUMNS)
    ]
    unknown = [each for part in parts for each in part.unknown]
    return Listed(path=parts[0].path, columns=columns, unknown=unknown)

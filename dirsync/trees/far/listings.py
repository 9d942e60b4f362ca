"""Listings of far directories: one at a time, several foreseen, or all beneath one in one stream."""

from __future__ import annotations

import logging
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
_MOST_OTHERS = 512  # directories asked for together with one
_MOST_STREAMS = 4  # at once

logger = logging.getLogger(__name__)


_Found: TypeAlias = tuple[bytes, Listing | OSError]  # a directory's path, and what was found


class _Stream:
    """What is still to come of some directories and of all beneath, in depth-first order."""

    def __init__(self, left: dict[bytes, None], coming: Generator[_Found, None, None]) -> None:
        """`left` is what is known to be on its way, the next one last; `coming` keeps it up."""
        self._left = left
        self._coming = coming

    def may_bring(self, path: bytes) -> bool:
        """Whether a directory may still come: it is on its way, or one above it is."""
        while path and path not in self._left:
            path = path.rpartition(b"/")[0]
        return path in self._left

    def next(self) -> _Found | None:
        """Give the next one; None: there is no more."""
        found = next(self._coming, None)
        if found is not None and not self._left:
            next(self._coming, None)  # the end of the stream, so that its connection can be used again
        return found

    def close(self) -> None:
        """Let go of what is still to come."""
        self._left.clear()
        self._coming.close()


class _Streams:
    """The streams of a connection, for any tree of it: one within another, where a march turns aside."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._open: list[_Stream] = []

    def begin(self, stream: _Stream) -> None:
        """Have one more come; the oldest of too many is let go."""
        self._open.append(stream)
        for old in self._open[:-_MOST_STREAMS]:
            old.close()
        del self._open[:-_MOST_STREAMS]

    def that_may_bring(self, path: bytes) -> _Stream | None:
        """Give the stream by which a directory may still come."""
        return next((stream for stream in reversed(self._open) if stream.may_bring(path)), None)

    def end(self) -> None:
        """Let go of them all."""
        for stream in self._open:
            stream.close()
        self._open.clear()


class Listings:
    """What was listed at a far end and not yet asked for; for one thread."""

    def __init__(self, connection: FarConnection) -> None:
        self._connection = connection
        self._streams = connection.kept(_Streams)

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
        with self._streams.lock:
            has_come = self._has_come(path)
        if not has_come:
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
        with self._streams.lock:
            if self._has_come(path):
                return
            paths = [path, *(each for each in islice(others, _MOST_OTHERS) if not self._may_come(each))]
            left = dict.fromkeys(reversed(paths))
            selecting = Selecting(include=include, exclude=exclude)
            self._streams.begin(_Stream(left, self._all_beneath(paths, left, selecting)))

    def expect_no_more(self) -> None:
        """Let go of what is still to come, and of what came: nothing will ask for it."""
        with self._streams.lock:
            self._streams.end()
            self._known.clear()

    def _may_come(self, path: bytes) -> bool:
        return (Listing, path) in self._known or self._streams.that_may_bring(path) is not None

    def _has_come(self, path: bytes) -> bool:
        """Whether a directory's listing is at hand; takes what comes before it where it is on its way."""
        while (Listing, path) not in self._known:
            stream = self._streams.that_may_bring(path)
            if stream is None:
                return False
            found = stream.next()
            if found is not None:
                self._known[Listing, found[0]] = found[1]
        return True

    def _all_beneath(
        self, paths: list[bytes], left: dict[bytes, None], selecting: Selecting
    ) -> Generator[_Found, None, None]:
        """Give what one answer holds of some directories and of all beneath, and keep `left` up.

        What is cut off is asked for again by who needs it.
        """
        rows = 0
        try:
            for found, listing in self._asked(AskListings(paths=paths, beneath=True, selecting=selecting)):
                if rows >= MOST_ROWS or not _comes_next(found, left, asked=paths):
                    raise FarEndLost(f"{self._connection.place}: a listing nobody asked for")
                if isinstance(listing, Listing):
                    left.update(dict.fromkeys(reversed(list(_children(found, listing)))))
                    rows += listing.entry_count + 1
                yield found, listing
        except (Unreachable, StreamCut) as error:
            logger.info("%s: listings cut off: %s", self._connection.place, error)
        finally:
            left.clear()

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


def _comes_next(found: bytes, left: dict[bytes, None], *, asked: list[bytes]) -> bool:
    """Take a directory off what is left, and those before it, which may be any that were not asked for."""
    while left:
        path, _ = left.popitem()
        if path == found:
            return True
        if path in asked:
            return False
    return False


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

"""Asking another end: streams that are taken up again where they were cut off.

Whatever gets asks to the other end and brings the answers, over HTTP or over the channel of a
run that the other end ordered, is an `Asking`. A `FarConnection` is what all threads of one run
share: patience with a connection that breaks, and what was foreseen.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.model.place import FarPlace
from dirsync.wire.asks import Answer, Ask, AskGreeting, Greeting, Question, Unseen
from dirsync.wire.beliefs import check_status, error_of
from dirsync.wire.frames import Frames, ProtocolError, Refused, StreamCut, decoder

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_PATIENCE_SECONDS = 60.0  # how long nothing may arrive before the far end counts as lost

decode_answers = decoder(list[Answer])


class FarEndLost(RunError):
    """The far end does not answer any more, or said what makes no sense."""


class Unreachable(Exception):
    """A request did not get through, or its answer did not come back: worth another try."""


class Refusal(RunError):
    """The far end answered, and refused."""


def stale() -> OSError:
    """Make the error of a file that is not any more what was asked for; worth another try."""
    return OSError(errno.ESTALE, "it changed while it was sent")


class Asking(Protocol):
    """Gets questions to the other end; used by several threads."""

    def ask(self, question: Question) -> AbstractContextManager[Frames]:
        """Ask, and give the stream of answers.

        Raises:
            Unreachable: it did not get through.
            Refusal: it was refused.
        """

    def close(self) -> None:
        """Let go of everything."""


def _never() -> None:
    """Let every wait go on."""


class Patience:
    """How long one thread goes on trying; what arrives renews it."""

    def __init__(self, shown: str, check: Callable[[], None], *, seconds: float) -> None:
        self._shown = shown
        self._check = check
        self._seconds = seconds
        self._pause = _FIRST_PAUSE_SECONDS
        self._last = time.monotonic()

    def renew(self) -> None:
        """Something arrived."""
        self._pause = _FIRST_PAUSE_SECONDS
        self._last = time.monotonic()

    def wait(self, error: Exception) -> None:
        """Wait before another try.

        Raises:
            FarEndLost: it has been too long.
            Cancelled, say: what `check` raises to stop.
        """
        if time.monotonic() - self._last > self._seconds:
            raise FarEndLost(f"{self._shown} does not answer: {error}") from error
        logger.info("%s: %s; tried again in %.1f s", self._shown, error, self._pause)
        ends_at = time.monotonic() + self._pause * random.uniform(0.8, 1.2)
        while (left := ends_at - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.2))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)


class FarConnection:
    """What the threads of one run share of a far place."""

    def __init__(
        self,
        place: FarPlace,
        asking: Asking,
        *,
        check: Callable[[], None] = _never,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """Ask about a place; `check` is called while waiting, and may raise to stop."""
        self.place = place
        self._asking = asking
        self._check = check
        self._patience_seconds = patience_seconds
        self._greeting: Greeting | None = None
        self._lock = threading.Lock()
        self._kept: dict[type, Any] = {}
        self.foreseen: dict[tuple[type, bytes], Any] = {}  # answers that came before they were asked for

    def close(self) -> None:
        """Let go of everything."""
        self._asking.close()

    def kept(self, kind: type[T]) -> T:
        """Give what is kept of a kind for as long as the connection is open, made when first asked for."""
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = kind()
            found: T = self._kept[kind]
            return found

    def greeting(self) -> Greeting:
        """Say who is there; asked once.

        Raises:
            Unreachable: nobody answers.
            RunError: it refuses, or speaks another version.
        """
        with self._lock:
            if self._greeting is None:
                self._greeting = self._greet()
            return self._greeting

    def _greet(self) -> Greeting:
        try:
            with self._asking.ask(self._question(AskGreeting())) as frames:
                answers = [answer for is_message, payload in frames for answer in decode_answers(payload)]
        except StreamCut as error:
            raise Unreachable(str(error)) from error
        except Refused as error:
            raise Refusal(f"{self.place}: {error}") from error
        except ProtocolError as error:
            raise FarEndLost(f"{self.place}: {error}") from error
        if len(answers) != 1 or not isinstance(answers[0], Greeting):
            raise FarEndLost(f"{self.place} does not speak this protocol")
        try:
            check_status(answers[0].root)
        except ProtocolError as error:
            raise FarEndLost(f"{self.place}: {error}") from error
        return answers[0]

    def _question(self, ask: Ask) -> Question:
        """Make a question about the directory that was greeted, and no other that takes its place."""
        greeting = self._greeting
        identity = None if greeting is None else (greeting.root.dev, greeting.root.ino)
        return Question(ask=ask, root=self.place.beneath, identity=identity)

    def patience(self) -> Patience:
        """Give a new measure of patience."""
        return Patience(str(self.place), self._check, seconds=self._patience_seconds)

    @contextlib.contextmanager
    def frames(self, ask: Ask) -> Iterator[Frames]:
        """Ask once, and give the stream.

        Raises:
            Unreachable, StreamCut: the connection broke.
            RunError: it refuses, or says what makes no sense.
        """
        try:
            with self._asking.ask(self._question(ask)) as frames:
                yield frames.checked_by(self._check)
        except Refused as error:
            raise Refusal(f"{self.place}: {error}") from error
        except ProtocolError as error:
            raise FarEndLost(f"{self.place}: {error}") from error

    def each(
        self, paths: Sequence[bytes], make: Callable[[list[bytes]], Ask], kind: type[T]
    ) -> Iterator[T | OSError]:
        """Give one answer for each path, in order; the error where a path could not be looked at.

        What was cut off is asked for again, from the first path that was not answered.

        Raises:
            RunError: the far end is lost, refuses, or says what makes no sense.
        """
        at = 0
        patience = self.patience()
        while at < len(paths):
            try:
                with self.frames(make(list(paths[at:]))) as frames:
                    for answer in answers_of(frames):
                        patience.renew()
                        if at == len(paths):
                            raise FarEndLost(f"{self.place}: more answers than were asked for")
                        yield self._believed(answer, paths[at], kind)
                        at += 1
                    if at < len(paths):
                        raise FarEndLost(f"{self.place}: fewer answers than were asked for")
            except (Unreachable, StreamCut) as error:
                patience.wait(error)

    def _believed(self, answer: Any, path: bytes, kind: type[T]) -> T | OSError:
        if getattr(answer, "path", None) != path:
            raise FarEndLost(f"{self.place}: an answer about another path")
        if isinstance(answer, Unseen):
            return error_of(answer)
        if not isinstance(answer, kind):
            raise FarEndLost(f"{self.place}: an answer to another question")
        return answer

    def one(self, path: bytes, make: Callable[[list[bytes]], Ask], kind: type[T]) -> T:
        """Give the answer for one path.

        Raises:
            OSError: it could not be looked at.
            RunError: as `each`.
        """
        (answer,) = self.each([path], make, kind)
        if isinstance(answer, OSError):
            raise answer
        return answer


def answers_of(frames: Frames) -> Iterator[Any]:
    """Give the messages of a stream that holds no data.

    Raises:
        ProtocolError: there are data, or a message is none.
        StreamCut: it was cut off.
    """
    for is_message, payload in frames:
        if not is_message:
            raise ProtocolError("data that nobody asked for")
        yield from decode_answers(payload)


_open: dict[int, FarConnection] = {}
_numbers = itertools.count(1)


@contextlib.contextmanager
def connected(connection: FarConnection) -> Iterator[FarPlace]:
    """Give the connection's place, tied to it: every tree of that is read through it, while the block runs.

    Two runs that read one place have a connection each: what is kept and foreseen is one run's.
    """
    number = next(_numbers)
    _open[number] = connection
    try:
        yield replace(connection.place, connection=number)
    finally:
        del _open[number]
        connection.close()


def connection_to(place: FarPlace) -> FarConnection | None:
    """Give the connection that a place is tied to; None: there is none."""
    return None if place.connection is None else _open.get(place.connection)

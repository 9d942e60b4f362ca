"""The conversation with a far end that carries out a run: what it asks is answered, what it tells passed on.

A connection that breaks is made again, and the run goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import msgspec

from dirsync.answers.answering import Answerer
from dirsync.errors import Cancelled, RunError, Skipped
from dirsync.model.stop import Deadline
from dirsync.trees.far.connection import FarEndLost, Patience, Refusal, Unreachable
from dirsync.trees.far.http import Stream, Wire, read_to_end
from dirsync.wire import frames
from dirsync.wire.frames import Frames, ProtocolError, StreamCut, decoder
from dirsync.wire.runs import Asked, Began, Ended, Order, Told

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 60.0
_HEARD_EVERY = 256  # frames
_ANSWERED_AT_ONCE = 160  # a worker of the far end asks two things at once, and there are at most 64
_MOST_ASKED = 1_000  # not answered yet
_GIVE_UP_SECONDS = 30.0  # after it was told to stop
_decode_told = decoder(list[Told])
_encoder = msgspec.msgpack.Encoder()


def _nothing() -> None:
    """Renew nothing."""


class Conversation:
    """One run that was ordered, from the order to its end."""

    def __init__(
        self, wire: Wire, answerer: Answerer, *, tell: Callable[[Told], None], deadline: Deadline
    ) -> None:
        self._wire = wire
        self._answerer = answerer
        self._tell = tell
        self._deadline = deadline
        self._run: str | None = None
        self._heard = 0
        self._ended: Ended | None = None
        self._over = threading.Event()
        self._unanswered = 0
        self._counting = threading.Lock()

    def until_it_ended(self, order: Order) -> Ended:
        """Order a run, answer what it asks, and give how it ended.

        Raises:
            Skipped: the far end does not answer.
            RunError: it is lost, or refuses.
            Cancelled: this end was told to stop, and the far one did not follow.
        """
        stopping = threading.Thread(target=self._stop_when_told, daemon=True)
        with ThreadPoolExecutor(_ANSWERED_AT_ONCE, thread_name_prefix="answer") as self._answering:
            stopping.start()
            try:
                self._begin(order)
                while self._ended is None:
                    self._go_on()
            finally:
                self._over.set()
                self._wire.close()  # nobody waits for answers any more
                self._answering.shutdown(wait=False, cancel_futures=True)
        stopping.join()
        return self._ended

    def _begin(self, order: Order) -> None:
        place = self._wire.place
        path = f"/v1/shares/{_quoted(place.share)}/runs"
        try:
            with self._wire.posted(path, _encoder.encode(order)) as response:
                self._listen(Frames(Stream(response)))
        except StreamCut as error:
            if self._run is None:
                raise Skipped(f"{place.address} does not answer: {error}") from error
        except Unreachable as error:
            raise Skipped(f"{place.address} does not answer: {error}; is the agent running?") from error

    def _go_on(self) -> None:
        """Listen again, where the connection was lost."""
        place = self._wire.place
        patience = Patience(str(place), self._deadline.check, seconds=_PATIENCE_SECONDS)
        while self._ended is None:
            try:
                path = f"/v1/runs/{self._run}/events?after={self._heard}"
                with self._wire.posted(path, b"") as response:
                    self._listen(Frames(Stream(response)), renew=patience.renew)
            except (Unreachable, StreamCut) as error:
                patience.wait(error)
            except Refusal as error:
                raise FarEndLost(f"{place}: the run was lost: {error}; the next one goes on") from error

    def _listen(self, told: Frames, *, renew: Callable[[], None] = _nothing) -> None:
        try:
            for is_message, payload in told:
                renew()
                if not is_message:
                    raise ProtocolError("data that nobody asked for")
                self._heard += 1
                for each in _decode_told(payload):
                    self._take(each)
                if self._heard % _HEARD_EVERY == 0:
                    self._answering.submit(self._acknowledge, self._heard)
        except ProtocolError as error:
            raise FarEndLost(f"{self._wire.place}: {error}") from error

    def _take(self, told: Told) -> None:
        match told:
            case Began():
                if not (told.run.isascii() and told.run.isalnum()):
                    raise ProtocolError("a run without a name")
                self._run = told.run
            case Asked():
                if self._unanswered >= _MOST_ASKED:
                    raise ProtocolError("more questions at once than anybody has")
                with self._counting:
                    self._unanswered += 1
                self._answering.submit(self._answer, told)
            case Ended():
                self._ended = told
        self._tell(told)

    def _answer(self, asked: Asked) -> None:
        """Answer what the far end asks; where that fails it asks again."""
        path = f"/v1/runs/{self._run}/answers/{asked.number}"
        try:
            blocks = _in_blocks(self._answerer.answer(asked.question))
            with self._wire.posted(path, blocks) as response:
                read_to_end(response)
        except (Unreachable, StreamCut) as error:
            if self._over.is_set():
                return
            logger.info("an answer did not arrive: %s", error)
            with contextlib.suppress(RunError):
                self._give_up(path)
        except (RunError, OSError) as error:
            if not self._over.is_set():
                logger.info("an answer could not be given: %s", error)
        finally:
            with self._counting:
                self._unanswered -= 1

    def _give_up(self, path: str) -> None:
        """Give an answer without an end, so that it is asked again at once.

        Raises:
            RunError: the far end is lost, or does not wait for it; or this end was told to stop.
        """
        patience = Patience(str(self._wire.place), self._deadline.check, seconds=_PATIENCE_SECONDS)
        while not self._over.is_set():
            try:
                with self._wire.posted(path, b"") as response:
                    read_to_end(response)
                return
            except Unreachable as error:
                patience.wait(error)

    def _acknowledge(self, number: int) -> None:
        self._say(f"heard/{number}")

    def _say(self, what: str) -> None:
        """Say something to the run that it can do without."""
        path = f"/v1/runs/{self._run}/{what}"
        with contextlib.suppress(Unreachable, RunError), self._wire.posted(path, b"") as response:
            read_to_end(response)

    def _stop_when_told(self) -> None:
        while not self._over.wait(0.2):
            try:
                self._deadline.check()
            except Cancelled as cancelled:
                if self._run is not None:
                    self._say(f"stop?signal={cancelled.signal_number or 15}")
                if not self._over.wait(_GIVE_UP_SECONDS):  # it does not follow
                    self._wire.abort()
                return


def _in_blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small frames, so that none costs a packet of its own."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= frames.DATA_BYTES // 2 or piece == frames.ALIVE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _quoted(text: str) -> str:
    return quote(text, safe="")

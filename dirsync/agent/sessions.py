"""Runs that were ordered: each in a thread of its own, heard and answered by requests that come and go.

What a run tells is numbered and kept until it was heard, so that a connection may break and be
made again. A run whose client is not heard of for a while is stopped, in order.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirsync.errors import RunError
from dirsync.model.change import Change, Changes, Failure
from dirsync.model.result import RunResult
from dirsync.model.stop import Stop
from dirsync.runner.observer import Stage, Totals
from dirsync.trees.far.connection import Unreachable
from dirsync.wire import frames
from dirsync.wire.asks import Question
from dirsync.wire.frames import Frames
from dirsync.wire.runs import (
    Asked,
    AtStage,
    Began,
    Ended,
    Figures,
    GivenUp,
    Noticed,
    Told,
    changed_of,
)

logger = logging.getLogger(__name__)

_ALONE_SECONDS = 60.0  # how long a run goes on without its client
_MOST_OVER = 64  # runs that are over and may still be asked about
_MOST_KEPT = 4_096  # frames that were not heard yet; then the run waits
_A_FRAME = 128  # things told in one frame
_PULSE_SECONDS = 5.0
_ANSWER_SECONDS = 60.0  # for how long nothing may arrive of an answer
_MOST_BLOCKS = 64  # of an answer that nobody has read yet
_FIGURES_SECONDS = 0.2

Body = queue.Queue[bytes | None]  # None: there is no more


class _Kept(NamedTuple):
    number: int
    frame: bytes


class Session:
    """One run that was ordered."""

    def __init__(self, key: tuple[str, str, str]) -> None:
        """`key` names the share, the client and the job."""
        self.key = key
        self.name = secrets.token_hex(16)
        self.stop = Stop()
        self.ended = threading.Event()  # the run is over, heard or not
        self._changed = threading.Condition()
        self._pending: list[Told] = [Began(run=self.name)]
        self._kept: deque[_Kept] = deque()
        self._number = 0
        self._listeners = 0
        self._last_heard = time.monotonic()
        self._bodies: dict[int, Body] = {}
        self._asked = 0

    # From the run

    def tell(self, *told: Told) -> None:
        """Tell the client; waits while it hears too slowly, but not for ever."""
        with self._changed:
            self._pending += told
            if len(self._pending) >= _A_FRAME:
                self._seal()
            while len(self._kept) >= _MOST_KEPT and not self.stop.requested():
                self._changed.wait(1.0)
            self._changed.notify_all()

    def _seal(self) -> None:
        if self._pending:
            self._number += 1
            self._kept.append(_Kept(self._number, frames.messages(*self._pending)))
            self._pending = []

    def end(self, told: Ended) -> None:
        """Tell the client that the run is over."""
        with self._changed:
            self._pending.append(told)
            self._seal()
            self.ended.set()
            self._changed.notify_all()

    @contextlib.contextmanager
    def ask(self, question: Question) -> Iterator[Frames]:
        """Ask the client about its source; as `Asking` says."""
        with self._changed:
            self._asked += 1
            number = self._asked
            body: Body = queue.Queue(_MOST_BLOCKS)
            self._bodies[number] = body
        try:
            self.tell(Asked(number=number, question=question))
            yield Frames(_Arriving(body, self.stop))
        finally:
            with self._changed:
                self._bodies.pop(number, None)
            _drain(body)

    def close(self) -> None:
        """Nothing is held open between two questions."""

    # From the client

    def body(self, number: int) -> Body | None:
        """Give where the answer to a question goes; None: nobody waits for it any more."""
        with self._changed:
            self._last_heard = time.monotonic()
            return self._bodies.get(number)

    def heard(self, after: int) -> Iterator[bytes]:
        """Give what was told after a number, and go on until the run is over."""
        with self._changed:
            self._listeners += 1
            self._drop(after)
        try:
            yield from self._frames(after)
        finally:
            with self._changed:
                self._listeners -= 1
                self._last_heard = time.monotonic()

    def acknowledge(self, number: int) -> None:
        """Hear that the client has everything up to a number."""
        with self._changed:
            self._last_heard = time.monotonic()
            self._drop(number)
            self._changed.notify_all()

    def _drop(self, number: int) -> None:
        while self._kept and self._kept[0].number <= number:
            self._kept.popleft()

    def _frames(self, after: int) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._seal()
                if not any(kept.number > after for kept in self._kept) and not self.ended.is_set():
                    self._changed.wait(_PULSE_SECONDS)
                    self._seal()
                waiting = [kept for kept in self._kept if kept.number > after]
                over = self.ended.is_set()
            if waiting:
                after = waiting[-1].number
                yield b"".join(kept.frame for kept in waiting)
            elif not over:
                yield frames.ALIVE
            if over:
                yield frames.END
                return

    def is_alone(self) -> bool:
        """Whether the client was not heard of for too long."""
        with self._changed:
            return not self._listeners and time.monotonic() - self._last_heard > _ALONE_SECONDS


class _Arriving:
    """An answer, as it arrives in a request."""

    def __init__(self, body: Body, stop: Stop) -> None:
        self._body = body
        self._stop = stop
        self._buffer = b""
        self._over = False

    def read(self, count: int, /) -> bytes:
        """Give as many bytes as are asked for; fewer only at the end."""
        pieces = [self._buffer]
        have = len(self._buffer)
        while have < count and not self._over:
            piece = self._next()
            if piece is None:
                self._over = True
                break
            pieces.append(piece)
            have += len(piece)
        whole = b"".join(pieces)
        self._buffer = whole[count:]
        return whole[:count]

    def _next(self) -> bytes | None:
        waited = 0.0
        while waited < _ANSWER_SECONDS and not self._stop.requested():
            try:
                return self._body.get(timeout=0.5)
            except queue.Empty:
                waited += 0.5
        raise Unreachable("no answer came in time")


def _drain(body: Body) -> None:
    """Let whoever still puts something there go on."""
    with contextlib.suppress(queue.Empty):
        while True:
            body.get_nowait()


class SessionObserver:
    """Tells the client what the runner tells; see `Observer`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._figures_at = 0.0

    def stage(self, stage: Stage) -> None:
        """Tell that a stage begins."""
        self._session.tell(AtStage(stage=stage.value))

    def scanned(self, entries: int) -> None:
        """Tell how many entries were seen, not too often."""
        if self._is_time():
            self._session.tell(Figures(scanned=entries))

    def planned(self, totals: Totals) -> None:
        """Tell what will be done."""
        self._session.tell(Figures(operations_planned=totals.operations, bytes_planned=totals.bytes_to_copy))

    def progressed(self, operations: int, bytes_copied: int) -> None:
        """Tell how far it is, not too often."""
        if self._is_time():
            self._session.tell(Figures(operations=operations, bytes_copied=bytes_copied))

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._figures_at < _FIGURES_SECONDS:
            return False
        self._figures_at = now
        return True

    def changed(self, change: Change) -> None:
        """Tell of a change."""
        self._session.tell(changed_of(change))

    def created(self, many: Changes) -> None:
        """Tell of many changes."""
        for change in many.changes():
            self.changed(change)

    def failed(self, failure: Failure) -> None:
        """Tell of a path that was given up."""
        self._session.tell(GivenUp(path=failure.path, reason=failure.reason))

    def noticed(self, text: str) -> None:
        """Pass a notice on."""
        self._session.tell(Noticed(text=text))

    def finished(self, result: RunResult) -> None:
        """Tell how it ended."""
        self._session.end(
            Ended(
                outcome=result.outcome.value,
                counts={name: getattr(result.counts, name) for name in result.counts.__struct_fields__},
                error=result.error,
                signal_number=result.signal_number,
            )
        )


class Sessions:
    """The runs that are under way, or over and not heard to their end."""

    def __init__(self, *, most: int = 32) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, Session] = {}
        self._most = most
        self._closing = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="sessions", daemon=True)
        self._watching.start()

    def begin(self, key: tuple[str, str, str], run: Callable[[Session], None]) -> Session | None:
        """Begin a run in a thread; None: there are too many. An earlier run of the same key is stopped first.

        The client that orders a run again has lost the earlier one.
        """
        with self._lock:
            earlier = [each for each in self._by_name.values() if each.key == key and not each.ended.is_set()]
        for each in earlier:
            each.stop.request(signal.SIGTERM)
            each.ended.wait(30.0)
        session = Session(key)
        with self._lock:
            self._forget_those_over()
            if sum(not each.ended.is_set() for each in self._by_name.values()) >= self._most:
                return None
            self._by_name[session.name] = session
        threading.Thread(target=self._run, args=(session, run), name=f"run {key[2]}", daemon=True).start()
        return session

    def _run(self, session: Session, run: Callable[[Session], None]) -> None:
        try:
            run(session)
        except RunError as error:
            session.end(_failed(str(error)))
        except Exception:
            logger.exception("a run that was ordered failed")
            session.end(_failed("internal error at the far end; its log shows where"))
        finally:
            if not session.ended.is_set():
                session.end(_failed("the run ended without a word"))

    def _forget_those_over(self) -> None:
        """Forget runs whose end was heard, or will not be any more; the last ones stay for a while."""
        over = [name for name, each in self._by_name.items() if each.ended.is_set()]
        for position, name in enumerate(over):
            if position < len(over) - _MOST_OVER or self._by_name[name].is_alone():
                del self._by_name[name]

    def named(self, name: str) -> Session | None:
        """Give a run by its name."""
        with self._lock:
            return self._by_name.get(name)

    def _watch(self) -> None:
        while not self._closing.wait(2.0):
            with self._lock:
                self._forget_those_over()
                alone = [each for each in self._by_name.values() if each.is_alone()]
            for each in alone:
                if not each.ended.is_set() and not each.stop.requested():
                    logger.warning("run of '%s' stopped: its client is gone", each.key[2])
                    each.stop.request(signal.SIGTERM)

    def close(self, seconds: float) -> None:
        """Stop every run, and wait for so long until they have ended."""
        self._closing.set()
        with self._lock:
            sessions = list(self._by_name.values())
        for each in sessions:
            each.stop.request(signal.SIGTERM)
        ends_at = time.monotonic() + seconds
        for each in sessions:
            each.ended.wait(max(0.0, ends_at - time.monotonic()))


def _failed(error: str) -> Ended:
    return Ended(outcome="failed", counts={}, error=error, signal_number=None)

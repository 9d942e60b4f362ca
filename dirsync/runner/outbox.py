"""Messages on their way: when one is due, to whom, and how long the program waits for it.

A run hands over how it ended and goes on. A thread for each notifier decides then, by what the
ledger says was told before, and sends. What was not taken counts as not told, so the next
run says it again, if it ends as this one did.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from dirsync.errors import DirsyncError, RunError
from dirsync.model.job import Job
from dirsync.model.notifier import Notifier, Occasion
from dirsync.model.stop import Stop
from dirsync.notify.happening import EndedRun, Recovery, Staleness
from dirsync.notify.letter import letter_of
from dirsync.notify.message import Message, recovery_message, run_message, staleness_message
from dirsync.notify.sending import PAUSES_SECONDS, send_patiently
from dirsync.notify.words import Mask, Words
from dirsync.runner.collecting import Collecting
from dirsync.runner.context import FOR_PEOPLE, running
from dirsync.runner.ledger import open_ledger
from dirsync.runner.observer import Observer
from dirsync.runner.told import (
    Memory,
    ShortMemory,
    Trouble,
    forget_told,
    is_news,
    note_told,
    signature_of,
    told,
)

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05  # between two looks at a request to stop
_LAST_SECONDS = 1.0  # for what is on its way when the program is told to stop
_WAITING = 100  # messages for one notifier; what comes then is not told
_TROUBLES = frozenset({Occasion.FAILURE, Occasion.PARTIAL, Occasion.HELD})

Happening: TypeAlias = EndedRun | Staleness | Recovery


class _Errand(NamedTuple):
    """Something that one notifier may have to be told."""

    job: str
    on: frozenset[Occasion]
    happening: Happening
    notifier: Notifier


class _Due(NamedTuple):
    """A message to send, and what to note once it is taken."""

    message: Message
    trouble: Trouble | None  # None: none, or it is over
    signature: str
    ends_trouble: bool


class Outbox:
    """Takes what happened, and tells it; safe to call from any thread."""

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        *,
        state: str,
        words: Words,
        mask: Mask,
        pauses: tuple[float, ...] = PAUSES_SECONDS,
    ) -> None:
        self.notifiers = notifiers  # may be replaced when the declaration changes
        self._state = state
        self._words = words
        self._mask = mask
        self._pauses = pauses
        self._host = socket.gethostname()
        self._lock = threading.Lock()
        self._queues: dict[str, queue.Queue[_Errand | None]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._is_over = threading.Event()
        self._short_memory = ShortMemory()

    def watching(self, job: Job, inner: Observer) -> Observer:
        """Put an observer before another that tells how the run ended; not where a job tells nobody."""
        if not job.notify:
            return inner
        return Collecting(inner, ended=lambda run: self._post(job, run))

    def stale(
        self, job: Job, *, last_success_at: datetime.datetime | None, stale_after_seconds: float, over: bool
    ) -> None:
        """Tell that a job has not succeeded for too long; `over`: that it has by now."""
        if over:
            self._post(job, Recovery(job=job.name, last_success_at=last_success_at))
            return
        staleness = Staleness(
            job=job.name,
            last_success_at=last_success_at,
            stale_after_seconds=stale_after_seconds,
            now=datetime.datetime.now(datetime.UTC),
        )
        self._post(job, staleness)

    def close(self, *, seconds: float, stop: Stop) -> None:
        """Wait for what is on its way, but no longer than that; what is left is not told.

        After a request to stop, it is a moment only.
        """
        ends_at = time.monotonic() + seconds
        with self._lock:  # a run that goes on may still have something to tell
            queues, known = list(self._queues.values()), dict(self._threads)
        for waiting in queues:
            waiting.put(None)
        threads = known.values()
        while any(thread.is_alive() for thread in threads) and time.monotonic() < ends_at:
            if stop.requested():
                break
            _join(threads, seconds=_LOOK_SECONDS)
        self._is_over.set()  # no further attempt
        _join(threads, seconds=_LAST_SECONDS)
        for name, thread in known.items():
            if thread.is_alive():
                self._give_up(f"'{name}': it took too long")

    def _post(self, job: Job, happening: Happening) -> None:
        if isinstance(happening, EndedRun) and not happening.occasions:
            return
        on: dict[str, frozenset[Occasion]] = {}
        for notify in job.notify:
            on[notify.to] = on.get(notify.to, frozenset()) | notify.on
        for name, occasions in on.items():
            if name in self.notifiers:
                self._enqueue(_Errand(job.name, occasions, happening, self.notifiers[name]))

    def _enqueue(self, errand: _Errand) -> None:
        name = errand.notifier.name
        with self._lock:
            if name not in self._queues:
                self._queues[name] = queue.Queue()
                self._threads[name] = threading.Thread(
                    target=self._work, args=(self._queues[name],), name=f"notify {name}", daemon=True
                )
                self._threads[name].start()
            waiting = self._queues[name]
        if waiting.qsize() >= _WAITING:
            with running(errand.job):
                self._give_up(f"'{name}': {_WAITING} messages wait already, so one was dropped")
            return
        waiting.put(errand)

    def _work(self, waiting: queue.Queue[_Errand | None]) -> None:
        while (errand := waiting.get()) is not None:
            with running(errand.job):
                try:
                    self._run(errand)
                except DirsyncError as error:
                    self._give_up(str(error))
                except Exception:  # the top of this thread: the next message may be better
                    logger.exception("message not sent to '%s'", errand.notifier.name)

    def _run(self, errand: _Errand) -> None:
        with self._memory() as memory:
            due = self._due(errand, memory)
            if due is None:
                return
            letter = letter_of(due.message, mask=self._mask)
            send_patiently(errand.notifier, letter, wait=self._is_over.wait, pauses=self._pauses)
            logger.info("message sent to '%s': %s", errand.notifier.name, letter.subject)
            try:
                _note(due, errand, memory)
            except RunError as error:
                logger.warning("that it was told is not on record, so it may be told again: %s", error)

    @contextlib.contextmanager
    def _memory(self) -> Iterator[Memory]:
        """Open the ledger; where it cannot be used, people are told all the same."""
        with contextlib.ExitStack() as stack:
            memory: Memory = self._short_memory
            try:
                memory = stack.enter_context(open_ledger(self._state))
            except RunError as error:
                logger.debug("what was told is not on record: %s", error)
            yield memory

    def _due(self, errand: _Errand, memory: Memory) -> _Due | None:
        """Decide whether there is something to say, and say it; None: there is not."""
        known = {
            each: told(memory, errand.job, notifier=errand.notifier.name, trouble=each) for each in Trouble
        }
        knows_trouble = any(known.values())
        match errand.happening:
            case EndedRun() as run if run.occasions & _TROUBLES:
                signature, trouble = signature_of(run), Trouble.RUN
                is_wanted = bool(run.occasions & errand.on)
            case EndedRun() as run:
                if not (knows_trouble or run.occasions & errand.on):
                    return None
                return _Due(self._of_run(run, is_well_again=knows_trouble), None, "", knows_trouble)
            case Staleness() as stale:
                signature, trouble = signature_of(stale), Trouble.STALE
                is_wanted = Occasion.STALE in errand.on
            case Recovery() as recovery:
                message = recovery_message(recovery, host=self._host, mask=self._mask)
                return _Due(message, None, "", ends_trouble=True) if knows_trouble else None
        now = datetime.datetime.now(datetime.UTC)
        if not is_wanted or not is_news(signature, known[trouble], now=now):
            return None
        return _Due(self._of_trouble(errand.happening), trouble, signature, ends_trouble=False)

    def _of_trouble(self, trouble: EndedRun | Staleness) -> Message:
        if isinstance(trouble, EndedRun):
            return self._of_run(trouble, is_well_again=False)
        return staleness_message(trouble, host=self._host, words=self._words, mask=self._mask)

    def _of_run(self, run: EndedRun, *, is_well_again: bool) -> Message:
        return run_message(
            run, host=self._host, words=self._words, mask=self._mask, is_well_again=is_well_again
        )

    def _give_up(self, text: str) -> None:
        logger.warning("message not sent: %s", self._mask(text), extra=FOR_PEOPLE)


def _note(due: _Due, errand: _Errand, memory: Memory) -> None:
    """Note that a message was taken."""
    name = errand.notifier.name
    if due.ends_trouble:
        forget_told(memory, errand.job, notifier=name)
    elif due.trouble is not None:
        note_told(memory, errand.job, notifier=name, trouble=due.trouble, signature=due.signature)


def _join(threads: Iterable[threading.Thread], *, seconds: float) -> None:
    """Wait for threads to end, so long for all of them together."""
    ends_at = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))

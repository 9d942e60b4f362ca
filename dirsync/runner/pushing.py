"""A run whose destination is another machine's: that machine carries it out, and asks about the source.

The agent there takes the job through the same stages as any run; what it wants to know of the
source it asks, and this end answers as an agent would. What it tells is passed on as it comes.
A connection that breaks is made again, and the run goes on where it was.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import assert_never
from urllib.parse import quote

import msgspec

from dirsync.answers.answering import Answerer
from dirsync.errors import Cancelled, GuardTripped, RunError, Skipped
from dirsync.model.change import Failure
from dirsync.model.job import JobType, PushJob
from dirsync.model.names import shown
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.serving import Access
from dirsync.model.stop import Deadline
from dirsync.runner.history import History
from dirsync.runner.ledger import Ledger
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import look_at_one_source
from dirsync.trees.far.connection import FarEndLost, Patience, Refusal, Unreachable
from dirsync.trees.far.http import Stream, Wire, read_to_end
from dirsync.trees.local import open_root
from dirsync.wire import frames
from dirsync.wire.beliefs import check_path, one_line
from dirsync.wire.frames import Frames, ProtocolError, StreamCut, decoder
from dirsync.wire.runs import (
    Asked,
    AtStage,
    Began,
    Changed,
    Ended,
    Figures,
    GivenUp,
    Noticed,
    Order,
    Told,
    change_of,
    name_of_job,
    ordered_job,
)

logger = logging.getLogger(__name__)

_CLIENT = "name at the far end"
_PATIENCE_SECONDS = 60.0
_HEARD_EVERY = 256  # frames
_ANSWERED_AT_ONCE = 160  # a worker of the far end asks two things at once, and there are at most 64
_MOST_ASKED = 1_000  # not answered yet
_LARGEST_COUNT = 2**62
_GIVE_UP_SECONDS = 30.0  # after it was told to stop
_decode_told = decoder(list[Told])
_encoder = msgspec.msgpack.Encoder()


class PushStages:
    """Has one job carried out at its far end; `counts` is filled when it is over."""

    def __init__(
        self,
        job: PushJob,
        ledger: Ledger,
        *,
        run_id: int,
        started_at: datetime.datetime,
        observer: Observer,
        deadline: Deadline,
        dry_run: bool,
        counts: Counts,
        saves_plan: bool = False,
        approves: bool = False,
    ) -> None:
        """`approves`: have the plan carried out that is held there."""
        self._job = job
        self._ledger = ledger
        self._observer = observer
        self._deadline = deadline
        self._dry_run = dry_run
        self._changes_nothing = dry_run or job.type is JobType.CHECK
        self._counts = counts
        self._saves_plan = saves_plan
        self._approves = approves
        self._history = History(job, ledger)
        self._far_name = job.name  # what the far end calls the job

    def run(self) -> None:
        """Order the run, and stay with it to its end.

        Raises:
            RunError: it ended early, there or here; its kind says why.
        """
        source = look_at_one_source(self._job)
        assert isinstance(source, LocalPlace)
        client = self._client()
        self._far_name = name_of_job(self._job.name, client=client)
        try:
            with _held_open(source), contextlib.closing(Wire(self._job.destination)) as wire:
                ended = _Conversation(
                    wire,
                    Answerer(source, access=Access.READ, check=self._deadline.check),
                    tell=self._tell,
                    deadline=self._deadline,
                ).until_it_ended(self._order(client))
        except OSError as error:
            raise RunError(f"'{self._job.name}': the run could not go on: {error.strerror}") from error
        self._take(ended)

    def record(self, result: RunResult) -> None:
        """Bring what was done into the catalog's history."""
        told = self._history.record(result)
        if told is not None:
            self._observer.noticed(told)

    def _client(self) -> str:
        """Name this machine's job at the far end, the same in each run."""
        client = self._ledger.recall(self._job.name, _CLIENT)
        if not client:
            client = os.urandom(8).hex()
            if not self._dry_run or self._saves_plan:
                self._ledger.remember(self._job.name, _CLIENT, client)
        return client

    def _order(self, client: str) -> Order:
        return Order(
            root=self._job.destination.beneath,
            client=client,
            job=self._job.name,
            ordered=ordered_job(self._job),
            dry_run=self._dry_run,
            saves_plan=self._saves_plan,
            approves=self._approves,
        )

    def _tell(self, told: Told) -> None:
        """Pass on what the far end tells."""
        match told:
            case AtStage():
                with contextlib.suppress(ValueError):  # of a later version
                    self._observer.stage(Stage(told.stage))
            case Figures():
                self._show(told)
            case Changed():
                change = change_of(told)
                self._observer.changed(change)
                if not self._changes_nothing:
                    self._history.note(change)
            case GivenUp():
                check_path(told.path)
                failure = Failure(told.path, self._in_our_words(told.reason))
                logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
                self._observer.failed(failure)
            case Noticed():
                self._observer.noticed(f"{self._job.destination.address}: {self._in_our_words(told.text)}")
            case Began() | Asked() | Ended():
                pass
            case _:
                assert_never(told)

    def _in_our_words(self, text: str) -> str:
        """Give what the far end says, with the name that the job has here."""
        return one_line(text).replace(self._far_name, self._job.name)

    def _show(self, figures: Figures) -> None:
        if figures.scanned is not None:
            self._observer.scanned(figures.scanned)
        if figures.operations_planned is not None:
            totals = Totals(operations=figures.operations_planned, bytes_to_copy=figures.bytes_planned or 0)
            self._observer.planned(totals)
        if figures.operations is not None:
            self._observer.progressed(figures.operations, figures.bytes_copied or 0)

    def _take(self, ended: Ended) -> None:
        """Take over how it ended.

        Raises:
            RunError: it ended early.
        """
        for name in self._counts.__struct_fields__:
            setattr(self._counts, name, min(max(0, ended.counts.get(name, 0)), _LARGEST_COUNT))
        error = self._in_our_words(ended.error or "the far end does not say why")
        match _outcome(ended.outcome):
            case Outcome.SUCCEEDED | Outcome.PARTIAL:
                return
            case Outcome.HELD:
                raise GuardTripped(error)
            case Outcome.SKIPPED:
                raise Skipped(error)
            case Outcome.CANCELLED:
                self._deadline.check()
                where = self._job.destination.address
                raise Cancelled(f"the run was ended at {where}: {error}", signal_number=None)
            case _:
                self._deadline.check()
                raise RunError(error)


def _outcome(name: str) -> Outcome:
    try:
        return Outcome(name)
    except ValueError:
        return Outcome.FAILED


@contextlib.contextmanager
def _held_open(source: LocalPlace) -> Iterator[None]:
    """Keep a root open, so that its file system cannot be unmounted unnoticed."""
    fd = open_root(source)
    try:
        yield
    finally:
        os.close(fd)


def _nothing() -> None:
    """Renew nothing."""


class _Conversation:
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

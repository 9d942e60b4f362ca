"""A whole plan carried out, phase by phase; files are copied by parallel workers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import NamedTuple, Protocol

from dirsync.errors import Cancelled, RunError
from dirsync.mirror.linking import Leaders
from dirsync.mirror.lost import Lost
from dirsync.mirror.settings import Settings
from dirsync.mirror.steps import Steps
from dirsync.model.change import Failure
from dirsync.model.entry import Kind
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import LocalPlace
from dirsync.model.stop import Deadline
from dirsync.trees.handles import ancestors

_BATCH_OPERATIONS = 64
_BATCH_BYTES = 32 << 20
_INLINE_BATCHES = 1  # a plan this short is carried out without workers


Operations = Callable[[Phase], Iterator[Operation]]  # in the order they are to be carried out


class Watcher(Protocol):
    """Is told what comes of each operation; calls come from one thread."""

    def done(self, operation: Operation) -> None:
        """An operation was carried out."""

    def failed(self, failure: Failure) -> None:
        """A path was given up."""

    def moved(self, byte_count: int) -> None:
        """So many bytes were copied since the last call."""

    def noticed(self, text: str) -> None:
        """The destination cannot keep something; said once, when all is done."""


class Ended(NamedTuple):
    """How an operation ended."""

    operation: Operation
    failure: Failure | None  # None: it is done


class Meter:
    """Counts bytes in many threads, read by one; looks at the deadline on the way."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._moved: queue.SimpleQueue[int] = queue.SimpleQueue()

    def add(self, byte_count: int) -> None:
        """Count bytes.

        Raises:
            Cancelled: the deadline passed.
        """
        self._moved.put(byte_count)
        self._deadline.check()

    def take(self) -> int:
        """Give what was counted since the last call."""
        total = 0
        while not self._moved.empty():
            total += self._moved.get()
        return total


class Mirror:
    """Carries out plans between two places."""

    def __init__(
        self,
        source: LocalPlace,
        destination: LocalPlace,
        *,
        settings: Settings,
        workers: int,
        deadline: Deadline,
        watcher: Watcher,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._watcher = watcher
        self._deadline = deadline
        self._meter = Meter(deadline)
        self._has_failed = False
        self._unmade: set[bytes] = set()  # directories that could not be made
        self._unemptied: set[bytes] = set()  # directories that hold something that could not be removed
        self._lost = Lost()
        self._leaders = Leaders()
        opened_up: dict[bytes, int] = {}
        self._open_steps: Callable[[], Steps] = lambda: Steps(
            source,
            destination,
            settings=settings,
            deadline=deadline,
            told=self._meter.add,
            opened_up=opened_up,
            lost=self._lost,
            leaders=self._leaders,
        )

    def carry_out(self, operations: Operations) -> None:
        """Carry out a plan; `operations` gives its steps, phase by phase.

        Raises:
            Cancelled: the deadline passed, between two files.
            RunError: a path failed and the job asked to stop there.
            OSError: a root is gone.
        """
        with self._open_steps() as steps:
            try:
                for phase in Phase:
                    if phase is Phase.COPY:
                        self._copy_in_parallel(steps, operations(phase))
                    else:
                        self._one_by_one(steps, operations(phase))
                    steps.destination.handles.forget()
            finally:
                steps.close_again()
                for sentence in self._lost.sentences():
                    self._watcher.noticed(sentence)

    def _one_by_one(self, steps: Steps, operations: Iterator[Operation]) -> None:
        for operation in operations:
            if not self._is_pointless(operation):
                self._tell(Ended(operation, steps.attempt(operation)))
                self._watcher.moved(self._meter.take())
                self._stop_if_asked_to()

    def _is_pointless(self, operation: Operation) -> bool:
        """Whether a step cannot succeed after one that failed, which was reported."""
        path = operation.change.path
        if operation.phase is not Phase.FINISH_DIRECTORIES and path in self._unemptied:
            return True
        if not self._unmade:
            return False
        return path in self._unmade or any(parent in self._unmade for parent in ancestors(path))

    def _tell(self, ended: Ended) -> None:
        operation, failure = ended
        if failure is None:
            self._watcher.done(self._as_it_was_done(operation))
            return
        if operation.phase is Phase.MAKE_DIRECTORIES:
            self._unmade.add(failure.path)
        elif operation.phase in (Phase.MAKE_WAY, Phase.DELETE):
            self._unemptied.update(ancestors(failure.path))
        self._watcher.failed(failure)
        self._has_failed = True

    def _as_it_was_done(self, operation: Operation) -> Operation:
        """Say of a file that was copied, though it was to be linked, that it was copied."""
        if operation.phase is not Phase.LINK or operation.change.path not in self._leaders.copied:
            return operation
        return operation._replace(change=operation.change._replace(leader=None))

    def _stop_if_asked_to(self) -> None:
        if self._has_failed and self._settings.stop_on_failure:
            raise RunError("stopped at the first path that failed, as 'on_error: stop' asks")

    # Copying

    def _copy_in_parallel(self, steps: Steps, operations: Iterator[Operation]) -> None:
        batches = _batches(operation for operation in operations if not self._is_pointless(operation))
        first = [batch for _, batch in zip(range(_INLINE_BATCHES + 1), batches, strict=False)]
        if len(first) <= _INLINE_BATCHES or self._workers == 1:
            for operation in chain.from_iterable(chain(first, batches)):
                self._tell(Ended(operation, steps.attempt(operation)))
                self._watcher.moved(self._meter.take())
                self._stop_if_asked_to()
        else:
            self._copy_on_workers(chain(first, batches))

    def _copy_on_workers(self, batches: Iterator[list[Operation]]) -> None:
        workers = _Workers(self._open_steps)
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="copy")
        running: set[Future[list[Ended]]] = set()
        try:
            for batch in batches:
                running.add(executor.submit(workers.run, batch))
                while len(running) >= 2 * self._workers:
                    self._wait_for_some(running)
            while running:
                self._wait_for_some(running)
        finally:
            workers.stopping.set()
            executor.shutdown(wait=True, cancel_futures=True)
            workers.close()
            self._tell_all(running)

    def _wait_for_some(self, running: set[Future[list[Ended]]]) -> None:
        """Take from `running` what has ended, and tell it.

        Raises:
            Cancelled: the deadline passed.
            RunError: a path failed and the job asked to stop there.
        """
        self._deadline.check()
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        running -= done
        self._watcher.moved(self._meter.take())
        self._tell_all(done)
        self._stop_if_asked_to()

    def _tell_all(self, futures: set[Future[list[Ended]]]) -> None:
        for future in futures:
            if not future.cancelled():
                for ended in future.result():
                    self._tell(ended)


class _Workers:
    """Gives each thread of a pool its own handles."""

    def __init__(self, open_steps: Callable[[], Steps]) -> None:
        self._open_steps = open_steps
        self._local = threading.local()
        self._opened: list[Steps] = []
        self.stopping = threading.Event()

    def run(self, batch: list[Operation]) -> list[Ended]:
        """Carry out a batch, in the thread that calls."""
        steps: Steps | None = getattr(self._local, "steps", None)
        if steps is None:
            steps = self._local.steps = self._open_steps()
            self._opened.append(steps)
        ended = []
        for operation in batch:
            if self.stopping.is_set():
                break
            try:
                ended.append(Ended(operation, steps.attempt(operation)))
            except Cancelled:  # what is done is told; the one who waits for it finds the deadline passed
                break
        return ended

    def close(self) -> None:
        """Close the handles of every thread; none may be running."""
        for steps in self._opened:
            steps.source.close()
            steps.destination.close()


def _batches(operations: Iterator[Operation]) -> Iterator[list[Operation]]:
    """Cut a stream of operations into what one worker does at a time."""
    batch: list[Operation] = []
    byte_count = 0
    for operation in operations:
        batch.append(operation)
        entry = operation.change.entry
        byte_count += entry.size if entry.kind is Kind.FILE else 0
        if len(batch) >= _BATCH_OPERATIONS or byte_count >= _BATCH_BYTES:
            yield batch
            batch, byte_count = [], 0
    if batch:
        yield batch

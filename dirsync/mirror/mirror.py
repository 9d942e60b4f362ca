"""A whole plan carried out, phase by phase; files are copied by parallel workers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain, compress, groupby, islice
from operator import not_
from typing import Protocol

from dirsync.errors import RunError
from dirsync.mirror.batch import DURABLE, FAR, USUAL, Batch, Done, Ended, batches, carry_out_batch, is_small
from dirsync.mirror.linking import Leaders
from dirsync.mirror.lost import Lost
from dirsync.mirror.meter import Meter
from dirsync.mirror.settings import Settings
from dirsync.mirror.steps import Steps
from dirsync.model.change import Change, ChangeKind, Failure
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import LocalPlace
from dirsync.model.stop import Deadline
from dirsync.trees.handles import ancestors
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree

_AT_ONCE = 256  # operations that a far source hears of together, or that are done together


class Planned(Protocol):
    """What is to be carried out, in order."""

    def operations(self, phase: Phase, /) -> Iterator[Operation]:
        """Give the steps of a phase."""

    def copies(self) -> Iterator[Operation | NewFiles]:
        """Give those of the phase that copies, some together."""


class Watcher(Protocol):
    """Is told what comes of each operation; calls come from one thread."""

    def done(self, operation: Operation) -> None:
        """An operation was carried out."""

    def made(self, operations: Sequence[Operation]) -> None:
        """Files and symlinks were copied to where there was nothing."""

    def made_files(self, files: NewFiles) -> None:
        """The same of files that were planned together."""

    def failed(self, failure: Failure) -> None:
        """A path was given up."""

    def moved(self, byte_count: int) -> None:
        """So many bytes were copied since the last call."""

    def noticed(self, text: str) -> None:
        """The destination cannot keep something; said once, when all is done."""


class Mirror:
    """Carries out plans between a source, opened anew by each worker, and a destination."""

    def __init__(
        self,
        open_source: Callable[[], SourceTree],
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
        self._meter = Meter(deadline, bytes_a_second=settings.bandwidth)
        self._has_failed = False
        self.refused_a_move = False  # a rename failed: another try may fail the same way
        self._unmade: set[bytes] = set()  # directories that could not be made, or not be moved there
        self._unemptied: set[bytes] = set()  # directories that hold something that could not be removed
        self._displaced: set[bytes] = set()  # directories that were kept as a version, whole
        self._stuck: set[bytes] = set()  # directories that should have been, and are where they were
        self._lost = Lost()
        self._leaders = Leaders()
        opened_up: dict[bytes, int] = {}
        self._open_steps: Callable[[], Steps] = lambda: Steps(
            open_source,
            destination,
            settings=settings,
            deadline=deadline,
            told=self._meter.add,
            opened_up=opened_up,
            lost=self._lost,
            leaders=self._leaders,
        )

    def carry_out(self, plan: Planned) -> None:
        """Carry out a plan.

        Raises:
            Cancelled: the deadline passed, between two files.
            RunError: a path failed and the job asked to stop there.
            OSError: a root is gone.
        """
        with self._open_steps() as steps:
            try:
                for phase in Phase:
                    if phase is Phase.COPY:
                        with self._finding_what_arrived(steps):
                            self._copy_in_parallel(steps, plan.copies())
                    else:
                        self._one_by_one(steps, plan.operations(phase))
                    steps.destination.handles.forget()
            finally:
                steps.close_again()
                for sentence in self._lost.sentences():
                    self._watcher.noticed(sentence)

    @contextlib.contextmanager
    def _finding_what_arrived(self, steps: Steps) -> Iterator[None]:
        """Let files be put together of what arrived before a run was cut off.

        In the end that is removed, whatever failed: there it takes the place of what is to be copied.
        """
        if steps.salvage is None:
            yield
            return
        with steps.salvage.opened() as handles:
            steps.source.find_in(handles)
            try:
                yield
            finally:
                steps.source.find_in(())
        steps.salvage.clear()

    def _one_by_one(self, steps: Steps, operations: Iterator[Operation]) -> None:
        for operation, is_done in self._begun(steps, operations):
            if is_done or self._is_done_already(operation):
                self._tell(Ended(operation, None))
            elif self._is_pointless(operation):
                self._note_not_there(operation)
            else:
                self._tell(Ended(operation, steps.attempt(operation)))
                self._watcher.moved(self._meter.take())
                self._stop_if_asked_to()

    def _begun(self, steps: Steps, operations: Iterator[Operation]) -> Iterator[tuple[Operation, bool]]:
        """Give operations as they come, and whether each is done by then; those that are, before others.

        None is once a directory could not be made: what is where it should be is somebody else's.
        A far source hears of those that ask it for something.

        Raises:
            Cancelled: the deadline passed.
        """
        while some := list(islice(operations, _AT_ONCE)):
            self._deadline.check()
            if some[0].phase in (Phase.LINK, Phase.FINISH_DIRECTORIES):
                steps.foresee([], some)
            done = [False] * len(some) if self._unmade else steps.done_together(some)
            yield from ((operation, True) for operation in compress(some, done))
            yield from ((operation, False) for operation in compress(some, map(not_, done)))

    def _is_done_already(self, operation: Operation) -> bool:
        """Whether what is to be deleted went along with a directory above it."""
        return operation.phase is Phase.DELETE and _is_within(operation.change.path, self._displaced)

    def _is_pointless(self, operation: Operation) -> bool:
        """Whether a step cannot succeed after one that failed, which was reported."""
        change = operation.change
        path = change.path
        if operation.phase is not Phase.FINISH_DIRECTORIES and path in self._unemptied:
            return True
        if operation.phase is Phase.DELETE and _is_within(path, self._stuck):
            return True
        if not self._unmade:
            return False
        old = change.old.path if change.kind is ChangeKind.MOVED and change.old is not None else path
        return any(one in self._unmade or _is_within(one, self._unmade) for one in {path, old})

    def _note_not_there(self, operation: Operation) -> None:
        """Note that something is not where later steps count on it, or still where it is in their way."""
        change = operation.change
        if operation.phase not in (Phase.MAKE_DIRECTORIES, Phase.MOVE):
            return
        if change.new is not None:
            self._unmade.add(change.path)
        if change.old is not None and change.kind in (ChangeKind.MOVED, ChangeKind.DELETED):
            self._unemptied.update(ancestors(change.old.path))

    def _tell(self, ended: Ended) -> None:
        operation, failure = ended
        if self._settings.version_area is not None:
            self._note_directory(operation.change, self._stuck if failure else self._displaced)
        if failure is None:
            self._watcher.done(self._as_it_was_done(operation))
            return
        if operation.phase in (Phase.MAKE_WAY, Phase.DELETE):
            self._unemptied.update(ancestors(failure.path))
        self.refused_a_move |= operation.change.kind is ChangeKind.MOVED
        self._note_not_there(operation)
        self._watcher.failed(failure)
        self._has_failed = True

    def _as_it_was_done(self, operation: Operation) -> Operation:
        """Say of a file that was to be linked that it was copied instead, or that nothing was done."""
        path = operation.change.path
        if operation.phase is not Phase.LINK:
            return operation
        if path in self._leaders.copied:
            return operation._replace(change=operation.change._replace(leader=None))
        return operation._replace(counted=path not in self._leaders.left)

    def _note_directory(self, change: Change, among: set[bytes]) -> None:
        """Note a directory that a change displaces, or should have."""
        if change.old is not None and change.old.is_directory and change.displaces:
            among.add(change.path)

    def _stop_if_asked_to(self) -> None:
        if self._has_failed and self._settings.stop_on_failure:
            raise RunError("stopped at the first path that failed, as 'on_error: stop' asks")

    # Copying

    def _copy_in_parallel(self, steps: Steps, copies: Iterator[Operation | NewFiles]) -> None:
        if self._unmade or self._unemptied:
            copies = (
                operation
                for copy in copies
                for operation in (copy.operations() if isinstance(copy, NewFiles) else (copy,))
                if not self._is_pointless(operation)
            )
        usual = USUAL if isinstance(steps.source, LocalTree) else FAR
        cut = batches(copies, DURABLE if self._settings.durable else usual)
        first = list(islice(cut, 2))
        if self._workers == 1 or (len(first) <= 1 and all(map(is_small, first))):
            self._copy_inline(steps, chain(first, cut))
        else:
            self._copy_on_workers(chain(first, cut))

    def _copy_inline(self, steps: Steps, batches: Iterator[Batch]) -> None:
        never = threading.Event()
        for batch in batches:
            done = carry_out_batch(
                steps, batch, stopping=never, stops_on_failure=self._settings.stop_on_failure
            )
            self._watcher.moved(self._meter.take())
            self._tell_each(done)
            self._deadline.check()
            self._stop_if_asked_to()

    def _copy_on_workers(self, batches: Iterator[Batch]) -> None:
        workers = _Workers(self._open_steps, stops_on_failure=self._settings.stop_on_failure)
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="copy")
        running: set[Future[Done]] = set()
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

    def _wait_for_some(self, running: set[Future[Done]]) -> None:
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

    def _tell_all(self, futures: set[Future[Done]]) -> None:
        """Tell what came of batches, of each though another one raises."""
        with contextlib.ExitStack() as telling:
            for future in futures:
                if not future.cancelled():
                    telling.callback(self._tell_result, future)

    def _tell_result(self, future: Future[Done]) -> None:
        self._tell_each(future.result())

    def _tell_each(self, done: Done) -> None:
        """Tell how operations ended; those of a kind that needs no more than that, together.

        Raises:
            RunError: it ended the run.
        """
        for files in done.made:
            self._watcher.made_files(files)
        for is_made, some in groupby(done.ended, _is_plainly_made):
            if is_made:
                self._watcher.made([operation for operation, _ in some])
            else:
                for ended in some:
                    self._tell(ended)
        if done.error is not None:
            raise done.error


class _Workers:
    """Gives each thread of a pool its own handles."""

    def __init__(self, open_steps: Callable[[], Steps], *, stops_on_failure: bool) -> None:
        self._open_steps = open_steps
        self._stops_on_failure = stops_on_failure
        self._local = threading.local()
        self._opened: list[Steps] = []
        self.stopping = threading.Event()

    def run(self, batch: Batch) -> Done:
        """Carry out a batch, in the thread that calls."""
        steps: Steps | None = getattr(self._local, "steps", None)
        if steps is None:
            steps = self._local.steps = self._open_steps()
            self._opened.append(steps)
        return carry_out_batch(steps, batch, stopping=self.stopping, stops_on_failure=self._stops_on_failure)

    def close(self) -> None:
        """Close the handles of every thread; none may be running."""
        for steps in self._opened:
            steps.source.close()
            steps.destination.close()


def _is_plainly_made(ended: Ended) -> bool:
    """Whether an operation made something where there was nothing, by copying it."""
    phase, change, counted = ended.operation
    return ended.failure is None and change.old is None and phase is Phase.COPY and counted


def _is_within(path: bytes, directories: set[bytes]) -> bool:
    """Whether a path lies beneath one of some directories."""
    return bool(directories) and any(parent in directories for parent in ancestors(path))

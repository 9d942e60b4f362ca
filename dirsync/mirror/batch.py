"""One batch of copies: stage them all, make their data durable, then give them their names.

Where durability is not asked for, each copy gets its name at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

from dirsync.errors import Cancelled, RunError
from dirsync.mirror.barrier import make_durable
from dirsync.mirror.files import Staged
from dirsync.mirror.steps import Steps
from dirsync.mirror.together import parted
from dirsync.model.change import Failure
from dirsync.model.listing import other_runs, runs_of
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation

Batch: TypeAlias = list[Operation | NewFiles]


class Ended(NamedTuple):
    """How an operation ended."""

    operation: Operation
    failure: Failure | None  # None: it is done


class Done(Struct):
    """What came of a batch."""

    made: list[NewFiles] = field(default_factory=list)  # of what was planned together, what was made so
    ended: list[Ended] = field(default_factory=list)
    error: RunError | None = None  # what ends the run, met after these


class Limits(NamedTuple):
    """How large a batch may get."""

    operations: int
    bytes: int


SMALL = Limits(64, 32 << 20)  # not worth a worker
USUAL = Limits(512, 32 << 20)  # spreads well among workers, and is heard of often
FAR = Limits(2048, 64 << 20)  # each is asked for by itself
DURABLE = Limits(1024, 64 << 20)  # few barriers, each short enough for a request to stop to be heard


def batches(copies: Iterable[Operation | NewFiles], limits: Limits) -> Iterator[Batch]:
    """Cut a stream of copies into what one worker does at a time."""
    batch: Batch = []
    count = byte_count = 0
    for copy in copies:
        sizes = copy.sizes() if isinstance(copy, NewFiles) else [_bytes_of(copy)]
        full: list[int] = []  # where pieces end that fill a batch
        for at, size in enumerate(sizes, 1):
            count += 1
            byte_count += size
            if count >= limits.operations or byte_count >= limits.bytes:
                full.append(at)
                count = byte_count = 0
        for number, piece in enumerate(_cut(copy, full, end=len(sizes))):
            batch.append(piece)
            if number < len(full):
                yield batch
                batch = []
    if batch:
        yield batch


def _cut(copy: Operation | NewFiles, ends: list[int], *, end: int) -> Iterable[Operation | NewFiles]:
    """Give what is to be copied in pieces that end where they should, and what is left."""
    if not isinstance(copy, NewFiles):
        return [copy]
    return copy.cut(ends if ends[-1:] == [end] else [*ends, end])


def is_small(batch: Batch) -> bool:
    """Whether a batch is done so soon that no worker is worth it."""
    counts = [step.entry_count if isinstance(step, NewFiles) else 1 for step in batch]
    if sum(counts) > SMALL.operations:
        return False
    sizes = (step.byte_count if isinstance(step, NewFiles) else _bytes_of(step) for step in batch)
    return sum(sizes) <= SMALL.bytes


def _bytes_of(operation: Operation) -> int:
    new = operation.change.new
    return 0 if new is None else new.size


def carry_out_batch(steps: Steps, batch: Batch, *, stopping: threading.Event, stops_on_failure: bool) -> Done:
    """Carry out a batch, and tell how each operation ended that was come to.

    A request to stop ends it early: what is told is done, and nothing else is; the one
    who waits for it finds the deadline passed. What else ends the run is told beside what
    was done before; copies that are complete by then get their names.
    """
    done = Done()
    staged: list[tuple[Operation, Staged]] = []

    def stops() -> bool:
        failed = bool(done.ended) and done.ended[-1].failure is not None
        return stopping.is_set() or (stops_on_failure and failed)

    try:
        together, operations = _sorted(steps, batch)
        steps.foresee(together, operations)
        left = [operation for files in together for operation in _left_of(steps, files, done.made, stops)]
        for operation, copy in chain(
            _one_by_one(steps, left, stops=stops), _carried_out(steps, operations, stops=stops)
        ):
            if isinstance(copy, Staged):
                staged.append((operation, copy))
            else:
                done.ended.append(Ended(operation, copy))
    except Cancelled:
        for _, copy in staged:
            steps.drop(copy)
        return done
    except RunError as error:  # the source is lost; what came of it before is whole
        done.error = error
    done.ended.extend(_published(steps, staged))
    return done


def _sorted(steps: Steps, batch: Batch) -> tuple[list[NewFiles], list[Operation]]:
    """Part what can be tried together from what cannot."""
    together: list[NewFiles] = []
    operations: list[Operation] = []
    for step in batch:
        if isinstance(step, NewFiles):
            small, others = steps.small.sorted(step)
            if small is not None:
                together.append(small)
            operations += others
        else:
            operations.append(step)
    return together, operations


def _left_of(
    steps: Steps, files: NewFiles, made: list[NewFiles], stops: Callable[[], bool]
) -> list[Operation]:
    """Make new files together, and note them; give the steps of those that were left."""
    left: list[Operation] = []
    while files.entry_count and not stops():
        ended, byte_count = steps.small.made_of(files)
        tried, done = len(ended), runs_of(ended)
        if done:
            made.append(files.some(done))
        steps.told(byte_count)  # which may raise
        others = other_runs(done, count=tried)
        if others:
            left += files.some(others).operations()
        if tried == files.entry_count:
            break
        files = files.some([(tried, files.entry_count)])
    return left


def _carried_out(
    steps: Steps, operations: list[Operation], *, stops: Callable[[], bool]
) -> Iterator[tuple[Operation, Staged | Failure | None]]:
    """Carry out operations, and give what came of each; a copy may be staged."""
    for some, way in parted(operations, steps.ways):
        left = some if way is None else []
        untried = some if way is not None else []
        while way is not None and untried and not stops():
            tried = way.tried(untried)
            yield from tried.ended
            left, untried = left + tried.left, tried.untried
            steps.told(tried.byte_count)
        yield from _one_by_one(steps, left, stops=stops)


def _one_by_one(
    steps: Steps, operations: list[Operation], *, stops: Callable[[], bool]
) -> Iterator[tuple[Operation, Staged | Failure | None]]:
    for operation in operations:
        if stops():
            return
        yield operation, steps.stage(operation) if steps.stages(operation) else steps.attempt(operation)


def _published(steps: Steps, staged: list[tuple[Operation, Staged]]) -> list[Ended]:
    """Make staged copies durable together, then give each its name."""
    if not staged:
        return []
    try:
        make_durable(steps.destination, [copy for _, copy in staged])
    except OSError as error:
        reason = f"cannot be made durable, so it was not put in place: {error.strerror}"
        for _, copy in staged:
            steps.drop(copy)
        return [Ended(operation, Failure(operation.change.path, reason)) for operation, _ in staged]
    placed = steps.small.place([copy for _, copy in staged])
    return [
        Ended(operation, None if is_placed else steps.publish(operation, copy))
        for (operation, copy), is_placed in zip(staged, placed, strict=True)
    ]

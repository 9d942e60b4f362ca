"""One batch of copies: stage them all, make their data durable, then give them their names.

Where durability is not asked for, each copy gets its name at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirsync.errors import Cancelled
from dirsync.mirror.barrier import make_durable
from dirsync.mirror.files import Staged
from dirsync.mirror.steps import Steps
from dirsync.model.change import Failure
from dirsync.model.operation import Operation


class Ended(NamedTuple):
    """How an operation ended."""

    operation: Operation
    failure: Failure | None  # None: it is done


class Limits(NamedTuple):
    """How large a batch may get."""

    operations: int
    bytes: int


SMALL = Limits(64, 32 << 20)  # not worth a worker
USUAL = Limits(512, 32 << 20)  # spreads well among workers, and is heard of often
DURABLE = Limits(1024, 64 << 20)  # few barriers, each short enough for a request to stop to be heard


def batches(operations: Iterator[Operation], limits: Limits) -> Iterator[list[Operation]]:
    """Cut a stream of operations into what one worker does at a time."""
    batch: list[Operation] = []
    byte_count = 0
    for operation in operations:
        batch.append(operation)
        byte_count += _bytes_of(operation)
        if len(batch) >= limits.operations or byte_count >= limits.bytes:
            yield batch
            batch, byte_count = [], 0
    if batch:
        yield batch


def is_small(batch: list[Operation]) -> bool:
    """Whether a batch is done so soon that no worker is worth it."""
    return len(batch) <= SMALL.operations and sum(map(_bytes_of, batch)) <= SMALL.bytes


def _bytes_of(operation: Operation) -> int:
    new = operation.change.new
    return 0 if new is None else new.size


def carry_out_batch(
    steps: Steps, batch: list[Operation], *, stopping: threading.Event, stops_on_failure: bool
) -> list[Ended]:
    """Carry out a batch, and tell how each operation ended that was come to.

    A request to stop ends it early: what is told is done, and nothing else is; the one
    who waits for it finds the deadline passed.
    """
    ended: list[Ended] = []
    staged: list[tuple[Operation, Staged]] = []

    def stops() -> bool:
        return stopping.is_set() or (stops_on_failure and bool(ended) and ended[-1].failure is not None)

    try:
        steps.foresee(batch)
        for operation, copy in _carried_out(steps, batch, stops=stops):
            if isinstance(copy, Staged):
                staged.append((operation, copy))
            else:
                ended.append(Ended(operation, copy))
    except Cancelled:
        for _, copy in staged:
            steps.drop(copy)
        return ended
    return ended + _published(steps, staged)


def _carried_out(
    steps: Steps, batch: list[Operation], *, stops: Callable[[], bool]
) -> Iterator[tuple[Operation, Staged | Failure | None]]:
    """Carry out a batch, and give what came of each operation; a copy may be staged."""
    for operations, goes_together in steps.small.together(batch):
        left = [] if goes_together else operations
        untried = operations if goes_together else []
        while untried and not stops():
            made = steps.small.made(untried)
            yield from made.ended
            left, untried = left + made.left, made.untried
            steps.told(made.byte_count)
        for operation in left:
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

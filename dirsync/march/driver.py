"""A whole tree marched: inline while it is small, on worker processes or threads when it is not."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait

from dirsync.errors import RunError
from dirsync.march import stopping
from dirsync.march.marching import Check, D, Enough, March, P, Piece
from dirsync.scan.chosen import prepare_thread

INLINE_SECONDS = 0.15  # a pool takes about as long to start as this march is worth
TASK_BUDGET = 20_000  # entries a task: some 100 ms, so that a stop is heard and work spreads
THREAD_BUDGET = 4_000  # the same of threads, which cost nothing to hand over
_SLICE_SECONDS = 0.1  # how long an inline march goes on before it looks up
_DIRECTORIES_A_TASK = 256
_TASKS_A_WORKER = 2


def march_tree(
    march: March[D, P], roots: list[D], *, workers: int | None, check: Check, in_threads: bool = False
) -> Iterator[P]:
    """March a whole tree, or some of it, and yield what is found, directories before their content.

    `workers` None: as many as there are processors. They are processes, which a tree that is
    done within `INLINE_SECONDS` never starts; or threads, for a march that spends its time
    outside Python.

    Raises:
        Cancelled, say: what `check` raises to stop.
        OSError: a root that was there is gone.
    """
    workers = workers or available_processors()
    left = roots
    if in_threads and workers > 1:
        found = march(left, _at_once, check)
        yield found
        if found.subdirectories:
            yield from _march_in_threads(march, found.subdirectories, workers=workers, check=check)
        return
    inline = deque([INLINE_SECONDS]) if workers > 1 else None
    while left:
        check()
        if inline is not None and not inline:
            yield from _march_on(march, left, workers=workers, check=check)
            return
        found = march(left, _after(inline.popleft() if inline else _SLICE_SECONDS), check)
        left = found.subdirectories
        yield found


def _at_once(_: Piece) -> bool:
    return True


def _after(seconds: float) -> Enough:
    """Give what says that it is enough when so much time has passed."""
    ends_at = time.monotonic() + seconds
    return lambda _: time.monotonic() >= ends_at


def available_processors() -> int:
    """Count the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _march_on(march: March[D, P], left: list[D], *, workers: int, check: Check) -> Iterator[P]:
    from dirsync.march.workers import worker_processes  # most runs never need them

    tasks = workers * _TASKS_A_WORKER
    with worker_processes(workers) as executor:
        starting = threading.Thread(target=_start, args=(executor, workers))
        starting.start()
        try:
            while left and starting.is_alive():  # starting takes a while: march on meanwhile
                found = march(left, _after(_SLICE_SECONDS), check)
                left = found.subdirectories
                yield found
        finally:
            starting.join()
        yield from march_on(march, left, executor=executor, tasks=tasks, check=check)


def _march_in_threads(march: March[D, P], left: list[D], *, workers: int, check: Check) -> Iterator[P]:
    def task(march: March[D, P], directories: list[D]) -> P:
        return march(directories, lambda found: found.seen >= THREAD_BUDGET, check)

    with ThreadPoolExecutor(workers, thread_name_prefix="march", initializer=prepare_thread) as executor:
        tasks = workers * _TASKS_A_WORKER
        yield from march_on(march, left, executor=executor, tasks=tasks, check=check, task=task)


def _start(executor: Executor, workers: int) -> None:
    """Wait until all workers are there; one that dies is noticed by who gives it work."""
    with contextlib.suppress(RuntimeError):  # a broken pool, or one that was shut down meanwhile
        wait([executor.submit(os.getpid) for _ in range(workers)])


def march_task(march: March[D, P], directories: list[D]) -> P:
    """March as much as one task of worker processes should; this is what travels to them."""
    return march(directories, _seen_enough, stopping.between_directories)


def march_on(
    march: March[D, P],
    left: list[D],
    *,
    executor: Executor,
    tasks: int,
    check: Check,
    task: Callable[[March[D, P], list[D]], P] = march_task,
) -> Iterator[P]:
    """March directories on an executor, with at most `tasks` tasks at once; `task` does one.

    Raises:
        Cancelled, say: what `check` raises to stop.
        RunError: a worker died, killed for want of memory, say.
        OSError: a root that was there is gone.
    """
    waiting = deque(left)
    running: set[Future[P]] = set()
    try:
        while waiting or running:
            check()
            while waiting and len(running) < tasks:
                share = _share(waiting, tasks)
                running.add(executor.submit(task, march, share))
            done, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                found = future.result()
                waiting.extend(found.subdirectories)
                yield found
    except BrokenExecutor:
        check()  # a signal to the whole process group may have ended it
        raise RunError(
            "a process that scanned for this run was killed; was there too little memory?"
        ) from None
    finally:
        for future in running:
            future.cancel()


def _seen_enough(found: Piece) -> bool:
    return found.seen >= TASK_BUDGET


def _share(waiting: deque[D], tasks: int) -> list[D]:
    """Take a task's directories: fewer as fewer wait, so that no worker is left without."""
    count = max(1, min(_DIRECTORIES_A_TASK, len(waiting) // tasks))
    return [waiting.popleft() for _ in range(count)]

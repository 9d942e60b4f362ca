"""The bare parallel walk of a tree: `python -m benchmarks.stat_walk DIRECTORY [--processes N]`.

What any scan in Python comes to at the least: processes that share the directories, `os.scandir`
and one `stat` an entry, and nothing kept but a count. `walk` is the frame that a peer builds on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from typing import Protocol

_FORK = multiprocessing.get_context("fork")
_DIRECTORIES_A_TASK = 64


class Sink(Protocol):
    """What a process does with what it lists."""

    def take(self, entries: list[os.DirEntry[bytes]], stats: list[os.stat_result]) -> None:
        """Be given the entries of a directory."""

    def finish(self) -> None:
        """Be told that there is no more."""


def main() -> int:
    """Walk and print the count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stat_walk", description=__doc__)
    parser.add_argument("directory", type=os.fsencode)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    asked = parser.parse_args()
    began_at = time.perf_counter()
    count = walk(asked.directory, processes=asked.processes)
    print(f"{count} entries in {time.perf_counter() - began_at:.3f} s")
    return 0


def walk(root: bytes, *, processes: int, opened: Callable[[], Sink] | None = None) -> int:
    """Walk a tree, its root excluded, and give how many entries it has.

    A process takes some directories and those beneath them until it has listed enough; what is
    left is shared out again, so that no shape of a tree leaves a process without work. `opened`
    makes, in each process, what takes the entries.
    """
    tasks: SimpleQueue[list[bytes] | None] = _FORK.SimpleQueue()
    results: SimpleQueue[tuple[int, list[bytes]]] = _FORK.SimpleQueue()
    workers = [_FORK.Process(target=_work, args=(tasks, results, opened)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    count = _share_out(root, tasks, results, processes=processes)
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise SystemExit(f"a process of the walk ended with {worker.exitcode}")
    return count


def _share_out(
    root: bytes,
    tasks: SimpleQueue[list[bytes] | None],
    results: SimpleQueue[tuple[int, list[bytes]]],
    *,
    processes: int,
) -> int:
    pending, busy, count = [root], 0, 0
    while pending or busy:
        while pending and busy < 2 * processes:  # the next task waits beside the one in hand
            share = max(1, min(_DIRECTORIES_A_TASK, len(pending) // processes))
            tasks.put(pending[-share:])
            del pending[-share:]
            busy += 1
        seen, left = results.get()
        busy -= 1
        count += seen
        pending += left
    return count


def _work(
    tasks: SimpleQueue[list[bytes] | None],
    results: SimpleQueue[tuple[int, list[bytes]]],
    opened: Callable[[], Sink] | None,
) -> None:
    sink = opened() if opened else None
    while (directories := tasks.get()) is not None:
        count = 0
        for _ in range(_DIRECTORIES_A_TASK):
            if not directories:
                break
            count += _list(directories, sink)
        results.put((count, directories))
    if sink:
        sink.finish()


def _list(directories: list[bytes], sink: Sink | None) -> int:
    """List the last of the directories, and put those in it in its place; count its entries."""
    with os.scandir(directories.pop()) as found:
        entries = list(found)
    stats = [entry.stat(follow_symlinks=False) for entry in entries]
    directories += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    if sink:
        sink.take(entries, stats)
    return len(stats)


if __name__ == "__main__":
    sys.exit(main())

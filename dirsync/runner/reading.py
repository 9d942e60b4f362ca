"""Reading files of both ends in parallel threads, each with directory handles of its own.

Hashing releases the interpreter's lock, so threads are as good as processes here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from dirsync.errors import PathError
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm, MirrorJob
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, entry_of, open_tree

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # files a thread that are handed out before the first is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Both ends of a job, open; for one thread."""

    source: LocalTree
    destination: LocalTree

    def close(self) -> None:
        """Close every handle."""
        self.source.close()
        self.destination.close()


class Contents(NamedTuple):
    """What was read at both ends of one path, from the disk."""

    path: bytes
    source: Content
    replica: Content

    @property
    def agree(self) -> bool:
        """Whether the two are the same, byte for byte."""
        return self.source.hash == self.replica.hash

    @property
    def source_entry(self) -> Entry:
        """What the source was when it was read."""
        return entry_of(self.path, self.source.status, None)

    @property
    def replica_entry(self) -> Entry:
        """What the replica was when it was read."""
        return entry_of(self.path, self.replica.status, None)


def read_both(ends: Ends, path: bytes, algorithm: HashAlgorithm, *, check: Callable[[], None]) -> Contents:
    """Hash a file at both ends, as the disks hold it.

    Raises:
        PathError: one of them cannot be read; it says which.
    """
    contents = []
    for end, tree in (("source", ends.source), ("replica", ends.destination)):
        try:
            contents.append(tree.content(path, algorithm, check=check, from_disk=True))
        except OSError as error:
            raise PathError(path, f"the {end} cannot be read: {error.strerror or error}") from error
    return Contents(path, *contents)


def in_threads(
    items: Iterable[T], read: Callable[[Ends, T], R], *, job: MirrorJob, workers: int
) -> Iterator[R]:
    """Give what `read` makes of each item, in their order.

    Raises:
        OSError: a root is gone.
        Whatever `read` raises.
    """
    threads = _Threads(job)
    executor = ThreadPoolExecutor(workers, thread_name_prefix="read")
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(executor.submit(threads.run, read, item))
            if len(running) > _AHEAD * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        threads.close()


class _Threads:
    """Gives each thread of a pool its own handles."""

    def __init__(self, job: MirrorJob) -> None:
        self._job = job
        self._local = threading.local()
        self._opened: list[Ends] = []

    def run(self, read: Callable[[Ends, T], R], item: T) -> R:
        """Read one item, in the thread that calls."""
        ends: Ends | None = getattr(self._local, "ends", None)
        if ends is None:
            ends = Ends(source=open_tree(self._job.source), destination=open_tree(self._job.destination))
            self._local.ends = ends
            self._opened.append(ends)
        return read(ends, item)

    def close(self) -> None:
        """Close the handles of every thread; none may be running."""
        for ends in self._opened:
            ends.close()

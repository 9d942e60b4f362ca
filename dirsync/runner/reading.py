"""Reading files of both ends in parallel threads, each with directory handles of its own.

Hashing releases the interpreter's lock, so threads are as good as processes here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from dirsync.errors import PathError
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm, MirrorJob
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, entry_of, open_tree


class Closing(Protocol):
    """What is open, and can be closed."""

    def close(self) -> None:
        """Close every handle."""
        ...


T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C", bound=Closing)

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


def ends_of(job: MirrorJob) -> Ends:
    """Open both ends of a job.

    Raises:
        OSError: a root is gone.
    """
    return Ends(source=open_tree(job.source), destination=open_tree(job.destination))


def in_threads(
    items: Iterable[T], read: Callable[[C, T], R], *, opens: Callable[[], C], workers: int
) -> Iterator[R]:
    """Give what `read` makes of each item, in their order; each thread reads from what it `opens` itself.

    Raises:
        OSError: a root is gone.
        Whatever `read` raises.
    """
    threads = _Threads(opens)
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


class _Threads(Generic[C]):
    """Gives each thread of a pool its own handles."""

    def __init__(self, opens: Callable[[], C]) -> None:
        self._opens = opens
        self._local = threading.local()
        self._opened: list[C] = []

    def run(self, read: Callable[[C, T], R], item: T) -> R:
        """Read one item, in the thread that calls."""
        opened: C | None = getattr(self._local, "opened", None)
        if opened is None:
            opened = self._opens()
            self._local.opened = opened
            self._opened.append(opened)
        return read(opened, item)

    def close(self) -> None:
        """Close the handles of every thread; none may be running."""
        for opened in self._opened:
            opened.close()

"""Reading in parallel threads, each with directory handles of its own.

Hashing releases the interpreter's lock, so threads are as good as processes here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

_AHEAD = 4  # items a thread that are handed out before the first is asked for


class _Closeable(Protocol):
    def close(self) -> None: ...


H = TypeVar("H", bound=_Closeable)
T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    items: Iterable[T], read: Callable[[H, T], R], *, open_handles: Callable[[], H], workers: int
) -> Iterator[R]:
    """Give what `read` makes of each item, in their order; each thread opens its own handles.

    Raises:
        Whatever `open_handles` and `read` raise.
    """
    threads = _Threads(open_handles)
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


class _Threads(Generic[H]):
    """Gives each thread of a pool its own handles."""

    def __init__(self, open_handles: Callable[[], H]) -> None:
        self._open_handles = open_handles
        self._local = threading.local()
        self._opened: list[H] = []

    def run(self, read: Callable[[H, T], R], item: T) -> R:
        """Read one item, in the thread that calls."""
        handles: H | None = getattr(self._local, "handles", None)
        if handles is None:
            handles = self._open_handles()
            self._local.handles = handles
            self._opened.append(handles)
        return read(handles, item)

    def close(self) -> None:
        """Close the handles of every thread; none may be running."""
        for handles in self._opened:
            handles.close()

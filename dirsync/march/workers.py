"""Worker processes for a march: they end with the process that started them, however it ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.synchronize import Event

from dirsync.errors import RunError
from dirsync.march import stopping


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """Run a pool of worker processes that end with this one, however it ends."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__])
    stop = context.Event()
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker, initargs=(stop,))
    try:
        yield executor
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker(stop: Event) -> None:
    """Leave signals to the process that started this one, and end when it ends."""
    stopping.between_directories = lambda: _check(stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _check(stop: Event) -> None:
    if stop.is_set():
        raise RunError("the run this worker serves is over")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

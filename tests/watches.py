"""Watches of sources, for tests: begun, and waited for without guessing how long events take."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dirsync.march.source_watch import SourceWatch
from dirsync.model.job import Job
from dirsync.model.marks import Marks, Reach
from dirsync.runner.watching import watch_of

SENTINEL = "zz-sentinel"  # a directory of the source in which nothing else happens
PATIENCE_SECONDS = 20.0
_numbers = itertools.count()


@contextlib.contextmanager
def watched(job: Job, told: Callable[[], None] = lambda: None) -> Iterator[SourceWatch]:
    """Watch a job's source."""
    watch = watch_of(job, told)
    watch.begin()
    try:
        yield watch
    finally:
        watch.end()


def marks_so_far(watch: SourceWatch, source: Path) -> Marks:
    """Take all marks of what was done before this call; events come in their order."""
    found: dict[bytes, Reach] = {}
    name = f"{SENTINEL}/{next(_numbers)}".encode()  # a directory of its own, of which one event tells
    (source / os.fsdecode(name)).mkdir()
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while name not in found and not watch.is_lost:
        assert time.monotonic() < ends_at, "no event came"
        for path, reach in watch.take().directories.items():
            if found.get(path) is not Reach.SUBTREE:
                found[path] = reach
        time.sleep(0.001)
    return Marks(directories=found)


def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < ends_at, "it never came to that"
        time.sleep(0.005)

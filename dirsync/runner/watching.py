"""The watch of one job's source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from dirsync.filters import root_scope
from dirsync.march.source_watch import SourceWatch
from dirsync.model.job import Job
from dirsync.runner.ends import local_place
from dirsync.trees.mounts import is_beneath


def watch_of(job: Job, told: Callable[[], None], *, written: Iterable[str] = ()) -> SourceWatch:
    """Give a watch of a job's source, not begun yet; it calls `told` when something changed.

    `written` are paths of what runs write themselves; where it lies in the source, nothing that
    happens to it is heard.
    """
    source = local_place(job.source, job=job.name, deed="watch")
    return SourceWatch(
        source,
        root_scope(job),
        one_file_system=job.one_file_system,
        told=told,
        not_heard=frozenset(_within(source.path, written)),
    )


def _within(root: bytes, paths: Iterable[str]) -> Iterable[bytes]:
    """Give those of some paths that lie in a directory, relative to it."""
    real = os.path.realpath(root)
    for path in map(os.path.realpath, map(os.fsencode, paths)):
        if path != real and is_beneath(path, real):
            yield os.path.relpath(path, real)

"""The watch of one job's source."""

from __future__ import annotations

from collections.abc import Callable

from dirsync.filters import root_scope
from dirsync.march.source_watch import SourceWatch
from dirsync.model.job import Job


def watch_of(job: Job, told: Callable[[], None]) -> SourceWatch:
    """Give a watch of a job's source, not begun yet; it calls `told` when something changed."""
    return SourceWatch(job.source, root_scope(job), one_file_system=job.one_file_system, told=told)

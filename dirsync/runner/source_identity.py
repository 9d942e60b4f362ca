"""Whether the source is the one of the last run: another disk at its place is no deletion of everything."""

from __future__ import annotations

from dirsync.errors import GuardTripped
from dirsync.model.job import Job
from dirsync.runner.ends import file_system_at
from dirsync.runner.ledger import Ledger

_SOURCE_IDENTITY = "source file system"


def check_source(job: Job, ledger: Ledger, *, lost: str, remedy: str) -> None:
    """Check that the source is the one of the last run before anything counts as deleted.

    `lost` says what would count so, `remedy` what to do if this source is the right one.

    Raises:
        GuardTripped: it is on another file system.
    """
    before = ledger.recall(job.name, _SOURCE_IDENTITY)
    now = file_system_at(job.source)
    if before and now and before != now:
        raise GuardTripped(
            f"guard source: the source is on another file system than on the last run (it was {before}, "
            f"it is {now}), and {lost}; "
            f"mount the right one, or, if this one is right, {remedy}"
        )


def remember_source(job: Job, ledger: Ledger) -> None:
    """Keep which file system the source is on, for the next run's guard."""
    identity = file_system_at(job.source)
    if identity is not None:
        ledger.remember(job.name, _SOURCE_IDENTITY, identity)

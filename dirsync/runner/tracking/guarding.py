"""The guards of a track job, for its runs and for `verify`: is the source the one on record?"""

from __future__ import annotations

from dirsync.errors import GuardTripped
from dirsync.model.job import TrackJob
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import Ledger
from dirsync.runner.source_identity import check_source


def check_not_empty(job: TrackJob, known: CatalogJob, *, seen: int) -> None:
    """Check that anything was `seen` in the source, if the catalog holds entries of it.

    Raises:
        GuardTripped: nothing was, and the job does not say that this may be.
    """
    if job.guard.source_not_empty and known.entries and not seen:
        raise GuardTripped(
            "guard source_not_empty: the source is empty, and the catalog holds "
            f"{known.entries:,} entries of it; is it mounted? "
            "If it is meant to be empty, set guard: {source_not_empty: false}"
        )


def check_same_source(job: TrackJob, ledger: Ledger, *, lost: str) -> None:
    """Check that the source is on the file system of the last run; `lost` says what it lacks.

    Raises:
        GuardTripped: it is on another.
    """
    check_source(job, ledger, lost=lost, remedy=f"begin anew with 'dirsync catalog init {job.name}'")

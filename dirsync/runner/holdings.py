"""What the catalog holds of a track job, for `status`."""

from __future__ import annotations

from msgspec import Struct

from dirsync.catalog.overview import Overview
from dirsync.model.job import Severity, TrackJob
from dirsync.runner.recorded_jobs import Records


class Holdings(Struct, frozen=True, kw_only=True):
    """What the catalog holds of one job."""

    entries: int
    byte_count: int  # of all files
    open: dict[Severity, int]  # changes that nobody has accepted; only severities that there are


def holdings(job: TrackJob, found: Records) -> Holdings | None:
    """Count what the catalog holds of a job; None: no run has recorded anything yet.

    Raises:
        RunError: the catalog is lost, or cannot be reached.
    """
    record = found.of(job)
    if record is None:
        return None
    catalog, known = record
    return Holdings(
        entries=known.entries,
        byte_count=known.bytes_total,
        open=Overview(catalog, known.job_id).open_counts(),
    )

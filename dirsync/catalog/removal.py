"""Removing all that a catalog holds of a job."""

from __future__ import annotations

from dirsync.catalog.catalog import Catalog
from dirsync.model.recorded import CatalogJob

_TABLES = ("hashed", "checkpoints", "acceptances", "changes", "runs", "entries", "directories", "jobs")


def remove_job(catalog: Catalog, job: CatalogJob) -> None:
    """Remove every row of a job, durably and at once."""
    with catalog.store.transaction():
        for table in _TABLES:
            catalog.store.run(f"DELETE FROM {table} WHERE job_id = ?", (job.job_id,))

"""The catalog of a job: the one it had, or a new one for a job that has no past.

A catalog that is gone is lost, not new: taking it for new would tell every change since
as nothing at all. The ledger remembers which catalog a job has.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import SQLITE, open_catalog
from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.names import escaped, local_text
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import Ledger
from dirsync.runner.tracking.ends import check_end, forget_end, note_end

_CATALOG = "catalog"  # the fact that names the catalog a job has


@contextlib.contextmanager
def catalog_of(job: Job, ledger: Ledger) -> Iterator[Catalog]:
    """Open the catalog of a job, made if the job has none yet.

    Raises:
        RunError: it cannot be used, or it is lost.
    """
    check_is_there(job, ledger)
    with open_catalog(place_of(job), may_create=not has_catalog(job, ledger)) as catalog:
        check_is_the_one(job, catalog, ledger)
        yield catalog


def check_is_there(job: Job, ledger: Ledger) -> None:
    """Check that the catalog a job has is not lost, as far as that can be seen from outside.

    Raises:
        RunError: it is.
    """
    place = place_of(job)
    if has_catalog(job, ledger) and is_lost(place):
        raise _lost(job, place, "is not there any more")


def check_is_the_one(job: Job, catalog: Catalog, ledger: Ledger) -> None:
    """Check that a catalog is the one that a job has, if it has one.

    Raises:
        RunError: it is another.
    """
    identity = ledger.recall(job.name, _CATALOG)
    if identity is None:
        return
    if catalog.identity() != identity:
        raise _lost(job, place_of(job), "is another one than the job had")
    if catalog.job(job.name) is None:
        raise _lost(job, place_of(job), "does not know the job any more")


def place_of(job: Job) -> CatalogPlace:
    """Give where the catalog of a job is.

    Raises:
        RunError: the job was declared without one.
    """
    if job.catalog is None:
        raise RunError(f"'{job.name}': has no catalog; declare the job in a file, or name one with 'catalog'")
    return job.catalog


def is_lost(place: CatalogPlace) -> bool:
    """Whether the file of a catalog that was there is gone, or empty."""
    if not place.url.startswith(SQLITE):
        return False
    try:
        return os.stat(place.url.removeprefix(SQLITE)).st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False  # opening it will tell


def _lost(job: Job, place: CatalogPlace, what: str) -> RunError:
    where = place.url.removeprefix(SQLITE) if place.url.startswith(SQLITE) else "in PostgreSQL"
    return RunError(
        f"'{job.name}': its catalog ({where}) {what}, and with it all that was recorded; "
        f"put a copy back, or begin anew with 'dirsync catalog init {job.name}'"
    )


def has_catalog(job: Job, ledger: Ledger) -> bool:
    """Whether a run of the job has recorded anything yet."""
    return ledger.recall(job.name, _CATALOG) is not None


def recorded_job(job: Job, catalog: Catalog, ledger: Ledger | None) -> CatalogJob:
    """Give the job as its catalog knows it, taken in if it is new there; the ledger, if any, notes which.

    Raises:
        RunError: another job of that name is in the catalog, its row there is not as it was
            sealed, or the catalog is not as the job's last run left it.
    """
    known = catalog.job(job.name)
    if known is None:
        known = catalog.add_job(job.name, source=job.source.name, machine=socket.gethostname())
    check_is_own(job, known, catalog)
    check_is_sealed(job, known, catalog)
    if ledger is not None:
        check_end(job, known, ledger)
    if ledger is not None and not has_catalog(job, ledger):
        ledger.remember(job.name, _CATALOG, catalog.identity())
    return known


def check_is_own(job: Job, known: CatalogJob, catalog: Catalog) -> None:
    """Check that a job in a catalog is this one.

    Raises:
        RunError: it records another source, or another machine's.
    """
    machine = socket.gethostname()
    if (known.source, known.machine) != (job.source.name, machine):
        raise RunError(
            f"'{job.name}': in {catalog.shown} a job of that name records "
            f"'{local_text(known.source)}' of {known.machine}, and not "
            f"'{local_text(job.source.name)}' of {machine}; give the job another name, or, if it is the same "
            f"one moved, begin anew with 'dirsync catalog init {job.name}'"
        )


def check_is_sealed(job: Job, known: CatalogJob, catalog: Catalog) -> None:
    """Check that the row of a job in its catalog is as it was sealed, with the key of today.

    Raises:
        RunError: it is not.
    """
    if known.key_name != catalog.sealer.key_name:
        raise RunError(f"'{job.name}': in {catalog.shown} {other_key(known, catalog, place_of(job))}")
    if not catalog.is_sealed(known):
        raise RunError(
            f"'{job.name}': its row in {catalog.shown} is not as the last run left it; nothing was recorded, "
            f"'dirsync catalog verify {job.name}' tells more"
        )


def other_key(known: CatalogJob, catalog: Catalog, place: CatalogPlace) -> str:
    """Say that a job is sealed with another key than that of today, and what to do."""
    file = escaped(place.key_file)
    if not known.key_name:
        return f"it is sealed without the key '{file}'; 'dirsync catalog key' seals it anew with it"
    if not catalog.sealer.key_name:
        return f"it is sealed with the key {known.key_name}, and '{file}' is not there; put the key back"
    return (
        f"it is sealed with the key {known.key_name}, and '{file}' is the key {catalog.sealer.key_name}; "
        "put the right one back"
    )


def forget_catalog(job: Job, ledger: Ledger) -> None:
    """Let the job have no past, so that its next run makes or finds a catalog as a new job does."""
    forget_end(ledger, job.name)
    ledger.forget(job.name, _CATALOG)


def remember_catalog(job: Job, catalog: Catalog, known: CatalogJob, ledger: Ledger) -> None:
    """Let the job have the past that a catalog holds of it, as it is there."""
    note_end(ledger, job.name, known)
    ledger.remember(job.name, _CATALOG, catalog.identity())


def remembered_catalogs(ledger: Ledger) -> dict[str, str]:
    """Give which catalog each job has, by its name, also of jobs that are declared no more."""
    return ledger.recalled(_CATALOG)

"""`catalog init`: making a catalog, beginning a job anew in it, or going on with a copy that was put back.

What is removed was asked for by name. A catalog that cannot be read is moved aside, never
overwritten. The rows go before the ledger forgets: cut off in between, the job waits for
`catalog init` still.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Sequence

from dirsync.catalog.audit import Audited, audit_job
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import SQLITE, open_catalog
from dirsync.catalog.removal import remove_job
from dirsync.catalog.store import Damaged
from dirsync.errors import ConfigError, RunError
from dirsync.model.job import Job
from dirsync.model.names import escaped, local_text
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.state import flush_directory
from dirsync.runner.tracking.catalogs import (
    check_is_own,
    check_is_sealed,
    forget_catalog,
    place_of,
    remember_catalog,
    remembered_catalogs,
)

_BESIDE = ("", "-wal", "-shm")  # what SQLite keeps beside a database goes with it

Said = Callable[[str], None]


def make_catalog(place: CatalogPlace, jobs: Sequence[Job], *, state: str, said: Said) -> None:
    """Make a catalog where there is none, or none that can be read.

    `jobs` are those that record in it; those that had another are told of.

    Raises:
        Busy: a run of one goes on, and the catalog has to be moved aside.
        RunError: it cannot be made, or used.
    """
    identity = _made(place, jobs, state=state, said=said)
    with open_ledger(state) as ledger:
        remembered = remembered_catalogs(ledger)
    for name in sorted(name for name, had in remembered.items() if had != identity):
        said(f"{name}: had its past in another catalog; 'dirsync catalog init {name}' begins it anew here")


def _made(place: CatalogPlace, jobs: Sequence[Job], *, state: str, said: Said) -> str:
    """See to it that there is a catalog that can be used; give its identity."""
    try:
        with _usable(place) as catalog:
            return catalog.identity()
    except Damaged as damaged:
        with contextlib.ExitStack() as locks:
            for job in jobs:
                locks.enter_context(locked_job(state, job.name))
            said(_moved_aside(place, damaged))
    with _usable(place) as catalog:
        return catalog.identity()


def begin_anew(job: Job, jobs: Sequence[Job], *, state: str, is_confirmed: bool, said: Said) -> None:
    """Remove all that is recorded of a job, so that its next run is its first.

    Raises:
        Busy: a run of the job goes on.
        ConfigError: it had runs, and that they go was not confirmed.
        RunError: the catalog cannot be made, or used.
    """
    place = place_of(job)
    _made(place, jobs, state=state, said=said)
    with (
        open_ledger(state) as ledger,
        locked_job(state, job.name),
        open_catalog(place, may_create=False) as catalog,
    ):
        known = catalog.job(job.name)
        if known is not None:
            if known.last_run is not None and not is_confirmed:
                raise ConfigError((_would_go(job, known, catalog),))
            with catalog.store.one_writer(known.job_id):
                remove_job(catalog, known)
        forget_catalog(job, ledger)
    said(f"{job.name}: begins anew; its next run records all that is there")


def go_on_with_copy(job: Job, *, state: str, said: Said) -> None:
    """Take what a catalog holds of a job for its past, though another run of it was the last.

    Raises:
        Busy: a run of the job goes on.
        RunError: it holds nothing of the job, is another's, or not sound.
    """
    with (
        open_ledger(state) as ledger,
        locked_job(state, job.name),
        open_catalog(place_of(job), may_create=False) as catalog,
    ):
        known = catalog.job(job.name)
        if known is None:
            raise RunError(f"'{job.name}': {catalog.shown} holds nothing of it to go on with")
        check_is_own(job, known, catalog)
        check_is_sealed(job, known, catalog)
        flaw = next(audit_job(catalog, known, Audited()), None)
        if flaw is not None:
            raise RunError(
                f"'{job.name}': {catalog.shown} is not sound, so it is not gone on with: {flaw.text}; "
                f"'dirsync catalog verify {job.name}' tells all"
            )
        remember_catalog(job, catalog, known, ledger)
    said(f"{job.name}: goes on after run {known.last_run or 0}, the last in {catalog.shown}")


@contextlib.contextmanager
def _usable(place: CatalogPlace) -> Iterator[Catalog]:
    """Open a catalog, made if there is none.

    Raises:
        Damaged: it is empty, or SQLite finds something wrong with it.
    """
    path = place.url.removeprefix(SQLITE)
    is_file = place.url.startswith(SQLITE)
    if is_file and os.path.isfile(path) and os.path.getsize(path) == 0:
        raise Damaged(f"catalog '{escaped(path)}' is empty")
    with open_catalog(place, may_create=True) as catalog:
        for damage in catalog.store.damage():
            if damage.is_corrupt:
                raise Damaged(f"{catalog.shown} is corrupt ({damage.text})")
        yield catalog


def _moved_aside(place: CatalogPlace, damaged: Damaged) -> str:
    """Move a catalog that cannot be read aside; say so."""
    path = place.url.removeprefix(SQLITE)
    if not place.url.startswith(SQLITE):
        raise damaged
    aside = f"{path}.corrupt-{datetime.datetime.now():%Y%m%dT%H%M%S}"
    for beside in _BESIDE:
        if os.path.lexists(aside + beside):
            raise RunError(f"'{escaped(aside)}' is there already; wait a second, and try again")
    for beside in reversed(_BESIDE):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + beside, aside + beside)
    flush_directory(os.path.dirname(path))
    what = str(damaged).split(";")[0]
    return f"{what}; it was moved aside, to '{escaped(aside)}'"


def _would_go(job: Job, known: CatalogJob, catalog: Catalog) -> str:
    since = known.began_at.astimezone()
    of = f"of '{local_text(known.source)}' on {escaped(known.machine)}"
    return (
        f"'{job.name}': {catalog.shown} has its history {of} since {since:%Y-%m-%d %H:%M}, "
        f"{known.next_change - 1:,} changes and {known.entries:,} entries; add --yes to remove it all"
    )

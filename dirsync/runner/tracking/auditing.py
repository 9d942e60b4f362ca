"""`catalog verify`: the audit of a catalog, and whether it ends as the ledger knows that it did.

A catalog is read as it was at one moment, so runs may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirsync.catalog.audit import Audited, audit_job, audit_tables, audited_identity, audited_jobs
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.flaws import Flaw, FlawKind
from dirsync.catalog.opening import open_catalog
from dirsync.errors import RunError
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.runner.tracking.catalogs import is_lost, other_key, remembered_catalogs
from dirsync.runner.tracking.ends import End, fault_of_end, noted_ends

_ATTEMPTS = 20  # to see catalog and ledger at one moment, while runs go on


class Outside(NamedTuple):
    """What is known of a catalog outside of it."""

    catalogs: dict[str, str]  # by job, which catalog it has
    ends: dict[str, list[End]]  # by job, how it may end there

    @classmethod
    def of(cls, ledger: Ledger) -> Outside:
        """Take it from the ledger."""
        catalogs = remembered_catalogs(ledger)
        return cls(catalogs, {job: noted_ends(ledger, job) for job in catalogs})


def verify_catalog(
    place: CatalogPlace,
    *,
    state: str,
    job: str | None,
    found: Callable[[Flaw], None],
    noticed: Callable[[str], None],
) -> Audited:
    """Audit a catalog, or one job of it; tell each flaw, and give how much was looked at.

    Raises:
        RunError: it is not there, or cannot be read.
    """
    audited = Audited()
    with open_ledger(state) as ledger:
        check_exists(place, Outside.of(ledger))
        with open_catalog(place, may_create=False) as catalog:
            for notice in catalog.store.notices:
                noticed(notice)
            for flaw in _at_one_moment(catalog, ledger, place, job, audited, noticed):
                found(flaw)
    return audited


def check_exists(place: CatalogPlace, outside: Outside) -> None:
    """Check that there is a catalog, as far as that can be seen from outside.

    Raises:
        RunError: there is none, or it is lost.
    """
    if not is_lost(place):
        return
    if not outside.catalogs:
        raise RunError("there is no catalog yet; the first run of a track job makes one")
    jobs = ", ".join(f"'{job}'" for job in sorted(outside.catalogs))
    raise RunError(
        f"the catalog is not there any more, and with it all that was recorded of {jobs}; "
        "put a copy back, or begin anew with 'dirsync catalog init JOB'"
    )


def _at_one_moment(
    catalog: Catalog,
    ledger: Ledger,
    place: CatalogPlace,
    job: str | None,
    audited: Audited,
    noticed: Callable[[str], None],
) -> Iterator[Flaw]:
    """Audit a catalog as it is while nobody alters it: the ledger says the same before and after."""
    for _ in range(_ATTEMPTS):
        before = Outside.of(ledger)
        with catalog.store.snapshot():
            list(audited_jobs(catalog))  # the snapshot is of the first look
            if Outside.of(ledger) != before:
                continue
            yield from flaws_in(catalog, before, place=place, job=job, audited=audited, noticed=noticed)
            return
    raise RunError(f"{catalog.shown} changes all the time; verify it when fewer runs go on")


def flaws_in(
    catalog: Catalog,
    outside: Outside,
    *,
    place: CatalogPlace,
    job: str | None,
    audited: Audited,
    noticed: Callable[[str], None],
) -> Iterator[Flaw]:
    """Find what is wrong with a catalog, or with one job of it.

    `place` is for messages.
    """
    if job is None:
        yield from audit_tables(catalog)
    identity = audited_identity(catalog)
    if identity is None:
        yield Flaw(FlawKind.MISSING, "what names the catalog is missing, so nothing in it can be checked")
        return
    names = set()
    for known in audited_jobs(catalog):
        name = known.job if isinstance(known, Flaw) else known.name
        names.add(name)
        if job not in (None, name):
            continue
        if isinstance(known, Flaw):
            yield known
        else:
            yield from _of_job(catalog, known, outside, place=place, audited=audited, noticed=noticed)
    for name in sorted(outside.catalogs if job is None else {job}):
        if outside.catalogs.get(name, identity) != identity:
            yield Flaw(FlawKind.END, "the catalog is another one than the job had", name)
        elif name not in names and name in outside.catalogs:
            yield Flaw(FlawKind.MISSING, "the job is not in the catalog any more", name)
        elif name not in names:
            raise RunError(f"'{name}': nothing is recorded yet; run the job once first")


def _of_job(
    catalog: Catalog,
    known: CatalogJob,
    outside: Outside,
    *,
    place: CatalogPlace,
    audited: Audited,
    noticed: Callable[[str], None],
) -> Iterator[Flaw]:
    is_own = known.name in outside.catalogs
    if known.key_name != catalog.sealer.key_name:
        what = other_key(known, catalog, place)
        if is_own:
            yield Flaw(FlawKind.KEY, what, known.name)
        else:
            noticed(f"{known.name}: not verified, for {what}")
        return
    ends = outside.ends.get(known.name, [])
    if not ends:
        noticed(f"{known.name}: recorded elsewhere, so it is not known here whether this is its latest run")
    fault = fault_of_end(known, ends)
    if fault is not None:
        yield Flaw(FlawKind.END, fault, known.name)
    yield from audit_job(catalog, known, audited)

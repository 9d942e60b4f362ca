"""Looking into the catalogs of jobs: nothing is made, and nothing is changed but by `accept`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import open_catalog
from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import Ledger
from dirsync.runner.tracking.catalogs import check_is_the_one, check_is_there, has_catalog, place_of


class Record(NamedTuple):
    """A job, and where its past is."""

    catalog: Catalog
    known: CatalogJob


class Records:
    """The records of jobs; a catalog that several jobs share is opened once. For one thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open: dict[CatalogPlace, Catalog | RunError] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def of(self, job: Job) -> Record | None:
        """Find the record of a job; None: no run of it has recorded anything yet.

        Raises:
            RunError: its catalog is lost, or cannot be reached; it says what to do.
        """
        if job.catalog is None or not has_catalog(job, self._ledger):
            return None
        check_is_there(job, self._ledger)
        catalog = self._catalog(place_of(job))
        check_is_the_one(job, catalog, self._ledger)
        known = catalog.job(job.name)
        return None if known is None else Record(catalog, known)

    def _catalog(self, place: CatalogPlace) -> Catalog:
        if place not in self._open:
            try:
                self._open[place] = self._stack.enter_context(open_catalog(place, may_create=False))
            except RunError as error:
                self._open[place] = error
        found = self._open[place]
        if isinstance(found, RunError):
            raise found
        return found


@contextlib.contextmanager
def records(ledger: Ledger) -> Iterator[Records]:
    """Give the records of jobs, closed at the end of the block."""
    with Records(ledger) as found:
        yield found

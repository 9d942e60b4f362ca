"""Opening a catalog, wherever it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.seal import sealer_with
from dirsync.model.place import CatalogPlace

SQLITE = "sqlite:///"


@contextlib.contextmanager
def open_catalog(place: CatalogPlace, *, may_create: bool) -> Iterator[Catalog]:
    """Open a catalog; where there is none, `may_create` makes one.

    Raises:
        RunError: it cannot be used, or is of a later version; it says what to do.
        Missing: there is none.
    """
    sealer = sealer_with(place.key_file)
    if place.url.startswith(SQLITE):
        from dirsync.catalog.sqlite import open_sqlite

        with open_sqlite(place.url.removeprefix(SQLITE), may_create=may_create) as store:
            yield Catalog(store, sealer)
    else:
        from dirsync.catalog.postgres import open_postgres

        with open_postgres(place.url, may_create=may_create) as store:
            yield Catalog(store, sealer)

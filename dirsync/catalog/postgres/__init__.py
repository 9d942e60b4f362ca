"""A catalog in a PostgreSQL database, version 12 or later, in a schema of its own.

connecting → preparing (the tables, by numbered steps) → store (statements, look-ups) →
staging (COPY, then one merge). The schema is called `dirsync`, for names such as `jobs`
would sooner or later meet those of another program in the same database.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dirsync.errors import RunError

if TYPE_CHECKING:
    from dirsync.catalog.postgres.store import PostgresStore


@contextlib.contextmanager
def open_postgres(url: str, *, may_create: bool) -> Iterator[PostgresStore]:
    """Open a catalog, made where the database has none and that is allowed.

    Raises:
        RunError: it cannot be reached or used, is of a later version, or is not there.
    """
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        raise RunError(
            "a catalog in PostgreSQL needs psycopg, which is not installed; "
            "install it with: pip install 'dirsync[postgres]'"
        ) from error
    from dirsync.catalog.postgres.connecting import connected
    from dirsync.catalog.postgres.preparing import prepare
    from dirsync.catalog.postgres.store import PostgresStore

    with connected(url) as (connection, shown):
        store = PostgresStore(connection, shown)
        prepare(store, may_create=may_create)
        yield store

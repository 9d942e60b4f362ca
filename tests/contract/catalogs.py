"""Catalogs of every kind, for tests that all of them have to pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import SQLITE, open_catalog
from dirsync.catalog.store import Row, Store
from dirsync.model.place import CatalogPlace

JOB = 1
SEAL = bytes(32)


@contextlib.contextmanager
def opened(url: str, *, may_create: bool = True) -> Iterator[Catalog]:
    """Open a catalog without a key."""
    with open_catalog(CatalogPlace(url=url, key_file="/nowhere/key"), may_create=may_create) as catalog:
        yield catalog


@contextlib.contextmanager
def store_at(url: str, *, may_create: bool = True) -> Iterator[Store]:
    """Open the store of a catalog."""
    with opened(url, may_create=may_create) as catalog:
        yield catalog.store


def is_sqlite(url: str) -> bool:
    return url.startswith(SQLITE)


def directory(number: int, path: bytes, *, digest: bytes | None = None, ino: int = 0) -> Row:
    """Make a row of a directory."""
    return (number, path, digest, SEAL, None, ino, 0)


def entry(number: int, name: bytes, *, size: int = 0, target: bytes | None = None) -> Row:
    """Make a row of an entry, with its directory's id."""
    return (number, name, 0o100644, size, -5, 1 << 62, 0, (1 << 32) - 1, -(1 << 63), target, None, None)


def change(number: int, path: bytes, *, old_path: bytes | None = None) -> Row:
    """Make a row of a change."""
    told = (0o100644, 3, 2, 1, 0, None, b"h" * 32)
    return (number, 1, path, old_path, "modified", "size", "warning", 0, *told, *told, None, SEAL)


def stage(
    store: Store,
    *,
    directories: list[Row] | None = None,
    entries: list[Row] | None = None,
    changes: list[Row] | None = None,
    gone_directories: list[int] | None = None,
    gone_entries: list[tuple[int, bytes]] | None = None,
    job: int = JOB,
    run: int = 1,
) -> None:
    """Merge rows into a catalog, as one run does."""
    with store.one_writer(job), store.staging(job, run) as staging:
        staging.put_directories(directories or [])
        staging.put_entries(entries or [])
        staging.drop_entries(gone_entries or [])
        staging.drop_directories(gone_directories or [])
        staging.add_changes(changes or [])
        with store.transaction():
            staging.merge()


def paths(store: Store, *, beneath: bytes = b"", job: int = JOB) -> dict[bytes, int]:
    """Give the directories beneath a path, with their ids."""
    return {row[1]: row[0] for row in store.directories_beneath(job, beneath)}  # type: ignore[misc]


def names(store: Store, number: int, *, job: int = JOB) -> list[bytes]:
    """Give the names in a directory, in the order they come."""
    return [row[1] for row in store.entries_in(job, [number])]  # type: ignore[misc]

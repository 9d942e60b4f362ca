"""The catalogs and servers that a catalog's contract is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.catalog.store import Store
from tests.contract.catalogs import store_at
from tests.postgres import debian_database, debian_postgres, wheel_database, wheel_postgres
from tests.postgres_server import Server

__all__ = ["debian_database", "debian_postgres", "wheel_database", "wheel_postgres"]

SERVERS = ("debian", "wheel")


@pytest.fixture(params=("sqlite", *SERVERS))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a catalog of each kind may be made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    return str(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The store of a new catalog of each kind."""
    with store_at(url) as opened:
        yield opened


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers."""
    found = request.getfixturevalue(f"{request.param}_postgres")
    assert isinstance(found, Server)
    return found


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The URL of a new database of each of the servers."""
    with server.database() as made:
        yield made

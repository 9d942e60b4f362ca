"""PostgreSQL for tests, as fixtures: a server a process, started when a test first asks for one.

A `conftest.py` imports those that its tests use.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import Server, debian_server, wheel_server

__all__ = ["debian_database", "debian_postgres", "wheel_database", "wheel_postgres"]


@pytest.fixture(scope="session")
def debian_postgres() -> Iterator[Server]:
    """A server of Debian's PostgreSQL, with ltree."""
    with debian_server() as server:
        yield server


@pytest.fixture(scope="session")
def wheel_postgres() -> Iterator[Server]:
    """A server of the wheel's PostgreSQL 18, without ltree."""
    with wheel_server() as server:
        yield server


@pytest.fixture
def debian_database(debian_postgres: Server) -> Iterator[str]:
    """The URL of a new database of `debian_postgres`, gone after the test."""
    with debian_postgres.database() as url:
        yield url


@pytest.fixture
def wheel_database(wheel_postgres: Server) -> Iterator[str]:
    """The URL of a new database of `wheel_postgres`, gone after the test."""
    with wheel_postgres.database() as url:
        yield url

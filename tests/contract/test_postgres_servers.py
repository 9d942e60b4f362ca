"""The PostgreSQL servers that the tests start are real, apart, and gone in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests import postgres_keeper
from tests.postgres_server import Server
from tests.program import CHECKOUT

_PATIENCE_SECONDS = 60
_SERVERS = ("debian_postgres", "wheel_postgres")
_HAS_LTREE = "SELECT count(*) FROM pg_available_extensions WHERE name = 'ltree'"


@pytest.fixture(params=_SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


def test_debian_s_server_has_ltree(debian_database: str) -> None:
    with psycopg.connect(debian_database) as connection:
        connection.execute("CREATE EXTENSION ltree")

        assert connection.execute("SELECT 'a.b.c'::ltree <@ 'a.b'").fetchone() == (True,)


def test_the_wheel_s_server_is_of_version_18_and_has_no_ltree(wheel_database: str) -> None:
    with psycopg.connect(wheel_database) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.execute(_HAS_LTREE).fetchone() == (0,)


def test_each_database_is_new(server: Server) -> None:
    with server.database() as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE seen (what text)")

    with server.database() as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('seen')").fetchone() == (None,)


def test_what_was_committed_survives_a_kill_and_what_was_not_does_not(server: Server) -> None:
    with server.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE seen (what text)")
        interrupted = psycopg.connect(url)
        interrupted.execute("INSERT INTO seen VALUES ('never')")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            interrupted.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)

        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM seen").fetchone() == (0,)


def test_a_server_that_a_test_left_killed_serves_the_next(server: Server) -> None:
    with server.database():
        server.kill()

    with server.database() as url:
        psycopg.connect(url).close()


def test_a_server_and_its_folder_go_with_a_starter_that_is_killed() -> None:
    script = (
        "from tests.postgres_server import debian_server\n"
        "with debian_server() as server: print(server.url(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        folder = Path(starter.stdout.readline().decode().strip().split("host=")[1])
        serving = postgres_keeper.processes(folder)
        os.kill(starter.pid, signal.SIGKILL)

    assert serving
    _await_end(folder, serving)


def _await_end(folder: Path, serving: list[int]) -> None:
    patience_ends_at = time.monotonic() + _PATIENCE_SECONDS
    while folder.exists() or any(os.path.exists(f"/proc/{process}/cwd") for process in serving):
        assert time.monotonic() < patience_ends_at, f"still there: '{folder}', {serving}"
        time.sleep(0.02)

"""A catalog in PostgreSQL in trouble: one line that says what to do, and nothing half recorded."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dirsync.catalog.postgres.connecting import problem_of
from dirsync.catalog.store import Store
from dirsync.errors import Busy, RunError
from tests.contract.catalogs import JOB, change, directory, entry, names, opened, paths, stage, store_at
from tests.postgres_server import Server, debian_server
from tests.program import CHECKOUT

_PATIENCE_SECONDS = 20


@contextlib.contextmanager
def refused(*words: str, never: str = "\n") -> Iterator[None]:
    """Expect one clear line that has these words, and never that one."""
    with pytest.raises(RunError) as failure:
        yield
    text = str(failure.value)
    assert "\n" not in text
    assert never not in text
    for word in words:
        assert word in text


def other_url(url: str, *, user: str = "postgres", password: str = "", database: str = "") -> str:
    """Give a URL with another user, password or database."""
    name, _, rest = url.removeprefix("postgresql://postgres@/").partition("?")
    return f"postgresql://{user}{':' * bool(password)}{password}@/{database or name}?{rest}"


def as_admin(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


# No connection


def test_a_server_that_is_not_there() -> None:
    with refused("'photos' on '/nowhere:5432' cannot be reached", "check that the server runs"):
        store_at("postgresql://me:s3cret@/photos?host=/nowhere").__enter__()
    with refused("'photos' on 'localhost:1' cannot be reached", "check that the server runs"):
        store_at("postgresql://me:s3cret@localhost:1/photos").__enter__()


def test_no_such_database(database: str) -> None:
    with refused("make it with 'createdb photos'"):
        store_at(other_url(database, database="photos")).__enter__()


def test_no_such_user(database: str) -> None:
    with refused("make the user with 'createuser'"):
        store_at(other_url(database, user="nobody_knows")).__enter__()


def test_a_wrong_password_is_told_and_not_shown(server: Server, database: str) -> None:
    as_admin(database, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
    with psycopg.connect(database) as connection:
        (file,) = connection.execute("SHOW hba_file").fetchone() or ("",)
    rules = Path(file).read_text()
    try:
        Path(file).write_text(f"local all guarded scram-sha-256\n{rules}")
        as_admin(database, "SELECT pg_reload_conf()")
        _await(lambda: _refuses(other_url(database, user="guarded", password="wr0ng")))
        with refused("check the user and the password", never="wr0ng"):
            store_at(other_url(database, user="guarded", password="wr0ng")).__enter__()
    finally:
        Path(file).write_text(rules)
        as_admin(database, "SELECT pg_reload_conf()", "DROP ROLE guarded")


def _refuses(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


@pytest.mark.parametrize(
    "url", ["postgresql://u:pw%zz@h/d", "postgresql://u:pw@h/d?nonsense=pw", "postgresql://[u"]
)
def test_a_url_that_is_none_is_not_quoted(url: str) -> None:
    with refused("the catalog's URL is none", never="pw"):
        store_at(url).__enter__()


def test_a_password_is_in_no_name(database: str) -> None:
    with store_at(other_url(database, password="s3cret")) as store:
        assert "s3cret" not in store.shown


def test_versions_that_will_do() -> None:
    assert problem_of(110_022) is not None
    assert problem_of(120_000) is None


def test_without_psycopg_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from dirsync.catalog.postgres import open_postgres\n"
        "from dirsync.errors import RunError\n"
        "try: open_postgres('postgresql://h/d', may_create=True).__enter__()\n"
        "except RunError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True)

    assert "pip install 'dirsync[postgres]'" in done.stdout


# Not allowed, or not able


def test_a_user_who_may_make_nothing(database: str) -> None:
    as_admin(database, "CREATE ROLE guest LOGIN")
    try:
        with refused("permission denied", "grant the user"):
            store_at(other_url(database, user="guest")).__enter__()
        with store_at(database) as store:
            stage(store, directories=[directory(1, b"a")])
        with refused("permission denied"):
            store_at(other_url(database, user="guest"), may_create=False).__enter__()
    finally:
        as_admin(database, "DROP ROLE guest")


def test_a_user_who_may_make_a_schema_and_no_more_gets_a_catalog(database: str) -> None:
    as_admin(database, "CREATE ROLE plain LOGIN", "CREATE SCHEMA dirsync AUTHORIZATION plain")
    try:
        with store_at(other_url(database, user="plain")) as store:
            stage(store, directories=[directory(1, b"a"), directory(2, b"a/b")])
            assert paths(store, beneath=b"a") == {b"a": 1, b"a/b": 2}
            assert len(store.notices) == 1
    finally:
        as_admin(database, "DROP SCHEMA dirsync CASCADE", "DROP ROLE plain")


def test_a_database_that_may_only_be_read_still_answers(database: str) -> None:
    with store_at(database) as store:
        stage(store, directories=[directory(1, b"a")])
    name = database.removeprefix("postgresql://postgres@/").partition("?")[0]
    as_admin(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with store_at(database) as store:
        assert paths(store) == {b"a": 1}
        with refused("read-only", "take the primary"):
            stage(store, directories=[directory(2, b"b")], run=2)


def test_a_statement_that_took_too_long(database: str) -> None:
    with store_at(database) as store:
        store.run("SELECT set_config('statement_timeout', '50', false)")
        with refused("'statement_timeout'"):
            store.run("SELECT pg_sleep(5)")


def test_another_program_s_schema_is_left_alone(database: str) -> None:
    as_admin(database, "CREATE SCHEMA dirsync", "CREATE TABLE dirsync.meta (name text, value text)")
    with refused("is none of this program's"):
        store_at(database).__enter__()


def test_a_catalog_whose_tables_are_gone(database: str) -> None:
    with store_at(database):
        pass
    as_admin(database, "DROP TABLE dirsync.entries")
    with store_at(database) as store, refused("its tables are gone", "catalog init"):
        names(store, 1)


def test_a_catalog_that_is_gone_is_not_made_anew(database: str) -> None:
    with refused("is not there any more", "dirsync catalog init"):
        store_at(database, may_create=False).__enter__()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 220 MB where the server's user can go."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m,mode=755", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_leaves_the_catalog_as_it_was(small_disk: Path) -> None:
    small = ("fsync=off", "shared_buffers=16MB", "max_wal_size=32MB", "min_wal_size=32MB")
    with debian_server(at=small_disk, settings=small) as server, store_at(server.url()) as store:
        stage(store, directories=[directory(1, b"a")], entries=[entry(1, b"x")])
        with refused("disk is full", "nothing was recorded"), store.staging(JOB, 2) as staging:
            for _ in range(20):
                staging.put_entries([entry(2, b"%0250d" % number) for number in range(50_000)])

        assert (paths(store), names(store, 1)) == ({b"a": 1}, [b"x"])
        stage(store, directories=[directory(1, b"b")], run=3)
        assert paths(store) == {b"b": 1}


def test_two_runs_of_one_job_do_not_record_over_each_other(url: str) -> None:
    """A run that began before another one ended does not know what that one recorded."""
    from dirsync.catalog.recording import recording
    from tests.contract.runs import a_run

    with opened(url) as catalog, opened(url) as other:
        job = catalog.add_job("a", source=b"/", machine="m")
        with recording(other, job, run_id=1) as rows:
            rows.put(None, rows.new_directory(b"", ino=1), entries=[], instead=[])
            rows.commit(a_run(1), scope=b"", ending=contextlib.nullcontext)
        with recording(catalog, job, run_id=2) as rows:
            rows.put(None, rows.new_directory(b"x", ino=1), entries=[], instead=[])
            with pytest.raises(Busy, match="meanwhile"):
                rows.commit(a_run(2), scope=b"", ending=contextlib.nullcontext)
        assert paths(catalog.store, job=job.job_id) == {b"": 1}


# Killed


@pytest.fixture(params=("stop", "kill"))
def ended(request: pytest.FixtureRequest) -> str:
    """How a server ends: at once but orderly (`pg_ctl stop -m immediate`), or by the kernel."""
    return str(request.param)


def _first(store: Store) -> None:
    stage(
        store,
        directories=[directory(1, b"a"), directory(2, b"b")],
        entries=[entry(1, b"x"), entry(2, b"y")],
        changes=[change(1, b"a/x")],
    )


def _check_first(store: Store) -> None:
    assert paths(store) == {b"a": 1, b"b": 2}
    assert (names(store, 1), names(store, 2)) == ([b"x"], [b"y"])
    assert list(store.rows("SELECT change_id FROM changes")) == [(1,)]


def _second(store: Store, *, run: int) -> None:
    stage(
        store,
        directories=[directory(1, b"b"), directory(2, b"a")],
        entries=[entry(1, b"z")],
        gone_entries=[(1, b"x")],
        changes=[change(2, b"a/z")],
        run=run,
    )


def _check_second(store: Store) -> None:
    assert paths(store) == {b"b": 1, b"a": 2}
    assert (names(store, 1), names(store, 2)) == ([b"z"], [b"y"])
    assert list(store.rows("SELECT change_id FROM changes ORDER BY 1")) == [(1,), (2,)]


def _tables_of_runs(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'staged%' AND relkind = 'r'"
        )
        return [name for (name,) in found]


def test_a_server_that_ends_while_rows_are_staged(server: Server, database: str, ended: str) -> None:
    with store_at(database) as store:
        _first(store)
    with (
        refused("nothing was recorded"),
        store_at(database) as store,
        store.one_writer(JOB),
        store.staging(JOB, 2) as staging,
    ):
        staging.put_entries([entry(1, b"%d" % number) for number in range(20_000)])
        getattr(server, ended)()
        staging.put_entries([entry(2, b"%d" % number) for number in range(20_000)])
    server.start()

    assert _tables_of_runs(database)
    with store_at(database) as store:
        _check_first(store)
        _second(store, run=3)
        _check_second(store)
    assert _tables_of_runs(database) == []


def test_a_server_that_ends_in_the_middle_of_the_merge(server: Server, database: str, ended: str) -> None:
    with store_at(database) as store:
        _first(store)
    with contextlib.closing(psycopg.connect(database)) as blocking:
        blocking.execute("LOCK TABLE dirsync.changes IN SHARE MODE")  # it may be read, and no more
        ending = threading.Thread(target=_end_when_blocked, args=(server, database, ended))
        ending.start()
        with refused("nothing was recorded"), store_at(database) as store:
            _second(store, run=2)
        ending.join()
    server.start()

    with store_at(database) as store:
        _check_first(store)
        _second(store, run=3)
        _check_second(store)
    assert _tables_of_runs(database) == []


def _end_when_blocked(server: Server, url: str, ended: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        statement = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH put_%'"
        )
        _await(lambda: connection.execute(statement).fetchone() == (1,))
    getattr(server, ended)()


def test_a_server_that_ends_while_rows_come(server: Server, database: str, ended: str) -> None:
    with store_at(database) as store:
        stage(store, directories=[directory(number, b"%d" % number) for number in range(5000)])
        rows = store.rows("SELECT path FROM directories")
        next(rows)
        getattr(server, ended)()
        with refused("run again when the server is back"):
            list(rows)
    server.start()


def test_a_run_that_is_killed_leaves_tables_that_the_next_run_of_its_job_drops(database: str) -> None:
    with store_at(database) as store:
        _first(store)
    script = (
        "import os, sys\n"
        "from tests.contract.catalogs import *\n"
        "with store_at(sys.argv[1]) as store, store.one_writer(JOB), store.staging(JOB, 2) as staging:\n"
        "    staging.put_entries([entry(1, b'%d' % number) for number in range(20_000)])\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, database], cwd=CHECKOUT)
    left = _tables_of_runs(database)
    assert left

    with store_at(database) as store:
        stage(store, directories=[directory(1, b"of another job")], job=2)
        assert _tables_of_runs(database) == left
        _await(lambda: _is_free(store))
        _second(store, run=3)
        _check_second(store)
    assert _tables_of_runs(database) == []


def _is_free(store: Store) -> bool:
    """Whether the server has noticed by now that the killed run is gone."""
    try:
        with store.one_writer(JOB):
            return True
    except Busy:
        return False


def _await(holds: object) -> None:
    assert callable(holds)
    patience_ends_at = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < patience_ends_at
        time.sleep(0.05)

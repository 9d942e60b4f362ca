"""The audit of a catalog of each kind: every column of every table is covered by some seal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.flaws import Flaw
from dirsync.catalog.resealing import reseal
from dirsync.catalog.seal import Sealer
from dirsync.catalog.store import Value
from dirsync.model.place import CatalogPlace
from dirsync.model.result import Outcome
from dirsync.runner.tracking.auditing import verify_catalog
from dirsync.runner.tracking.beginning import begin_anew, make_catalog
from dirsync.runner.tracking.keying import seal_with_key
from tests.catalogs import History, flaws_of
from tests.contract.catalogs import is_sqlite, opened
from tests.jobs import track_job, watched_run
from tests.tampering import KEYS
from tests.trees import tree

KEY = bytes(range(32))
OTHERWISE = {  # what the database itself keeps right
    ("directories", "path_hash"),
}


class _Undone(Exception):
    """What was done is taken back."""


@pytest.fixture
def history(url: str) -> Iterator[History]:
    """A catalog of each kind with a past in which everything has happened."""
    with opened(url) as catalog:
        made = History(catalog, seed=5)
        for _ in range(6):
            made.run(12)
            made.read_again()
        made.accept_all()
        made.prune(days=3)
        for _ in range(3):
            made.run(12)
            made.read_again()
        made.accept()
        made.interrupt()
        yield made


@contextlib.contextmanager
def undone(catalog: Catalog) -> Iterator[None]:
    """Give a block whose statements are taken back at its end."""
    with contextlib.suppress(_Undone), catalog.store.transaction():
        yield
        raise _Undone


def test_sound_catalog_has_no_flaws_and_each_column_that_is_altered_is_one(
    history: History, url: str
) -> None:
    catalog, outside = history.catalog, history.outside
    assert flaws_of(catalog, outside) == []

    for table in KEYS:
        for column, value in columns(catalog, table, url=url):
            with undone(catalog):
                alter(catalog, table, column, value)
                assert flaws_of(catalog, outside), f"{table}.{column}"
    assert flaws_of(catalog, outside) == []


def columns(catalog: Catalog, table: str, *, url: str) -> list[tuple[str, Value]]:
    """List the columns of a table, each with the value that its first row with one has."""
    if is_sqlite(url):
        rows = catalog.store.rows(f"SELECT name FROM pragma_table_info('{table}')")
    else:
        statement = (
            "SELECT attname::text FROM pg_attribute WHERE attrelid = ?::text::regclass "
            "AND attnum > 0 AND NOT attisdropped"
        )
        rows = catalog.store.rows(statement, (table,))
    names = [str(name) for (name,) in rows if (table, name) not in OTHERWISE]
    found = []
    for name in names:
        cell = f"{name}::text" if name == "tree" else name
        values = list(catalog.store.rows(f"SELECT {cell} FROM {table} WHERE {name} IS NOT NULL LIMIT 1"))
        assert values or name == "accepted_by", f"no row of {table} has a value in {name}"
        found.append((name, values[0][0] if values else 1))
    return found


def alter(catalog: Catalog, table: str, column: str, value: Value) -> None:
    """Alter a column in one row that has this value."""
    match value:
        case int():
            new: Value = value + 1_000
        case bytes():
            new = bytes([value[0] ^ 1]) + value[1:] if value else b"x"
        case _:
            new = f"{value}x"
    keys = ", ".join(KEYS[table])
    cast = "::text::ltree" if column == "tree" else ""
    where = f"({keys}) IN (SELECT {keys} FROM {table} WHERE {column} = ?{cast} LIMIT 1)"
    assert catalog.store.run(f"UPDATE {table} SET {column} = ?{cast} WHERE {where}", (new, value)) == 1


@pytest.mark.parametrize("table", sorted(set(KEYS) - {"hashed"}))
def test_row_that_is_deleted_is_missed(history: History, table: str) -> None:
    catalog, outside = history.catalog, history.outside
    keys = ", ".join(KEYS[table])
    one = "name = 'id'" if table == "meta" else f"({keys}) IN (SELECT {keys} FROM {table} LIMIT 1)"
    with undone(catalog):
        assert catalog.store.run(f"DELETE FROM {table} WHERE {one}") == 1
        assert flaws_of(catalog, outside)


def test_catalog_is_read_as_it_was_at_one_moment(history: History, url: str) -> None:
    with opened(url) as other, other.store.snapshot():
        before = other.job("job")
        history.run()
        assert other.job("job") == before
    with opened(url) as other:
        assert other.job("job") == history.known


def test_all_is_sealed_anew_with_a_key(history: History) -> None:
    catalog, sealer = history.catalog, Sealer(KEY)
    with catalog.store.transaction():
        catalog.store.run("DELETE FROM hashed")
    reseal(catalog, history.known, sealer, ending=history.ending())
    sealed = Catalog(catalog.store, sealer)

    assert flaws_of(sealed, history.outside) == []
    history.catalog = sealed
    history.read_again()
    history.live(3)
    assert flaws_of(sealed, history.outside) == []


def test_commands_work_on_every_catalog(url: str, tmp_path: Path) -> None:
    """A key before the first run, runs, an audit, a flaw, and a job that begins anew."""
    root = tree(tmp_path / "s", {"a": {"b": b"1"}})
    state, said = str(tmp_path / "state"), list[str]()
    place = CatalogPlace(url=url, key_file=str(tmp_path / "key"))
    job = structs.replace(track_job(root, tmp_path / "state"), catalog=place)
    make_catalog(place, [job], state=state, said=said.append)
    seal_with_key(place, [job.name], state=state, said=said.append)
    for number in range(3):
        (root / f"{number}").touch()
        assert watched_run(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    found: list[Flaw] = []

    def verify() -> int:
        found.clear()
        audited = verify_catalog(place, state=state, job=None, found=found.append, noticed=said.append)
        return audited.runs

    assert (verify(), found) == (3, [])
    with opened(url) as catalog:
        catalog.store.run("UPDATE entries SET size = 9 WHERE name = ?", (b"b",))
    assert (verify(), [flaw.path for flaw in found]) == (3, [b"a"])
    with opened(url) as catalog:
        catalog.store.run("UPDATE entries SET size = 1 WHERE name = ?", (b"b",))
    begin_anew(job, [job], state=state, is_confirmed=True, said=said.append)
    assert (verify(), found) == (0, [])
    assert watched_run(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    assert (verify(), found) == (1, [])

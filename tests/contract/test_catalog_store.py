"""What every store of a catalog does: each test on SQLite, on PostgreSQL with ltree, and on one without."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dirsync.catalog.contents import Contents
from dirsync.catalog.schema import STEPS
from dirsync.catalog.store import Row, Store
from dirsync.errors import Busy, RunError
from dirsync.model.content import Stamp
from tests.contract.catalogs import (
    JOB,
    SEAL,
    change,
    directory,
    entry,
    is_sqlite,
    names,
    opened,
    paths,
    stage,
    store_at,
)

ODD = [
    *(b"a", b"a.b", b"a-b", b"a0", b"A", b"_", b"__", b"%", b"a%", b"a_b", b"\\", b"\\x5c", b"?", b"'", b'"'),
    *(b" ", b"\n", b"\xff", b"\xff\xfe", b"*", b"x" * 255, b"\xff" * 255, b"x" * 254 + b"y", b"\xc3\xa9"),
]


# Statements


def test_rows_come_as_they_were_given(store: Store) -> None:
    row = (7, b"\x00\xff'?%", b"", SEAL, -(1 << 63), (1 << 63) - 1, 0)
    stage(store, directories=[row])

    assert list(store.directories_at(JOB, [b"\x00\xff'?%"])) == [row]


def test_a_question_mark_is_a_place_only_outside_quotes(store: Store) -> None:
    assert list(store.rows("SELECT '?%s''?', ?", ("5 %",))) == [("?%s'?", "5 %")]


def test_sums_are_whole_numbers(store: Store) -> None:
    stage(
        store, directories=[directory(1, b"")], entries=[entry(1, b"a", size=3), entry(1, b"b", size=1 << 60)]
    )

    ((total,),) = store.rows("SELECT sum(size) FROM entries WHERE job_id = ?", (JOB,))
    assert isinstance(total, int)
    assert total == (1 << 60) + 3


def test_texts_are_ordered_by_their_bytes(store: Store) -> None:
    for name in ("b", "B", "a-c", "ab", "é"):
        store.run("INSERT INTO meta VALUES (?, '')", (f"test {name}",))

    found = [name for (name,) in store.rows("SELECT name FROM meta WHERE name LIKE 'test %' ORDER BY name")]
    assert found == ["test B", "test a-c", "test ab", "test b", "test é"]


def test_another_statement_runs_while_rows_come(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number) for number in range(5000)])
    seen = 0
    for _, path, *_ in store.directories_beneath(JOB, b""):
        assert isinstance(path, bytes)
        assert len(list(store.directories_at(JOB, [path]))) == 1
        if seen == 10:
            with store.transaction():
                store.run("UPDATE directories SET digest = ? WHERE job_id = ?", (b"d", JOB))
        seen += 1

    assert seen == 5000


def test_rows_that_are_not_taken_to_the_end_are_in_nobody_s_way(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number) for number in range(5000)])
    for _ in range(3):
        rows = store.rows("SELECT path FROM directories")
        next(rows)
        rows.close()  # type: ignore[attr-defined]

    assert len(paths(store)) == 5000


def test_run_gives_how_many_rows_it_touched(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number) for number in range(3)])

    assert store.run("UPDATE directories SET digest = ? WHERE directory_id > ?", (b"", 0)) == 2


def test_run_many_takes_rows_that_come_from_the_store(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number) for number in range(2500)])
    rows = store.rows("SELECT directory_id, job_id, directory_id FROM directories")
    with store.transaction():
        store.run_many("UPDATE directories SET ino = ? WHERE job_id = ? AND directory_id = ?", rows)

    assert list(store.rows("SELECT count(*) FROM directories WHERE ino = directory_id")) == [(2500,)]


def test_a_transaction_is_whole_or_nothing(url: str) -> None:
    with store_at(url) as store:
        with contextlib.suppress(KeyError), store.transaction():
            store.run("INSERT INTO meta VALUES ('one', '')")
            raise KeyError
        with store.transaction():
            store.run("INSERT INTO meta VALUES ('two', '')")
            store.run("INSERT INTO meta VALUES ('three', '')")

    with store_at(url) as store:
        found = list(store.rows("SELECT name FROM meta WHERE name IN ('one', 'two', 'three') ORDER BY name"))
        assert found == [("three",), ("two",)]


def test_a_statement_that_fails_is_told_in_one_line_and_ends_the_transaction(store: Store) -> None:
    statement = "INSERT INTO meta VALUES ('one', '')"
    with pytest.raises(RunError) as failure, store.transaction():
        store.run_many(statement, [(), ()])

    assert "\n" not in str(failure.value)
    assert str(failure.value).startswith(store.shown)
    assert not list(store.rows("SELECT 1 FROM meta WHERE name = 'one'"))


# Directories and entries


def test_directories_are_found_by_any_number_of_paths(store: Store) -> None:
    stage(store, directories=[directory(number, b"d/%d" % number) for number in range(1500)])
    asked = [b"d/%d" % number for number in range(0, 3000, 2)] + [b"", b"d", b"D/1", b"d/1/"]

    found = {row[0] for row in store.directories_at(JOB, asked)}
    assert found == set(range(0, 1500, 2))


def test_directories_are_found_by_any_number_of_inodes(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number, ino=-number // 2) for number in range(1500)])
    stage(store, directories=[directory(1, b"a", ino=-5)], job=2)

    found = sorted(str(row[1]) for row in store.directories_with(JOB, range(-1000, -4)))
    assert found == sorted(str(b"%d" % number) for number in range(9, 1500))
    assert not list(store.directories_with(JOB, []))


def test_entries_come_by_directory_with_their_names_in_order(store: Store) -> None:
    rows = [entry(number, name) for number in range(900) for name in (b"b", b"", b"\xff", b"a/"[:1], b"B")]
    stage(store, directories=[directory(number, b"%d" % number) for number in range(900)], entries=rows)

    found = list(store.entries_in(JOB, [*range(0, 900, 2), 5000]))
    assert len(found) == 450 * 5
    assert [row[1] for row in found if row[0] == 4] == [b"", b"B", b"a", b"b", b"\xff"]
    assert found[0] == entry(0, b"")


def test_jobs_do_not_see_each_other(store: Store) -> None:
    stage(store, directories=[directory(1, b"a", ino=1)], entries=[entry(1, b"x")], changes=[change(1, b"a")])
    stage(store, directories=[directory(1, b"a", ino=2)], entries=[entry(1, b"y")], job=2)
    stage(store, gone_directories=[1], job=2)

    assert (names(store, 1), names(store, 1, job=2)) == ([b"x"], [])
    assert (paths(store, beneath=b"a"), paths(store, job=2)) == ({b"a": 1}, {})


# Staging and the merge


def test_what_is_not_merged_leaves_no_trace(store: Store) -> None:
    tables = _tables(store)
    with store.one_writer(JOB), store.staging(JOB, 1) as staging:
        staging.put_directories([directory(number, b"%d" % number) for number in range(9000)])
        staging.put_entries([entry(1, b"x")])
        staging.add_changes([change(1, b"x")])
        staging.drop_directories([4])
        staging.drop_entries([(4, b"x")])

    assert paths(store) == {}
    assert names(store, 1) == []
    assert _tables(store) == tables


def _tables(store: Store) -> list[Row]:
    if "on '" in store.shown:
        return list(store.rows("SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY 1"))
    return list(store.rows("SELECT name FROM sqlite_temp_master ORDER BY 1"))


def test_merge_adds_alters_and_drops(store: Store) -> None:
    stage(
        store,
        directories=[directory(number, b"%d" % number) for number in range(4)],
        entries=[entry(number, name) for number in range(4) for name in (b"a", b"b")],
    )
    stage(
        store,
        directories=[directory(1, b"1", digest=b"new"), directory(9, b"9")],
        entries=[entry(1, b"a", size=7), entry(9, b"z")],
        gone_entries=[(1, b"b"), (1, b"never"), (2, b"a")],
        gone_directories=[2, 77],
        changes=[change(1, b"1/a"), change(2, b"1/b")],
        run=2,
    )

    assert paths(store) == {b"0": 0, b"1": 1, b"3": 3, b"9": 9}
    assert list(store.directories_at(JOB, [b"1"])) == [directory(1, b"1", digest=b"new")]
    assert [names(store, number) for number in (0, 1, 2, 3, 9)] == [
        [b"a", b"b"],
        [b"a"],
        [],
        [b"a", b"b"],
        [b"z"],
    ]
    assert list(store.entries_in(JOB, [1])) == [entry(1, b"a", size=7)]
    assert list(store.rows("SELECT change_id, path FROM changes")) == [(1, b"1/a"), (2, b"1/b")]


def test_an_empty_merge_alters_nothing(store: Store) -> None:
    stage(store, directories=[directory(1, b"a")], entries=[entry(1, b"x")])
    stage(store, run=2)

    assert (paths(store), names(store, 1)) == ({b"a": 1}, [b"x"])


def test_directories_swap_paths_in_a_ring_and_take_those_of_others_that_went(store: Store) -> None:
    stage(store, directories=[directory(number, b"%d" % number) for number in range(6)])
    ring = [directory(number, b"%d" % ((number + 1) % 3)) for number in range(3)]
    stage(store, directories=[*ring, directory(8, b"5"), directory(3, b"4")], gone_directories=[4, 5], run=2)

    assert paths(store) == {b"1": 0, b"2": 1, b"0": 2, b"4": 3, b"5": 8}


def test_two_directories_never_have_one_path_and_such_a_merge_alters_nothing(store: Store) -> None:
    stage(store, directories=[directory(1, b"a")], entries=[entry(1, b"x")])
    with pytest.raises(RunError):
        stage(store, directories=[directory(2, b"a")], entries=[entry(1, b"y")], run=2)

    assert (paths(store), names(store, 1)) == ({b"a": 1}, [b"x"])


def test_a_merge_is_undone_with_its_transaction(store: Store) -> None:
    stage(store, directories=[directory(1, b"a")], entries=[entry(1, b"x")])
    with store.staging(JOB, 2) as staging:
        staging.put_directories([directory(1, b"b"), directory(2, b"a")])
        staging.drop_entries([(1, b"x")])
        with contextlib.suppress(KeyError), store.transaction():
            staging.merge()
            assert paths(store) == {b"b": 1, b"a": 2}
            raise KeyError

    assert (paths(store), names(store, 1)) == ({b"a": 1}, [b"x"])


def test_others_see_a_merge_as_a_whole_and_only_when_it_is_committed(url: str) -> None:
    with store_at(url) as store, store_at(url) as other:
        with store.staging(JOB, 1) as staging:
            staging.put_directories([directory(1, b"a")])
            with store.transaction():
                staging.merge()
                assert paths(other) == {}

        assert paths(other) == {b"a": 1}


def test_a_long_merge_leaves_what_it_should(store: Store) -> None:
    stage(
        store,
        directories=[directory(number, b"d/%05d" % number) for number in range(20_000)],
        entries=[entry(number, b"x") for number in range(20_000)],
    )
    stage(
        store,
        directories=[directory(number, b"e/%05d" % number) for number in range(0, 20_000, 2)],
        gone_directories=list(range(1, 20_000, 4)),
        run=2,
    )

    assert len(paths(store, beneath=b"e")) == 10_000
    assert len(paths(store, beneath=b"d")) == 5_000
    assert list(store.rows("SELECT count(*) FROM entries")) == [(15_000,)]


# Long paths, odd names, subtrees

LONG = [
    b"/".join([b"x" * 255] * 20),
    b"/".join([b"x" * 255] * 20 + [b"y"]),
    b"/".join([b"x" * 255] * 19),
    b"/".join([b"n" * 254 + b"%d" % (n % 10) for n in range(100)]),
    b"/".join([b"d"] * 5000),
    b"/".join([b"d"] * 70_000),
    b"/".join([b"d"] * 70_000 + [b"e", b"f"]),
    b"a" * 999,
    b"a" * 1000,
    b"a" * 1001,
    b"a" * 1000 + b"/b",
    b"a" * 1000 + b"-/b",
]


def test_paths_may_be_of_any_length(store: Store) -> None:
    stage(
        store,
        directories=[directory(number, path) for number, path in enumerate(LONG)],
        changes=[change(number, path, old_path=path + b"/o") for number, path in enumerate(LONG)],
    )

    for path in LONG:
        assert [row[1] for row in store.directories_at(JOB, [path])] == [path]
        _check_beneath(store, LONG, path)
    assert store.run("DELETE FROM changes WHERE path = ?", (LONG[0],)) == 1


def test_hashes_of_long_paths_are_kept_and_replaced(url: str) -> None:
    with opened(url) as catalog:
        for hash_ in (b"1" * 32, b"2" * 32):
            rows = [(Stamp(path, 1, 2, 3), hash_, 4) for path in [*LONG, *LONG[:2]]]
            Contents(catalog, JOB).keep(rows)

        assert Contents(catalog, JOB).kept(LONG) == {Stamp(path, 1, 2, 3): (b"2" * 32, 4) for path in LONG}
        assert Contents(catalog, 2).kept(LONG) == {}


def is_beneath(path: bytes, above: bytes) -> bool:
    """Say it without any index."""
    return not above or path == above or path.startswith(above + b"/")


def _check_beneath(store: Store, there: list[bytes], path: bytes) -> None:
    wanted = sorted(each for each in there if is_beneath(each, path))
    assert sorted(paths(store, beneath=path)) == wanted
    condition, values = store.changes_beneath(JOB, path)
    rows = store.rows(
        f"SELECT path FROM changes WHERE job_id = ? AND {condition} ORDER BY path", (JOB, *values)
    )
    assert [found for (found,) in rows] == sorted(
        each for each in there if is_beneath(each, path) or is_beneath(each + b"/o", path)
    )


odd_paths = st.lists(
    st.one_of(st.sampled_from(ODD), st.binary(min_size=1, max_size=3)), min_size=0, max_size=6
).map(lambda parts: b"/".join(part.replace(b"/", b"|").replace(b"\0", b"0") for part in parts))


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(there=st.sets(odd_paths, max_size=30), others=st.lists(odd_paths, max_size=5))
@example(there={b"", *ODD, *(b"a/" + name for name in ODD)}, others=[b"a", b"A", b"x" * 255, b"\xff"])
@example(there={b"/".join([b"x" * 255] * n) for n in range(1, 12)}, others=[b"/".join([b"x" * 255] * 8)])
def test_what_lies_beneath_a_path_is_what_a_plain_search_finds(
    store: Store, there: set[bytes], others: list[bytes]
) -> None:
    known = sorted(there)
    stage(store, gone_directories=list(paths(store).values()))
    store.run("DELETE FROM changes")
    stage(
        store,
        directories=[directory(number, path) for number, path in enumerate(known)],
        changes=[change(number, path, old_path=path + b"/o") for number, path in enumerate(known)],
    )

    for path in {*known, *others, b"", *(path.rpartition(b"/")[0] for path in known)}:
        _check_beneath(store, known, path)


# Writers


def test_one_job_has_one_writer_and_other_jobs_do_not_mind(database: str) -> None:
    with store_at(database) as store, store_at(database) as other:
        with store.one_writer(1):
            with other.one_writer(2):
                pass
            with pytest.raises(Busy, match=r"another run records the same job \(from .*server process \d+\)"):
                other.one_writer(1).__enter__()
        with other.one_writer(1):
            pass


def test_a_writer_s_lock_goes_with_its_connection(database: str) -> None:
    with store_at(database) as other:
        with store_at(database) as store:
            store.one_writer(1).__enter__()

        with other.one_writer(1):
            pass


def test_jobs_record_at_once_without_meeting(url: str) -> None:
    with store_at(url):
        pass
    failures: list[BaseException] = []

    def record(job: int) -> None:
        try:
            with store_at(url) as store:
                for run in range(1, 6):
                    rows = [entry(1, b"%d" % number, size=run) for number in range(300)]
                    stage(store, directories=[directory(1, b"a")], entries=rows, job=job, run=run)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=record, args=(job,)) for job in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    with store_at(url) as store:
        assert list(store.rows("SELECT job_id, sum(size) FROM entries GROUP BY job_id ORDER BY job_id")) == [
            (job, 1500) for job in range(1, 6)
        ]


def test_jobs_that_are_new_at_once_get_numbers_of_their_own(url: str) -> None:
    """Each takes the catalog for one to be made, too."""
    failures: list[BaseException] = []

    def join(name: str) -> None:
        try:
            with opened(url) as catalog:
                catalog.add_job(name, source=b"/", machine="m")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=join, args=(f"job {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    with opened(url) as catalog:
        assert sorted(job.job_id for job in catalog.jobs()) == [1, 2, 3, 4, 5, 6]


# Versions


def test_a_catalog_keeps_its_identity_and_no_two_have_the_same(url: str, tmp_path: Path) -> None:
    with opened(url) as catalog:
        first = catalog.identity()
    with opened(url, may_create=False) as catalog, opened(f"sqlite:///{tmp_path}/other.db") as other:
        assert catalog.identity() == first
        assert other.identity() != first


def test_a_catalog_of_a_later_version_is_refused(url: str) -> None:
    with store_at(url) as store:
        if is_sqlite(url):
            store.run(f"PRAGMA user_version = {len(STEPS) + 1}")
        else:
            store.run("UPDATE meta SET value = ? WHERE name = 'version'", (str(len(STEPS) + 1),))

    with pytest.raises(
        RunError, match=f"is of version {len(STEPS) + 1}, this program knows up to {len(STEPS)}"
    ):
        store_at(url).__enter__()


def test_a_catalog_that_may_not_be_made_is_not(url: str) -> None:
    with pytest.raises(RunError):
        store_at(url, may_create=False).__enter__()
    if not is_sqlite(url):
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT to_regnamespace('dirsync')").fetchone() == (None,)


def test_only_a_server_without_ltree_is_spoken_of(url: str, request: pytest.FixtureRequest) -> None:
    with store_at(url) as store:
        notices = store.notices

    assert len(notices) == ("wheel" in request.node.name)
    assert all("'ltree'" in notice for notice in notices)

"""The same edits make the same history, whatever database it is in."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.change import ChangeKind
from dirsync.model.job import Compare, Comparison, PatternLine, TrackJob
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Outcome
from tests.catalogs_on_record import flaws, on_record
from tests.contract.catalogs import opened
from tests.jobs import UNGUARDED, track_job, watched_run
from tests.property.test_random_pairs import EXAMPLES, workplace
from tests.property.test_tracked_edits import Deed, deeds, do, recorded, seen, trees
from tests.trees import Node, tree

_numbers = itertools.count(1)


def history(job: TrackJob) -> list[RecordedChange]:
    assert job.catalog is not None
    with opened(job.catalog.url, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        return list(catalog.changes(known.job_id))


def on(url: str, job: TrackJob, place: Path) -> TrackJob:
    """Give a job of its own name with a catalog at a URL."""
    place.mkdir()
    assert job.catalog is not None
    return structs.replace(
        job,
        name=f"tracked{next(_numbers)}",
        catalog=structs.replace(job.catalog, url=url),
        comparison=Comparison(by=frozenset({*Comparison().by, Compare.HASH})),
    )


@settings(
    max_examples=max(5, EXAMPLES // 10),
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(children=trees, rounds=st.lists(deeds, min_size=1, max_size=3))
def test_the_same_edits_make_the_same_history(
    debian_database: str, wheel_database: str, children: dict[bytes, Node], rounds: list[list[Deed]]
) -> None:
    with workplace() as place:
        source = tree(place / "source", children)
        plain = structs.replace(track_job(source, place / "state"), guard=UNGUARDED)
        urls = (f"sqlite:///{place}/catalog.db", debian_database, wheel_database)
        jobs = [(on(url, plain, place / f"{n}"), place / f"{n}") for n, url in enumerate(urls)]
        for some in ([], *rounds, []):
            for count, deed in enumerate(some):
                do(os.fsencode(source), deed, count=count)
            told = []
            for job, where in jobs:
                result, watched = watched_run(job, where)
                assert result.outcome is Outcome.SUCCEEDED, result.error
                told.append(watched.changes)
                assert recorded(job) == seen(source)
            assert told[0] == told[1] == told[2]

        first, *others = [history(job) for job, _ in jobs]
        assert all(first == other for other in others)


def test_what_a_job_selects_no_more_is_in_earlier_states_on_every_database(url: str, tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a": {"f.tmp": b"1", "g": b"2"}, "b": {"c": b"3"}})
    job = on(url, track_job(source, tmp_path / "state"), tmp_path / "place")
    watched_run(job, tmp_path)
    before = set(on_record(job, tmp_path))
    job = structs.replace(job, exclude=(PatternLine(b"*.tmp", "test", 1), PatternLine(b"/b/", "test", 2)))
    os.rename(source / "a", source / "d")
    _, watched = watched_run(job, tmp_path)

    assert [(change.kind, change.path) for change in watched.changes] == [(ChangeKind.MOVED, b"d")]
    assert [change.path for change in history(job)] == [b"d"]
    assert set(on_record(job, tmp_path)) == {b"d", b"d/g"}
    assert set(on_record(job, tmp_path, run_id=1)) == before
    assert flaws(job, tmp_path) == []


def test_that_ltree_is_missing_is_said_once(wheel_database: str, tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a": b"1"})
    job = on(wheel_database, track_job(source, tmp_path / "state"), tmp_path / "place")
    told = [watched_run(job, tmp_path / "place")[1].notices for _ in range(3)]

    assert [sum("'ltree'" in notice for notice in notices) for notices in told] == [1, 0, 0]

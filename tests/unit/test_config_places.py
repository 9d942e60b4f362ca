"""Jobs whose places get in each other's way are refused before anything runs."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

from pathlib import Path

import pytest

from dirsync.config.places import Surveyor
from tests.declared import declared, problems_of


def _one(source: str, destination: str, *, more: str = "") -> str:
    return f"version: 1\nstate: ../state\njobs:\n  a:\n    source: {source}\n    destination: {destination}\n{more}"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory with `data/deep`, and links to both."""
    top = tmp_path / "top"
    (top / "data" / "deep").mkdir(parents=True)
    (top / "link").symlink_to("data")
    (top / "deeplink").symlink_to(top / "data" / "deep")
    return top


@pytest.mark.parametrize(
    ("source", "destination", "line"),
    [
        ("data", "data", "6: jobs.a.destination: is the source itself; name another directory"),
        ("data", "link", "6: jobs.a.destination: is the source itself; name another directory"),
        ("data", "data/../data/.", "6: jobs.a.destination: is the source itself; name another directory"),
        ("data", "link/deep/..", "6: jobs.a.destination: is the source itself; name another directory"),
        (
            "data",
            "data/new/x",
            "6: jobs.a.destination: is inside the source 'data'; name a directory outside of it",
        ),
        (
            "data",
            "deeplink/new",
            "6: jobs.a.destination: is inside the source 'data'; name a directory outside of it",
        ),
        (
            "deeplink",
            "link",
            "5: jobs.a.source: is inside the destination 'data'; name a destination that does not hold it",
        ),
        ("new", "new", "6: jobs.a.destination: is the source itself; name another directory"),
        (
            "new/x/y",
            "link/../new",
            "5: jobs.a.source: is inside the destination 'new'; name a destination that does not hold it",
        ),
        (
            "//{top}/data",
            "/{top}/data",
            "6: jobs.a.destination: is the source itself; name another directory",
        ),
    ],
)
def test_sides_that_are_one_or_nested_are_refused(
    top: Path, source: str, destination: str, line: str
) -> None:
    text = _one(source.format(top=top), destination.format(top=top))

    assert problems_of(top, text) == [f"jobs.yaml:{line.format(top=top)}"]


@pytest.mark.parametrize(
    ("source", "destination"), [("data", "database"), ("data/deep", "data/other"), ("new", "new2/x")]
)
def test_sides_beside_each_other_are_allowed(top: Path, source: str, destination: str) -> None:
    assert declared(top, _one(source, destination)).jobs


@pytest.mark.parametrize(
    ("second", "how"),
    [
        ("d", "is the destination of 'a' too"),
        ("./d/", "is the destination of 'a' too"),
        ("d/sub/new", "is inside the destination of 'a'"),
        (".", "holds the destination of 'a'"),
    ],
)
def test_destinations_of_two_jobs_that_overlap_are_refused(top: Path, second: str, how: str) -> None:
    (top / "elsewhere").mkdir()
    more = f"  b:\n    source: ../elsewhere\n    destination: {second}\n"
    told = problems_of(top, _one("../src", "d", more=more))

    assert told == [
        f"jobs.yaml:9: jobs.b.destination: {how} (jobs.yaml:4); give each job a directory of its own"
    ]


@pytest.mark.parametrize("key", ["enabled: false", "type: check"])
def test_destination_that_no_run_changes_may_overlap(top: Path, key: str) -> None:
    assert declared(top, _one("s", "d", more=f"  b:\n    source: t\n    destination: d\n    {key}\n")).jobs


def test_destination_of_one_job_may_be_the_source_of_the_next(top: Path) -> None:
    assert declared(top, _one("s", "d", more="  b: {source: d, destination: e}\n")).jobs


def test_state_inside_the_destination_is_refused(top: Path) -> None:
    text = "version: 1\nstate: d/state\njobs: {a: {source: s, destination: d}}\n"

    assert problems_of(top, text) == [
        "jobs.yaml:3: jobs.a.destination: holds the state directory 'd/state'; set 'state' to a directory outside of it"
    ]


def test_destination_inside_the_state_is_refused(top: Path) -> None:
    text = "version: 1\nstate: d\njobs: {a: {source: s, destination: d/x}}\n"

    assert problems_of(top, text) == [
        "jobs.yaml:3: jobs.a.destination: is inside the state directory 'd'; name a directory outside of it"
    ]


def test_state_inside_the_source_must_be_excluded(top: Path) -> None:
    text = "version: 1\nstate: ./st\njobs: {a: {source: ., destination: ../d, exclude: [%s]}}\n"
    line = (
        "jobs.yaml:3: jobs.a.source: holds the state directory 'st', which changes with each run; "
        "exclude '/st/', or set 'state' to one outside"
    )

    assert problems_of(top, text % "") == [line]
    assert problems_of(top, text % "/st/, '!/st'") == [line]
    assert problems_of(top, text % "/st/") == []
    assert problems_of(top, text % "'!st', st") == []


def test_state_where_no_run_looks_may_be_inside_the_source(top: Path) -> None:
    assert problems_of(top, "version: 1\njobs: {a: {source: ., destination: ../d}}\n") == []


def test_root_holds_everything() -> None:
    surveyor = Surveyor()

    assert surveyor.ground("/").holds(surveyor.ground("/nowhere/at/all"))
    assert not surveyor.ground("/nowhere/at/all").holds(surveyor.ground("/"))


def test_the_catalog_and_logs_lie_in_no_destination_that_would_lose_them(tmp_path: Path) -> None:
    text = (
        'version: 1\nstate: ../state\ncatalog: "sqlite:///d/c.db"\njobs:\n'
        "  a: {source: s, destination: d, log: {file: e/x/a.log}}\n"
        "  b: {source: s, destination: e, log: {file: e/logs/b.log}, exclude: [/logs/]}\n"
        "  c: {source: s, destination: f, log: {file: f/c.log}, exclude: [c.log], delete_excluded: true}\n"
        "  d: {source: s, destination: g, log: {file: g/c.log}, delete: keep}\n"
    )
    lost = "which would remove it; write it elsewhere"

    assert problems_of(tmp_path, text) == [
        f"jobs.yaml:3: catalog: is in the destination of 'a', {lost}",
        f"jobs.yaml:5: jobs.a.log.file: is in the destination of 'b', {lost}",
        f"jobs.yaml:7: jobs.c.log.file: is in the destination of 'c', {lost}",
    ]

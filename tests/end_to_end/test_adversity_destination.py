"""Runs into destinations that are full, read-only, mounted over or full of traps."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.program import NOBODY, bound, jobs_file, mounted, run_as_nobody, run_now
from tests.trees import Children, Directory, File, Link, ctimes, differences, snapshot, tree

MIB = 1 << 20


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    """Give a mounted place that took its content before and takes nothing now."""
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    yield place


def test_read_only_destination_is_a_clear_error_and_keeps_all(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"new": b"x", "a": b"newer"})
    with mounted(tmp_path / "d") as destination:
        before = snapshot(tree(destination, {"a": b"old", "gone": b"x"}))
        with read_only(destination):
            run = run_now(jobs_file(tmp_path))

            assert run.outcome == (5, "failed")
            assert "read-only file system; mount it for writing" in run.result["error"]
            assert snapshot(destination) == before


def test_destination_that_would_be_too_full_holds_the_run(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"big": os.urandom(6 * MIB), "small": b"x"})
    with mounted(tmp_path / "d", size="4m") as destination:
        before = snapshot(tree(destination, {"big": b"old"}))

        run = run_now(jobs_file(tmp_path, guard={"max_delete": "off"}))

        assert run.outcome == (4, "held")
        assert "min_free" in run.result["error"]
        assert snapshot(destination) == before


def test_full_destination_gives_up_what_does_not_fit_and_keeps_the_old_replica(tmp_path: Path) -> None:
    source: Children = {
        "a-big": os.urandom(6 * MIB),
        "b-small": b"x",
        "c": {"big": os.urandom(6 * MIB), "small": b"x"},
    }
    tree(tmp_path / "s", source)
    with mounted(tmp_path / "d", size="4m") as destination:
        tree(destination, {"a-big": b"old", "gone": b"x"})
        jobs = jobs_file(tmp_path)

        run = run_now(jobs)
        assert run.outcome == (3, "partial")
        assert run.paths("failure") == {"a-big", "c/big"}
        assert snapshot(destination).keys() == {b"", b"a-big", b"b-small", b"c", b"c/small"}
        assert (destination / "a-big").read_bytes() == b"old"

        subprocess.run(["mount", "-o", "remount,size=32m", destination], check=True)
        assert run_now(jobs).outcome == (0, "succeeded")
        assert not differences(snapshot(tmp_path / "s"), snapshot(destination))


def test_links_at_the_destination_lead_nowhere(tmp_path: Path) -> None:
    inner: Children = {"f": b"x", "deep": {"f": b"x"}}
    tree(tmp_path / "s", {"a": inner, "b": b"x", "c": {"in": {"f": b"x"}}, "old": {"d": {"f": b"x"}}})
    tree(tmp_path / "outside", {"f": b"precious", "deep": {"g": b"precious"}, "in": {"h": b"precious"}})
    out = Link(str(tmp_path / "outside"))
    tree(
        tmp_path / "d",
        {
            "a": out,
            "b": Link(str(tmp_path / "outside/f")),
            "c": out,
            "gone": out,
            "old": {"d": out, "e": out},
        },
    )
    before = snapshot(tmp_path / "outside"), ctimes(tmp_path / "outside")

    run = run_now(jobs_file(tmp_path))

    assert run.outcome == (0, "succeeded")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))
    assert (snapshot(tmp_path / "outside"), ctimes(tmp_path / "outside")) == before


@pytest.mark.parametrize("at", ["mount", "gone/deeper/mount"])
@pytest.mark.parametrize("kind", ["other device", "same device"])
def test_what_is_mounted_beneath_the_destination_is_not_emptied(tmp_path: Path, at: str, kind: str) -> None:
    tree(tmp_path / "s", {"a": b"x"})
    tree(tmp_path / "elsewhere", {"precious": b"x", "sub": {"precious": b"x"}})
    tree(tmp_path / "d", {"gone": {"f": b"x", "deeper": {}}, "g": b"x"})
    target = tmp_path / "d" / at
    with mounted(target) if kind == "other device" else bound(tmp_path / "elsewhere", target):
        if kind == "other device":
            tree(target, {"precious": b"x", "sub": {"precious": b"x"}})
        before = snapshot(target)

        run = run_now(jobs_file(tmp_path))

        assert run.code in (0, 3)
        assert snapshot(target) == before
        assert {b"a"} == {path for path in snapshot(tmp_path / "d") if path in (b"a", b"g", b"gone/f")}


def test_too_many_deletions_hold_the_run(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"0": b"newer", "new": b"x"})
    before = snapshot(tree(tmp_path / "d", {str(number): b"x" for number in range(10)}))

    run = run_now(jobs_file(tmp_path, guard={"max_delete": "50%"}))

    assert run.outcome == (4, "held")
    assert "max_delete" in run.result["error"]
    assert snapshot(tmp_path / "d") == before


@pytest.mark.parametrize("guard", [{"marker": ".here"}, {"mountpoint": True}], ids=["marker", "mountpoint"])
def test_absent_mount_or_marker_skips_the_run(tmp_path: Path, guard: dict[str, object]) -> None:
    tree(tmp_path / "s", {"new": b"x"})
    before = snapshot(tree(tmp_path / "d", {"old": b"x"}))

    run = run_now(jobs_file(tmp_path, guard=guard))

    assert run.outcome == (75, "skipped")
    assert run.result["error"]
    assert snapshot(tmp_path / "d") == before


def test_mount_and_marker_that_are_there_let_the_run_go_on_and_the_marker_stays(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"new": b"x"})
    with mounted(tmp_path / "d") as destination:
        tree(destination, {".here": b"", "old": b"x"})

        runs = [
            run_now(jobs_file(tmp_path, guard={"marker": ".here", "mountpoint": True, "max_delete": "off"}))
            for _ in range(2)
        ]

        assert [run.outcome for run in runs] == [(0, "succeeded")] * 2
        assert snapshot(destination).keys() == {b"", b".here", b"new"}


def test_missing_destination_is_made_where_its_parent_is_there(tmp_path: Path) -> None:
    tree(tmp_path / "s", Directory({"a": b"x"}, mode=0o750, mtime_ns=5))

    assert run_now(jobs_file(tmp_path)).outcome == (0, "succeeded")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))

    run = run_now(jobs_file(tmp_path, destination=str(tmp_path / "no/d")))
    assert run.outcome == (5, "failed")
    assert not (tmp_path / "no").exists()


def test_directory_that_takes_nothing_stops_no_other(place: Path) -> None:
    mine: dict[str, Any] = {"uid": NOBODY, "gid": NOBODY}
    tree(place / "s", {"theirs": {"new": b"x", "old": b"newer"}, "mine": {"new": b"x"}})
    theirs = Directory({"old": b"x", "gone": b"gone"}, mode=0o755)
    tree(
        place / "d", Directory({"theirs": theirs, "mine": Directory({"gone": File(b"gone")}, **mine)}, **mine)
    )

    run = run_as_nobody(place, jobs_file(place))

    assert run.outcome == (3, "partial")
    assert run.paths("failure") >= {"theirs/new", "theirs/old", "theirs/gone"}
    assert snapshot(place / "d").keys() == {
        b"",
        b"mine",
        b"mine/new",
        b"theirs",
        b"theirs/old",
        b"theirs/gone",
    }
    assert (place / "d/theirs/old").read_bytes() == b"x"


def test_dry_run_and_check_job_change_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"new": b"x", "a": b"newer"})
    before = snapshot(tree(tmp_path / "d", {"a": b"x", "gone": b"gone"}))
    expected = {"new", "a", "gone"}

    dry = run_now(jobs_file(tmp_path), "--dry-run")
    assert (dry.code, dry.result["dry_run"]) == (0, True)
    assert dry.paths("change") - {"", "."} == expected

    check = run_now(jobs_file(tmp_path, type="check"))
    assert check.code == 1
    assert check.paths("change") - {"", "."} == expected
    assert snapshot(tmp_path / "d") == before

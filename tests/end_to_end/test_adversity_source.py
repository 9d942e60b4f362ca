"""Runs over sources that cannot be read, are not there, or are not what they seem."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.program import NOBODY, bound, jobs_file, mounted, run_as_nobody, run_now
from tests.trees import Children, Directory, Fifo, File, Link, chain, differences, emptied, snapshot, tree

MINE: dict[str, Any] = {"uid": NOBODY, "gid": NOBODY}


def test_unreadable_directory_blocks_deletions_beneath_it_only(place: Path) -> None:
    tree(place / "s", {"secret": Directory({"kept": b"x"}, mode=0o700), "new": b"x", "open": {"a": b"x"}})
    secret = Directory(
        {"kept": File(b"x", **MINE), "sub": Directory({"old": File(b"y", **MINE)}, **MINE)}, **MINE
    )
    old = Directory({"gone": File(b"y", **MINE), "a": File(b"old", **MINE)}, **MINE)
    tree(place / "d", Directory({"secret": secret, "gone": File(b"x", **MINE), "open": old}, **MINE))
    jobs = jobs_file(place)

    first = run_as_nobody(place, jobs)
    assert first.outcome == (3, "partial")
    assert first.paths("failure") == {"secret"}
    assert snapshot(place / "d").keys() == {
        *(b"", b"new", b"open", b"open/a", b"secret", b"secret/kept", b"secret/sub", b"secret/sub/old")
    }
    assert (place / "d/open/a").read_bytes() == b"x"

    second = run_as_nobody(place, jobs)
    assert second.outcome == (3, "partial")
    assert second.counts.keys() <= {"scanned", "failed"}


def test_unreadable_file_is_given_up_and_its_old_replica_kept(place: Path) -> None:
    tree(place / "s", {"locked": File(b"newer", mode=0o600), "other": b"x", "z": {"other": b"x"}})
    tree(place / "d", Directory({"locked": File(b"old", **MINE), "gone": File(b"x", **MINE)}, **MINE))

    run = run_as_nobody(place, jobs_file(place))

    assert run.outcome == (3, "partial")
    assert run.paths("failure") == {"locked"}
    assert (place / "d/locked").read_bytes() == b"old"
    assert snapshot(place / "d").keys() == {b"", b"locked", b"other", b"z", b"z/other"}


def test_plain_user_keeps_no_foreign_set_id_bit_and_has_nothing_to_do_again(place: Path) -> None:
    files = {"suid": File(b"x", mode=0o4755), "sgid": File(b"x", mode=0o2755), "plain": File(b"x", uid=1)}
    tree(place / "s", files)
    tree(place / "d", Directory({}, **MINE))
    jobs = jobs_file(place)

    first = run_as_nobody(place, jobs)
    assert first.outcome == (0, "succeeded")
    seen = snapshot(place / "d")
    assert {seen[path].mode for path in (b"suid", b"sgid")} == {0o755}
    assert {at.uid for at in seen.values()} == {NOBODY}

    second = run_as_nobody(place, jobs)
    assert (second.code, second.counts) == (0, {"scanned": 3})


@pytest.mark.parametrize("when", ["1+", "2+2"], ids=["at its start", "half way"])
@pytest.mark.parametrize("path", ["", "a", "b", "b/x"])
def test_listing_that_fails_blocks_deletions_beneath_it_only(tmp_path: Path, path: str, when: str) -> None:
    """The first getdents64(2) of a directory gives its names, the second says that there are no more.

    A directory whose listing fails is listed once more.
    """
    source: Children = {"a": {"1": b"x", "2": b"x"}, "b": {"1": b"x", "x": {"1": b"x", "2": b"x"}}, "c": b"x"}
    tree(tmp_path / "s", source)
    tree(
        tmp_path / "d",
        {"a": {"old": b"y", "1": b"differs"}, "b": {"old": b"y", "x": {"old": b"y"}}, "old": b"y"},
    )
    jobs = jobs_file(tmp_path)
    inject = f"inject=getdents64:error=EIO:when={when}"
    through = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(tmp_path / "s" / path), "-e", inject]

    run = run_now(jobs, through=through)
    there = snapshot(tmp_path / "d").keys()
    beneath = {b"old", b"a/old", b"b/old", b"b/x/old"}
    spared = {old for old in beneath if old.startswith(path.encode())} if path else beneath
    if path:
        assert run.outcome == (3, "partial")
        assert run.paths("failure") == {path}
        assert b"c" in there
    else:
        assert run.outcome in [(3, "partial"), (5, "failed")]
    assert {old for old in beneath if old in there} == spared

    again = run_now(jobs)
    assert again.outcome == (0, "succeeded")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))


def test_source_that_is_missing_fails_and_touches_nothing(tmp_path: Path) -> None:
    before = snapshot(tree(tmp_path / "d", {"a": b"x"}))

    run = run_now(jobs_file(tmp_path))

    assert run.outcome == (5, "failed")
    assert str(tmp_path / "s") in run.result["error"]
    assert snapshot(tmp_path / "d") == before


def test_source_that_is_a_file_fails_and_touches_nothing(tmp_path: Path) -> None:
    before = snapshot(tree(tmp_path / "d", {"a": b"x"}))
    (tmp_path / "s").write_bytes(b"x")

    run = run_now(jobs_file(tmp_path))

    assert run.outcome == (5, "failed")
    assert snapshot(tmp_path / "d") == before


def test_empty_source_holds_the_run(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    before = snapshot(tree(tmp_path / "d", {"a": b"x"}))

    run = run_now(jobs_file(tmp_path, guard={"max_delete": "off"}))

    assert run.outcome == (4, "held")
    assert "source_not_empty" in run.result["error"]
    assert snapshot(tmp_path / "d") == before


def test_empty_source_and_empty_destination_agree(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})

    run = run_now(jobs_file(tmp_path, guard={}))

    assert run.outcome == (0, "succeeded")


def test_special_files_are_skipped_with_one_notice(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"pipe": Fifo(), "sub": {"pipe": Fifo()}, "file": b"x"})
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "socket"))
    tree(tmp_path / "d", {"pipe": b"the name is taken, so its absence was not observed"})

    run = run_now(jobs_file(tmp_path))

    assert run.outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {b"", b"file", b"pipe", b"sub"}
    assert len([line for line in run.stderr.splitlines() if "special" in line]) == 1


def test_path_changes_its_kind_back_and_forth(tmp_path: Path) -> None:
    stages: list[Children] = [
        {"p": b"file", "q": {"a": {"b": b"x"}, "c": Link("a")}},
        {"p": {"a": {"b": b"x"}, "c": Link("a")}, "q": b"file"},
        {"p": Link("q"), "q": {"p": b"x"}},
        {"p": {}, "q": Link("p")},
        {"p": b"file", "q": {"a": {"b": b"x"}, "c": Link("a")}},
    ]
    source = tree(tmp_path / "s", {})
    for stage in stages:
        tree(emptied(source), stage)

        run = run_now(jobs_file(tmp_path))

        assert run.outcome == (0, "succeeded")
        assert not differences(snapshot(source), snapshot(tmp_path / "d"))


def test_odd_names_are_mirrored_and_told_apart(tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff", b"n" * 255, b"back\\slash", b"[bold]", b"-rf", b"caf\xc3\xa9"]
    tree(tmp_path / "s", dict.fromkeys(names, b"x"))

    run = run_now(jobs_file(tmp_path))
    changed = [event for event in run.events if event["event"] == "change"]

    assert run.outcome == (0, "succeeded")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))
    assert {"new\nline", "n" * 255, "back\\slash", "[bold]", "-rf", "café"} < {
        event["path"] for event in changed
    }
    assert [event["path_bytes"] for event in changed if "path_bytes" in event] == ["%FF"]


@pytest.mark.parametrize("names", [[b"d" * 200] * 30, [b"d"] * 3000], ids=["long", "many"])
def test_tree_deeper_than_any_path_of_the_kernel(place: Path, names: list[bytes]) -> None:
    chain(place / "s", names, b"x")
    jobs = jobs_file(place)

    first = run_now(jobs)
    assert first.outcome == (0, "succeeded")
    assert not differences(snapshot(place / "s"), snapshot(place / "d"))
    second = run_now(jobs)
    assert (second.code, second.counts) == (0, {"scanned": len(names) + 1})

    tree(emptied(place / "s"), {"a": b"x"})
    third = run_now(jobs)
    assert third.outcome == (0, "succeeded")
    assert snapshot(place / "d").keys() == {b"", b"a"}


def test_other_file_systems_of_the_source_stay_out_where_asked(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"here": b"x", "mount": {}, "same": {}})
    tree(tmp_path / "d", {"mount": {"old": b"x"}})
    tree(tmp_path / "elsewhere", {"there": b"x"})
    with mounted(tmp_path / "s/mount") as other, bound(tmp_path / "elsewhere", tmp_path / "s/same"):
        tree(other, {"there": b"x"})

        run = run_now(jobs_file(tmp_path, one_file_system=True))

    assert run.outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() >= {b"here", b"mount/old"}
    assert b"mount/there" not in snapshot(tmp_path / "d")

"""Strides: what is equal is gone through, what differs is told with what tells something."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.march import strider
from dirsync.march.found import Directory, Found
from dirsync.march.march import march
from dirsync.march.step import Step
from dirsync.scan.stride import Stride, Striding, stride
from tests.trees import Children, File, HardLink, Link, tree
from tests.trees import Directory as Folder
from tests.unit.test_march import changes, context, root
from tests.unit.test_native_lister import as_nobody, folder_on, opened

T = 1_600_000_000_000_000_000
EVERYTHING = Striding(size=True, mtime=True, ownership=True, hard_links=True, levels=32, most_rows=10**6)


def folder(children: Children) -> Folder:
    return Folder(children, mtime_ns=T)


def file(data: bytes = b"1", mtime_ns: int = T) -> File:
    return File(data, mtime_ns=mtime_ns)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Give the handles of two empty directories, `s` and `d`."""
    with ExitStack() as stack:
        handles = [stack.enter_context(opened(tree(tmp_path / name, {}))) for name in "sd"]
        yield handles[0], handles[1]


def strode(sides: tuple[int, int], *names: bytes, asked: Striding = EVERYTHING) -> Stride:
    return stride(*sides, names, asked)


def marched(place: Path, source: Children, destination: Children, at: Directory) -> Found:
    tree(place / "s", source)
    tree(place / "d", destination)
    for side in "sd":
        os.utime(place / side, ns=(T, T))
    return march(context(place), [at], lambda _: False, lambda: None)


# What one stride tells


def test_equal_directories_are_counted_and_nothing_else(sides: tuple[int, int], tmp_path: Path) -> None:
    same: Children = {"a": folder({"b": folder({"f": file()}), "l": Link("b", mtime_ns=T), "f": file()})}
    for side in "sd":
        tree(tmp_path / side, same)
    told = strode(sides, b"a")

    assert told == Stride(1, 4, [], [], [])


def test_of_what_differs_only_what_tells_something_is_told(sides: tuple[int, int], tmp_path: Path) -> None:
    same: Children = {"equal": file(), "inner": folder({}), "link": Link("x", mtime_ns=T)}
    tree(tmp_path / "s", {"a": folder({**same, "changed": file(b"22"), "new": file(), "turned": Link("y")})})
    tree(tmp_path / "d", {"a": folder({**same, "changed": file(b"1"), "old": file(), "turned": Link("z")})})
    (sighted,) = strode(sides, b"a").differing

    assert sighted.new.name_list() == [b"changed", b"inner", b"new", b"turned"]
    assert sighted.old.name_list() == [b"changed", b"inner", b"old", b"turned"]
    assert (sighted.new.targets, sighted.old.targets) == (b"y", b"z")
    assert (sighted.new_entries, sighted.old_entries) == (6, 6)
    assert list(sighted.new.modes()) == [
        os.lstat(tmp_path / "s/a" / n).st_mode for n in ("changed", "inner", "new", "turned")
    ]
    assert sighted.ctime_ns == os.stat(tmp_path / "s/a").st_ctime_ns


def test_files_of_several_names_call_for_a_closer_look_where_that_matters(
    sides: tuple[int, int], tmp_path: Path
) -> None:
    for side in "sd":
        tree(tmp_path / side, {"a": folder({"f": file(), "g": HardLink("f"), "h": file(), "d": folder({})})})
    told = strode(sides, b"a")

    assert [sighted.new.name_list() for sighted in told.differing] == [[b"d", b"f", b"g"]]
    assert strode(sides, b"a", asked=structs.replace(EVERYTHING, hard_links=False)).differing == []


def test_telling_names_and_temporary_ones_call_for_a_closer_look(
    sides: tuple[int, int], tmp_path: Path
) -> None:
    names = (".ignore", ".dirsync-0123456789abcdef.tmp")
    for side in "sd":
        tree(tmp_path / side, {name[:4]: folder({name: file(), "other": file()}) for name in names})
    asked = structs.replace(EVERYTHING, telling=(b"ignore", b".ignore"))
    told = strode(sides, b".ign", b".dir", asked=asked)

    assert [sighted.new.name_list() for sighted in told.differing] == [[name.encode()] for name in names]
    assert strode(sides, b".ign").differing == []


@pytest.mark.parametrize("column", ["size", "mtime", "ownership"])
def test_what_does_not_count_makes_no_difference(column: str, sides: tuple[int, int], tmp_path: Path) -> None:
    other = {"size": file(b"22"), "mtime": file(mtime_ns=T + 1), "ownership": File(b"1", None, T, 7)}
    tree(tmp_path / "s", {"a": folder({"f": file()})})
    tree(tmp_path / "d", {"a": folder({"f": other[column]})})

    assert len(strode(sides, b"a").differing) == 1
    assert strode(sides, b"a", asked=structs.replace(EVERYTHING, **{column: False})).differing == []


def test_what_is_not_a_directory_on_both_sides_is_unseen(sides: tuple[int, int], tmp_path: Path) -> None:
    tree(tmp_path / "s", {"file": file(), "link": Link("there"), "here": {}, "there": {}})
    tree(tmp_path / "d", {"file": {}, "link": {}, "there": {}})
    told = strode(sides, b"file", b"here", b"link", b"nowhere", b"there", b"")

    assert told == Stride(6, 0, [], [b"file", b"here", b"link", b"nowhere", b""], [])


def test_a_stride_ends_as_deep_and_as_far_as_it_was_told_to(sides: tuple[int, int], tmp_path: Path) -> None:
    for side in "sd":
        tree(tmp_path / side, {n: folder({"b": folder({"c": folder({"f": file()})})}) for n in "xyz"})

    def asked(levels: int, most_rows: int = 10**6) -> Stride:
        return strode(
            sides, b"x", b"y", b"z", asked=structs.replace(EVERYTHING, levels=levels, most_rows=most_rows)
        )

    assert asked(0) == Stride(0, 0, [], [], [])
    assert asked(1) == Stride(3, 3, [], [], [b"x/b", b"y/b", b"z/b"])
    assert asked(2) == Stride(3, 6, [], [], [b"x/b/c", b"y/b/c", b"z/b/c"])
    assert asked(3) == Stride(3, 9, [], [], [])
    assert asked(32, most_rows=0) == Stride(0, 0, [], [], [])
    assert asked(32, most_rows=1) == Stride(1, 1, [], [], [b"x/b"])
    assert asked(32, most_rows=7) == Stride(2, 4, [], [], [b"y/b"])


def test_names_that_hold_nul_and_handles_that_are_closed(sides: tuple[int, int], tmp_path: Path) -> None:
    with opened(tmp_path) as closed:
        pass

    assert strode((sides[0], closed), b"a").unseen == [b"a"]
    with pytest.raises(ValueError, match="holds NUL"):
        strode(sides, b"a\0")
    assert strode(sides) == Stride(0, 0, [], [], [])


def test_other_threads_run_meanwhile(sides: tuple[int, int], tmp_path: Path) -> None:
    for side in "sd":
        tree(tmp_path / side, {"a": folder({f"{number:04}": file() for number in range(3000)})})
    turns, ends = 0, threading.Event()

    def strides() -> None:
        for _ in range(30):
            strode(sides, b"a")
        ends.set()

    thread = threading.Thread(target=strides)
    thread.start()
    while not ends.wait(0.001):
        turns += 1
    thread.join()

    assert turns > 10


# What a march makes of it


def test_excluded_directories_are_not_entered_on_the_way(tmp_path: Path) -> None:
    source: Children = {"a": folder({"in": folder({"f": file()}), "out": folder({"f": file()})})}
    old: Children = {"a": folder({"in": folder({"f": file(b"22")}), "out": folder({"f": file(b"22")})})}
    found = marched(tmp_path, source, old, root(exclude=("out/",)))

    assert changes(found) == [("modified", b"a/in/f")]
    assert found.scanned == 1 + 2 + 1


def test_patterns_of_several_components_hold_beneath_a_stride(tmp_path: Path) -> None:
    source: Children = {"a": folder({"b": folder({"c": folder({"f": file(), "g": file()})})})}
    old: Children = {"a": folder({"b": folder({"c": folder({"f": file(b"22"), "g": file(b"22")})})})}
    found = marched(tmp_path, source, old, root(exclude=("a/b/c/f",)))

    assert changes(found) == [("modified", b"a/b/c/g")]


def test_what_may_not_be_read_is_a_failure_beneath_which_nothing_is_deleted() -> None:
    source: Children = {"a": folder({"b": folder({}), "shut": folder({})})}
    old: Children = {"a": folder({"b": folder({}), "shut": folder({"kept": file()})})}
    with folder_on("/dev/shm") as place:
        place.chmod(0o755)
        tree(place / "s", source)
        tree(place / "d", old)
        for side in "sd":
            (place / side / "a/shut").chmod(0o111)
            os.utime(place / side, ns=(T, T))
        with as_nobody():
            found = march(context(place), [root()], lambda _: False, lambda: None)

    assert changes(found) == []
    assert [failure.path for failure in found.failures] == [b"a/shut"]
    assert found.kept == [b"a/shut"]


def test_nothing_is_deleted_beneath_what_is_mounted_at_the_destination(tmp_path: Path) -> None:
    source: Children = {"a": folder({"b": folder({"c": folder({})})})}
    old: Children = {"a": folder({"b": folder({"c": folder({"kept": file()})})})}
    tree(tmp_path / "s", source)
    tree(tmp_path / "d", old)
    os.utime(tmp_path / "s", ns=(T, T))
    os.utime(tmp_path / "d", ns=(T, T))
    for mount, kept in ((b"a/b", True), (b"a/b/c", True), (b"a", True), (b"a/b/cc", False)):
        there = structs.replace(context(tmp_path), destination_mounts=frozenset({mount}))
        found = march(there, [root()], lambda _: False, lambda: None)

        assert (found.kept == [b"a/b/c/kept"]) is kept, mount
        assert (changes(found) == [("deleted", b"a/b/c/kept")]) is not kept, mount


def test_a_directory_that_changes_after_the_stride_is_listed_again_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that were left out, for they were equal, are not taken for absent."""

    def stride_and_edit(*arguments: object) -> Stride:
        told = stride(*arguments)  # type: ignore[arg-type]
        if told.differing:
            (tmp_path / "s/a/late").touch()
            (tmp_path / "s/a/goes").unlink()
        return told

    monkeypatch.setattr(strider, "stride", stride_and_edit)
    same: Children = {"goes": file(), "inner": folder({"f": file()}), "stays": file()}
    found = marched(tmp_path, {"a": folder({**same, "new": file()})}, {"a": folder(same)}, root())

    assert changes(found) == [("deleted", b"a/goes"), ("created", b"a/late"), ("created", b"a/new")]
    assert found.scanned == 1 + 4 + 1


def test_directories_by_the_thousand_are_all_gone_to(tmp_path: Path) -> None:
    source: Children = {"wide": folder({f"{number:04}": folder({"f": file()}) for number in range(1000)})}
    for side in "sd":
        tree(tmp_path / side, source)
        os.utime(tmp_path / side, ns=(T, T))
    for number in range(0, 1000, 7):
        (tmp_path / f"d/wide/{number:04}/f").write_bytes(b"22")
    found = march(context(tmp_path), [root()], lambda _: False, lambda: None)

    assert found.scanned == 1 + 1000 + 1000
    assert changes(found) == [("modified", b"wide/%04d/f" % number) for number in range(0, 1000, 7)]


def test_directories_that_lack_excluded_files_alone_take_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Children = {
        "a": folder({"f": file(), "1.log": file(), "2.log": file()}),
        "b": folder({"f": file()}),
    }
    old: Children = {"a": folder({"f": file()}), "b": folder({"f": file(b"22")})}
    stepped: list[bytes] = []
    take = Step.run

    def noted(step: Step) -> None:
        stepped.append(step.directory.path)
        take(step)

    monkeypatch.setattr(Step, "run", noted)
    found = marched(tmp_path, source, old, root(exclude=("*.log",)))

    assert stepped == [b"", b"b"]
    assert changes(found) == [("modified", b"b/f")]
    assert (found.scanned, found.destination_entries) == (2 + 3 + 1, 2 + 1 + 1)


@pytest.mark.parametrize("name", ["kept", "1.log/", ".ignore"])
def test_other_directories_take_one(tmp_path: Path, name: str) -> None:
    """A file that is not excluded, a directory, an ignore file."""
    more: Children = {name.rstrip("/"): folder({}) if name.endswith("/") else file(b"x")}
    source: Children = {"a": folder({"f": file(), "2.log": file(), **more})}
    at = root(exclude=("*.log",))
    if name == ".ignore":
        at = at._replace(scope=structs.replace(at.scope, ignore_files=(b".ignore",)))
    found = marched(tmp_path, source, {"a": folder({"f": file()})}, at)

    assert [path for _, path in changes(found)] == [b"a/" + name.encode()] * (not name.endswith("/"))

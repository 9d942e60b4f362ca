"""The march: what differs, what is kept, what is unknown; the same on any executor."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from dirsync.compare.rules import rules_for
from dirsync.errors import Cancelled, RunError
from dirsync.filters import scope_of
from dirsync.march.driver import march_on, march_tree
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.march import march
from dirsync.march.marching import Piece
from dirsync.march.workers import worker_processes
from dirsync.model.capabilities import Capabilities
from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import PatternLine
from dirsync.model.stop import Deadline, Stop
from dirsync.trees import fsops
from tests.jobs import sync_job
from tests.trees import Children, Fifo, File, HardLink, Link, tree
from tests.trees import Directory as Folder

T = 1_600_000_000_000_000_000


def context(place: Path, **more: bool) -> Context:
    job = sync_job(place / "s", place / "d")
    return Context(
        source=job.source,
        destination=job.destination,
        rules=rules_for(job, source=Capabilities(), destination=Capabilities()),
        destination_device=os.stat(place / "d").st_dev,
        delete_excluded=more.get("delete_excluded", False),
        skip_symlinks=more.get("skip_symlinks", False),
        hard_links=more.get("hard_links", False),
    )


def _never(_: Piece) -> bool:
    return False


def _go_on() -> None: ...


def root(exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()) -> Directory:
    return Directory(b"", Sides.BOTH, scope_of(include=lines(include), exclude=lines(exclude)))


def lines(patterns: tuple[str, ...]) -> tuple[PatternLine, ...]:
    return tuple(PatternLine(text.encode(), "test", number) for number, text in enumerate(patterns, 1))


def marched(
    place: Path, source: Children, destination: Children, at: Directory | None = None, **more: bool
) -> Found:
    tree(place / "s", source)
    tree(place / "d", destination)
    return march(context(place, **more), [at or root()], _never, _go_on)


def changes(found: Found) -> list[tuple[str, bytes]]:
    return [(change.kind.value, change.path) for change in all_changes(found)]


def all_changes(found: Found) -> list[Change]:
    return found.changes + [change for files in found.new_files for change in files.changes()]


def test_equal_trees_have_no_changes(tmp_path: Path) -> None:
    same: Children = {"a": File(b"1", mtime_ns=T), "d": {"l": Link("x", mtime_ns=T)}}
    found = marched(tmp_path, same, same)

    assert [change for change in changes(found) if change[0] != "metadata"] == []
    assert found.scanned == 3


def test_files_with_several_names_are_found_in_equal_directories(tmp_path: Path) -> None:
    """Directories have several links too, and what is excluded has none that count."""
    one: Children = {
        **{f"{number:04}": File(b"", mtime_ns=T) for number in range(5000)},
        "a": File(b"1", mtime_ns=T),
        "a.log": HardLink("a"),
        "b": HardLink("a"),
        "d": Folder({"e": {}, "f": {}}, mtime_ns=T),
        "z": File(b"2", mtime_ns=T),
    }
    other: Children = {**one, "a": File(b"1", mtime_ns=T), "a.log": HardLink("0000")}
    other = {**other, "b": File(b"1", mtime_ns=T), "z": File(b"2", mtime_ns=T)}
    found = marched(tmp_path, one, other, root(exclude=("*.log",)), hard_links=True)

    linked = {fact.path: (fact.names, fact.change) for fact in found.linked}
    assert linked == {b"0000": (2, None), b"a": (1, None), b"b": (1, None)}
    assert len({fact.source for fact in found.linked if fact.path != b"0000"}) == 1


def test_changes_come_sorted_and_a_directory_before_what_it_holds(tmp_path: Path) -> None:
    found = marched(tmp_path, {"b": {"x": b"1"}, "a": b"1"}, {"c": {"y": b"1"}})

    assert changes(found) == [
        ("created", b"a"),
        ("created", b"b"),
        ("deleted", b"c"),
        ("deleted", b"c/y"),
        ("created", b"b/x"),
    ]


def test_an_mtime_of_a_directory_is_news_only_where_nothing_in_it_explains_it(tmp_path: Path) -> None:
    source: Children = {"quiet": {}, "busy": {"new": b""}}
    tree(tmp_path / "s", source)
    tree(tmp_path / "d", {"quiet": {}, "busy": {}})
    for name in ("quiet", "busy"):
        os.utime(tmp_path / "d" / name, ns=(0, 0))
    os.utime(tmp_path / "s", ns=(0, 0))
    os.utime(tmp_path / "d", ns=(0, 0))
    found = march(context(tmp_path), [root()], _never, _go_on)

    assert changes(found) == [("metadata", b"quiet"), ("created", b"busy/new")] or changes(found) == [
        ("created", b"busy/new"),
        ("metadata", b"quiet"),
    ]
    assert [touched.new.path for touched in found.touched] == [b"busy"]


def test_special_files_are_named_and_what_stands_in_their_place_is_kept(tmp_path: Path) -> None:
    found = marched(tmp_path, {"pipe": Fifo()}, {"pipe": b"a file"})

    assert found.specials == [b"pipe"]
    assert found.kept == [b"pipe"]
    assert changes(found) == []


def test_excluded_files_of_the_destination_are_kept(tmp_path: Path) -> None:
    found = marched(tmp_path, {}, {"d": {"x.log": b"", "y": b""}}, root(exclude=("*.log",)))

    assert changes(found) == [("deleted", b"d"), ("deleted", b"d/y")]
    assert found.kept == [b"d/x.log"]


def test_delete_excluded_reaches_into_excluded_directories(tmp_path: Path) -> None:
    source: Children = {"d": {"x": File(b"", mtime_ns=T)}}
    found = marched(tmp_path, source, source, root(exclude=("d/",)), delete_excluded=True)

    assert [change for change in changes(found) if change[1]] == [("deleted", b"d"), ("deleted", b"d/x")]


def test_an_excluded_directory_in_the_way_of_a_file_is_a_failure(tmp_path: Path) -> None:
    found = marched(tmp_path, {"d": b""}, {"d": {}}, root(exclude=("d/",)))

    assert [failure.path for failure in found.failures] == [b"d"]
    assert changes(found) == []


def test_a_directory_that_is_only_passed_through_is_not_selected(tmp_path: Path) -> None:
    found = marched(tmp_path, {"d": {"x.jpg": b"", "y": b""}, "z": b""}, {}, root(include=("*.jpg",)))

    assert [(change.path, change.selected) for change in found.changes] == [(b"d", False), (b"d/x.jpg", True)]


def test_skipped_symlinks_leave_alone_what_the_destination_has(tmp_path: Path) -> None:
    found = marched(
        tmp_path, {"l": Link("x"), "m": Link("y")}, {"l": b"1", "n": Link("z")}, skip_symlinks=True
    )

    assert changes(found) == []
    assert found.kept == [b"l", b"n"]


def test_temporary_files_are_strays_at_the_destination_and_invisible_at_the_source(tmp_path: Path) -> None:
    name = fsops.temporary_name()
    found = marched(tmp_path, {name: b"1"}, {name: b"2", "d": {name: b""}})

    assert [stray.path for stray in found.strays] == [name, b"d/" + name]
    assert changes(found) == [("deleted", b"d")]


def test_what_dirsync_keeps_at_the_top_is_no_part_of_either_tree(tmp_path: Path) -> None:
    found = marched(tmp_path, {".dirsync": {"a": b""}}, {".dirsync": {"b": b""}}, delete_excluded=True)

    assert [change for change in changes(found) if change[1]] == []


def test_budget_spent_leaves_the_rest_for_another_march(tmp_path: Path) -> None:
    tree(tmp_path / "s", {str(n): {"x": b"1"} for n in range(5)})
    tree(tmp_path / "d", {})
    first = march(context(tmp_path), [root()], lambda found: found.seen >= 1, _go_on)

    assert [directory.path for directory in first.subdirectories] == [b"0", b"1", b"2", b"3", b"4"]
    assert first.scanned == 5


def test_a_pool_finds_what_one_process_finds(tmp_path: Path) -> None:
    source: Children = {str(n): {"x": b"1", "d": {"y": b"2", "l": Link(str(n))}} for n in range(50)}
    destination: Children = {str(n): {"x": b"22", "e": {"z": b""}} for n in range(25, 75)}
    inline = marched(tmp_path, source, destination)
    deadline = Deadline(Stop(), timeout_seconds=None)
    with worker_processes(2) as executor:
        pieces = list(
            march_on(
                partial(march, context(tmp_path)), [root()], executor=executor, tasks=4, check=deadline.check
            )
        )

    assert sorted(c for piece in pieces for c in changes(piece)) == sorted(changes(inline))
    assert sum(piece.scanned for piece in pieces) == inline.scanned


def test_a_march_hears_a_request_to_stop(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    tree(tmp_path / "d", {})
    stop = Stop()
    stop.request(15)
    deadline = Deadline(stop, timeout_seconds=None)
    with pytest.raises(Cancelled, match="signal 15"):
        list(march_tree(partial(march, context(tmp_path)), [root()], workers=2, check=deadline.check))


def test_a_directory_on_one_side_only_is_listed_there_only(tmp_path: Path) -> None:
    found = marched(tmp_path, {"new": {"x": b""}}, {"old": {"y": b""}})

    kinds = {change.path: change.kind for change in all_changes(found)}
    assert kinds[b"new/x"] is ChangeKind.CREATED
    assert kinds[b"old/y"] is ChangeKind.DELETED


def test_a_worker_that_is_killed_ends_the_run_with_one_line(tmp_path: Path) -> None:
    tree(tmp_path / "s", {str(n): {} for n in range(20)})
    tree(tmp_path / "d", {})
    deadline = Deadline(Stop(), timeout_seconds=None)
    with worker_processes(1) as executor:
        executor.submit(os.kill, executor.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(RunError, match="was killed"):
            list(
                march_on(
                    partial(march, context(tmp_path)),
                    [root()],
                    executor=executor,
                    tasks=2,
                    check=deadline.check,
                )
            )


def test_a_directory_that_is_to_be_moved_is_told_of_at_its_new_path(tmp_path: Path) -> None:
    found = marched(
        tmp_path,
        {"new": {"same": File(b"1", mtime_ns=T), "sub": {"f": File(b"22", mtime_ns=T)}, "more": b"1"}},
        {"old": {"same": File(b"1", mtime_ns=T), "sub": {"f": File(b"4444", mtime_ns=T)}, "less": b"1"}},
        at=Directory(b"new", Sides.BOTH, root().scope, destination_path=b"old"),
    )

    assert changes(found) == [
        ("deleted", b"new/less"),
        ("created", b"new/more"),
        ("modified", b"new/sub/f"),
    ]
    assert {change.old.path for change in found.changes if change.old} == {b"new/less", b"new/sub/f"}

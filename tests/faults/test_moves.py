"""Whole runs after a rename in the source: what moves, what does not, and what is never mixed up."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import (
    Compare,
    Comparison,
    DeletePolicy,
    Guard,
    JobType,
    Limit,
    OnTrip,
    PatternLine,
)
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.run import approve_job, run_job
from dirsync.trees import fsops, hashing
from tests.jobs import Watched, run, sync_job
from tests.sweeps.gates import was_killed
from tests.trees import Children, File, HardLink, Link, differences, inodes, snapshot, tree

T = 1_600_000_000_000_000_000


class Told(Watched):
    """An observer that says in short what it was told."""

    @property
    def lines(self) -> list[str]:
        """What was told, in short."""
        return [line(change) for change in self.changes]


def line(change: Change) -> str:
    """Write a change in short, as a test reads it."""
    old = f"{os.fsdecode(change.old.path)} > " if change.kind is ChangeKind.MOVED and change.old else ""
    aspects = " ".join(sorted(aspect.value for aspect in change.aspects))
    return f"{change.kind.value} {old}{os.fsdecode(change.path)}{f' ({aspects})' if aspects else ''}"


class Place:
    """A source, its mirror, and the job between them, on tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path / "s"
        self.mirror = path / "d"
        self.job = sync_job(self.source, self.mirror)

    def holds(self, children: Children) -> None:
        """Make the source, and its mirror by a first run."""
        tree(self.source, children)
        assert run(self.job, state=self.path / "state").outcome is Outcome.SUCCEEDED

    def rename(self, old: str, new: str) -> None:
        os.rename(self.source / old, self.source / new)

    def run(self, *, dry_run: bool = False) -> tuple[RunResult, Told]:
        watched = Told()
        result = run_job(
            self.job, state=str(self.path / "state"), observer=watched, stop=Stop(), dry_run=dry_run
        )
        return result, watched

    def lines(self) -> list[str]:
        """Run, see that the two sides agree and that a second run is idle, and give what was told."""
        result, watched = self.run()
        assert result.outcome is Outcome.SUCCEEDED, (result, watched.failures)
        self.assert_equal()
        return watched.lines

    def assert_equal(self) -> None:
        assert not differences(snapshot(self.source), snapshot(self.mirror))
        assert self.run()[0].counts.changes == 0


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="moves-", dir="/dev/shm") as path:
        os.chmod(path, 0o755)
        yield Place(Path(path))


def test_no_file_is_written_to_its_disk_to_be_known_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was just renamed is young: to flush each took longer than to copy it."""
    place.holds({"a": b"1", "b": b"2"})
    place.rename("a", "c")
    place.rename("b", "d")
    passed: list[str] = []
    monkeypatch.setattr(fsops, "gate", passed.append)

    assert place.lines() == ["moved a > c", "moved b > d"]
    assert "sync_file" not in passed


def files(count: int, *, mark: str = "") -> dict[str, bytes]:
    return {f"f{number:05}": f"{mark}{number:05}".encode() for number in range(count)}


def test_a_renamed_directory_of_10000_files_is_one_rename_and_one_line(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.holds({"old": files(10_000), "kept": b"1"})
    before = inodes(place.mirror)
    place.rename("old", "new")
    passed: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", passed.append)
        patched.setattr(
            hashing, "hash_handle", None
        )  # what was copied and not touched since needs no reading
        result, watched = place.run()

    assert watched.lines == ["moved old > new"]
    assert (result.counts.moved, result.counts.bytes_copied, result.counts.deleted) == (1, 0, 0)
    assert passed == ["move_to_free_name", "set_mtime", "set_mtime"]  # the directory's and its parent's
    assert inodes(place.mirror)[b"new/f00042"] == before[b"old/f00042"]
    place.assert_equal()


def test_a_first_run_over_an_equal_mirror_leaves_content_to_decide(place: Place) -> None:
    tree(place.source, {"old": files(100), "x": b"1"})
    subprocess.run(["cp", "-a", place.source, place.mirror], check=True)
    assert place.run()[0].counts.changes == 0
    place.rename("old", "new")

    assert place.lines() == ["moved old > new"]


def test_a_renamed_file_moves_and_one_that_is_edited_as_well_is_copied(place: Place) -> None:
    place.holds({"a": b"plain", "b": b"edited", "d": {"c": b"deep"}})
    place.rename("a", "a2")
    place.rename("d/c", "c2")
    place.rename("b", "b2")
    (place.source / "b2").write_bytes(b"edited more")

    assert sorted(place.lines()) == ["created b2", "deleted b", "moved a > a2", "moved d/c > c2"]


def test_what_differs_in_a_renamed_directory_is_told_at_its_new_path(place: Place) -> None:
    place.holds({"old": {**files(20), "sub": {"x": b"1", "y": b"2"}, "gone": b"1", "l": Link("x")}})
    place.rename("old", "new")
    (place.source / "new/sub/x").write_bytes(b"edited")
    (place.source / "new/more").mkdir()
    (place.source / "new/more/z").write_bytes(b"fresh")
    os.unlink(place.source / "new/gone")
    os.chmod(place.source / "new/sub/y", 0o600)
    os.chmod(place.source / "new", 0o700)

    assert sorted(place.lines()) == [
        "created new/more",
        "created new/more/z",
        "deleted new/gone",
        "metadata new/sub/y (mode)",
        "modified new/sub/x (mtime size)",
        "moved old > new (mode mtime)",
    ]


def test_kinds_change_within_a_renamed_directory(place: Place) -> None:
    place.holds({"old": {**files(9), "a": {"b": {"c": b"1"}}, "e": b"1"}})
    place.rename("old", "new")
    subprocess.run(["rm", "-r", place.source / "new/a", place.source / "new/e"], check=True)
    tree(place.source / "new", {"a": b"a file by now", "e": {"f": b"a directory by now"}})

    assert sorted(place.lines()) == [
        "created new/e/f",
        "deleted new/a/b",
        "deleted new/a/b/c",
        "modified new/a (kind)",
        "modified new/e (kind)",
        "moved old > new",
    ]


def test_renamed_twice_between_two_runs_and_again_before_the_next(place: Place) -> None:
    place.holds({"a": files(10)})
    place.rename("a", "b")
    place.rename("b", "c")
    assert place.lines() == ["moved a > c"]
    place.rename("c", "d")

    assert place.lines() == ["moved c > d"]


def test_moved_into_a_new_directory(place: Place) -> None:
    place.holds({"a": files(10), "f": b"1"})
    (place.source / "new").mkdir()
    (place.source / "new/deep").mkdir()
    place.rename("a", "new/deep/a")
    place.rename("f", "new/f")

    assert place.lines() == ["created new", "created new/deep", "moved a > new/deep/a", "moved f > new/f"]


@pytest.mark.parametrize("out", ["a-before", "z-after"])
def test_a_directory_moved_out_of_a_moved_directory(place: Place, out: str) -> None:
    place.holds({"old": {**files(10), "sub": files(5, mark="sub")}})
    place.rename("old/sub", out)
    place.rename("old", "new")
    lines = place.lines()

    assert lines in (
        ["moved old/sub > a-before", "moved old > new"],
        ["moved old > new", "moved new/sub > z-after"],
    )
    place.rename(out, "new/again")
    assert place.lines() == [f"moved {out} > new/again"]


def test_a_directory_moved_deeper_into_a_moved_directory(place: Place) -> None:
    place.holds({"old": {**files(10), "sub": files(5, mark="sub")}, "other": files(5, mark="other")})
    place.rename("old", "new")
    (place.source / "new/x").mkdir()
    place.rename("new/sub", "new/x/sub")
    place.rename("other", "new/x/other")
    place.rename("new/f00001", "new/x/f")

    assert place.lines() == [
        "moved old > new",
        "created new/x",
        "moved other > new/x/other",
        "moved new/sub > new/x/sub",
        "moved new/f00001 > new/x/f",
    ]


def test_a_directory_and_the_one_above_it_change_places(place: Place) -> None:
    place.holds({"a": {**files(5), "b": files(7, mark="b")}})
    place.rename("a/b", "b2")
    place.rename("a", "b2/a2")

    assert place.lines() == ["moved a/b > b2", "moved a > b2/a2"]


def test_a_new_directory_in_the_place_of_one_moved_out_is_not_taken_for_it(place: Place) -> None:
    place.holds({"old": {**files(10), "sub": files(5, mark="sub")}})
    place.rename("old/sub", "a")
    (place.source / "old/sub").mkdir()
    (place.source / "old/sub/f00000").write_bytes(b"sub99999")
    place.rename("old", "new")

    assert "moved old/sub > a" in place.lines()


def test_equal_size_and_mtime_with_other_content_are_never_paired(place: Place) -> None:
    place.holds({"a": File(b"one", mtime_ns=T), "d": {"x": File(b"one", mtime_ns=T)}, "keep": b"1"})
    os.unlink(place.source / "a")
    subprocess.run(["rm", "-r", place.source / "d"], check=True)
    tree(place.source, {"b": File(b"two", mtime_ns=T), "e": {"x": File(b"six", mtime_ns=T)}})

    assert sorted(place.lines()) == [
        "created b",
        "created e",
        "created e/x",
        "deleted a",
        "deleted d",
        "deleted d/x",
    ]


def test_an_inode_number_that_is_used_again_proves_nothing(tmp_path: Path) -> None:
    """ext4 and its like give the number of a file just removed to the next one that is made."""
    place = Place(tmp_path)
    place.holds({"a": File(b"one", mtime_ns=T), "d": {"x": File(b"one", mtime_ns=T)}, "keep": b"1"})
    os.unlink(place.source / "a")
    tree(place.source, {"b": File(b"two", mtime_ns=T)})
    subprocess.run(["rm", "-r", place.source / "d"], check=True)
    tree(place.source, {"e": {"x": File(b"two", mtime_ns=T)}})

    assert [text for text in place.lines() if text.startswith("moved")] == []


def test_an_edit_that_hides_in_size_and_mtime_is_found_in_a_renamed_directory(place: Place) -> None:
    place.holds({"old": {**files(10), "x": File(b"one", mtime_ns=T)}})
    place.rename("old", "new")
    (place.source / "new/x").write_bytes(b"two")
    os.utime(place.source / "new/x", ns=(T, T))

    assert place.lines() == ["moved old > new", "modified new/x (hash)"]


def test_rows_of_another_mirror_are_not_believed(place: Place) -> None:
    place.holds({"old": {"x": File(b"one", mtime_ns=T), "y": b"1"}})
    os.rename(place.mirror, place.path / "first disk")
    tree(place.mirror, {"old": {"x": File(b"two", mtime_ns=T)}})
    subprocess.run(["cp", "-a", place.path / "first disk/old/y", place.mirror / "old/y"], check=True)
    place.rename("old", "new")

    assert "moved old > new" in place.lines()


def test_empty_files_move_only_with_their_name(place: Place) -> None:
    place.holds({"a": File(mtime_ns=T), "d": {"b": File(mtime_ns=T)}, "keep": b"1"})
    place.rename("a", "a2")
    place.rename("d/b", "b")

    assert sorted(place.lines()) == ["created a2", "deleted a", "moved d/b > b"]


def test_equal_files_are_told_apart_by_name(place: Place) -> None:
    place.holds({"old": {n: File(b"same", mtime_ns=T) for n in "abc"}, "keep": {}})
    for name in "abc":
        place.rename(f"old/{name}", f"keep/{name}")

    assert sorted(place.lines()) == [f"moved old/{name} > keep/{name}" for name in "abc"]


def test_equal_directories_move_each(place: Place) -> None:
    some = {f"{n}": File(f"{n}".encode(), mtime_ns=T) for n in range(3)}
    place.holds({"a": some, "b": some, "keep": b"1"})
    subprocess.run(["rm", "-r", place.source / "a", place.source / "b"], check=True)
    tree(place.source, {"c": some, "d": some})

    assert [text.split()[0] for text in place.lines()] == ["moved", "moved"]


def test_a_directory_of_directories_moves_by_what_is_in_them(place: Place) -> None:
    some = {"x": {"y": {"f": File(b"1", mtime_ns=T)}}, "z": {}}
    place.holds({"a": some, "keep": b"1"})
    subprocess.run(["rm", "-r", place.source / "a"], check=True)
    tree(place.source, {"b": some})

    assert [text for text in place.lines() if not text.startswith("metadata")] == ["moved a > b (mtime)"]


def test_links_and_empty_directories_are_made_anew(place: Place) -> None:
    place.holds({"l": Link("x", mtime_ns=T), "keep": b"1"})
    place.rename("l", "m")

    assert place.lines() == ["created m", "deleted l"]


def test_metadata_is_set_along_with_a_move(place: Place) -> None:
    place.holds({"a": File(b"1", mode=0o644), "keep": b"1"})
    place.rename("a", "b")
    os.chmod(place.source / "b", 0o600)
    os.chown(place.source / "b", 1000, 1000)

    assert place.lines() == ["moved a > b (mode ownership)"]


def test_a_snapshot_by_hard_links_keeps_metadata_when_a_file_moves(place: Place) -> None:
    place.holds({"a": File(b"1", mode=0o644), "b": b"22", "keep": b"1"})
    (place.path / "snapshot").mkdir()
    for name in "ab":
        os.link(place.mirror / name, place.path / "snapshot" / name)
    before = snapshot(place.path / "snapshot")
    place.rename("a", "a2")
    place.rename("b", "b2")
    os.chmod(place.source / "a2", 0o600)

    assert sorted(place.lines()) == ["created a2", "deleted a", "moved b > b2"]
    assert not differences(before, snapshot(place.path / "snapshot"))


def test_guards_count_after_pairing(place: Place) -> None:
    place.holds({"old": files(100), "keep": b"1"})
    place.rename("old", "new")
    place.job = structs.replace(
        place.job, guard=Guard(max_delete=Limit(absolute=0), max_change=Limit(absolute=1))
    )
    assert place.lines() == ["moved old > new"]
    place.rename("new", "newer")
    place.job = structs.replace(place.job, guard=Guard(max_change=Limit(absolute=0)))

    assert place.run()[0].outcome is Outcome.HELD


@pytest.mark.parametrize(
    "changed",
    [
        {"moves": False},
        {"delete": DeletePolicy.KEEP},
        {"type": JobType.CHECK},
        {"exclude": (PatternLine(b"f00003", "test", 1),)},
        {"exclude": (PatternLine(b"/old/f00003", "test", 1),)},
        {"exclude": (PatternLine(b"/new/f00003", "test", 1),)},
        {"include": (PatternLine(b"f00003", "test", 1),)},
    ],
    ids=str,
)
def test_no_directory_moves_where_it_must_not(place: Place, changed: dict[str, object]) -> None:
    place.holds({"old": files(10), "keep": b"1"})
    place.rename("old", "new")
    place.job = structs.replace(place.job, **changed)

    assert "moved old > new" not in place.run()[1].lines


def test_excluded_content_of_a_renamed_directory_stays_where_it_was(place: Place) -> None:
    place.job = structs.replace(place.job, exclude=(PatternLine(b"*.log", "test", 1),))
    place.holds({"old": {**files(3), "a.log": b"1"}})
    (place.mirror / "old/mine.log").write_bytes(b"somebody's")
    place.rename("old", "new")

    assert [text.split()[0] for text in place.run()[1].lines] == ["created", "moved", "moved", "moved"]
    assert os.listdir(place.mirror / "old") == ["mine.log"]
    assert place.run()[0].counts.changes == 0


def test_ignore_files_hold_in_a_renamed_directory(place: Place) -> None:
    place.job = structs.replace(place.job, ignore_files=(b".ignore",))
    place.holds({".ignore": b"*.log", "old": {**files(3), ".ignore": b"*.tmp", "a.log": b"1", "a.tmp": b"1"}})
    place.rename("old", "new")
    _, watched = place.run()

    assert watched.lines == ["moved old > new"]
    assert sorted(os.listdir(place.mirror / "new")) == [".ignore", "f00000", "f00001", "f00002"]
    assert place.run()[0].counts.changes == 0


def test_nothing_moves_across_a_mount(place: Place) -> None:
    place.holds({"old": files(5), "f": b"1", "disk": {"x": b"1"}})
    subprocess.run(["mount", "--bind", place.mirror / "disk", place.mirror / "disk"], check=True)
    try:
        place.rename("old", "disk/new")
        place.rename("f", "disk/f")
        assert [text for text in place.lines() if text.startswith("moved")] == []
    finally:
        subprocess.run(["umount", place.mirror / "disk"], check=True)


def test_a_dry_run_shows_the_move_and_changes_nothing(place: Place) -> None:
    place.holds({"old": files(5)})
    place.rename("old", "new")
    before = snapshot(place.mirror)
    result, watched = place.run(dry_run=True)

    assert watched.lines == ["moved old > new"]
    assert result.counts.moved == 1
    assert not differences(before, snapshot(place.mirror))


def test_a_hash_comparison_reads_every_file_that_moves(place: Place) -> None:
    place.job = structs.replace(
        place.job, comparison=Comparison(by=frozenset({Compare.SIZE, Compare.MTIME, Compare.HASH}))
    )
    place.holds({"old": {**files(5), "x": File(b"one", mtime_ns=T)}})
    (place.mirror / "old/x").write_bytes(b"rot")
    os.utime(place.mirror / "old/x", ns=(T, T))
    place.rename("old", "new")

    assert place.lines() == ["moved old > new", "modified new/x (hash)"]


def test_a_source_with_hard_links_moves_too(place: Place) -> None:
    place.holds({"old": {"a": b"one", "b": HardLink("a"), "c": b"2"}})
    place.rename("old", "new")

    assert place.lines() == ["moved old > new"]


@pytest.mark.parametrize("new", ["new", "other/new"])
def test_a_move_that_is_refused_is_one_failure_and_the_next_run_copies(
    place: Place, monkeypatch: pytest.MonkeyPatch, new: str
) -> None:
    place.holds({"up": {"old": {**files(5), "sub": {"x": b"1"}}}, "other": {}})
    place.rename("up/old", new)
    (place.source / new / "sub/y").write_bytes(b"2")
    os.rmdir(place.source / "up")

    def refuse(operation: str) -> None:
        if operation == "move_to_free_name":
            raise OSError(18, os.strerror(18))

    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", refuse)
        result, watched = place.run()
        assert result.outcome is Outcome.PARTIAL
        assert [(failure.path, failure.reason) for failure in watched.failures] == [
            (new.encode(), f"cannot be moved from 'up/old': {os.strerror(18)}")
        ]
        assert watched.lines == []
        assert [text for text in place.lines() if text.startswith("moved")] == []
    place.rename(new, "again")
    assert place.lines() == [f"moved {new} > again"]


def test_what_changed_at_the_destination_since_is_not_moved(place: Place) -> None:
    place.holds({"a": b"one", "b": {"x": b"two"}, "keep": b"1"})
    place.rename("a", "a2")
    place.rename("b", "b2")

    class Meddling(Told):
        def planned(self, totals: object) -> None:
            (place.mirror / "a").write_bytes(b"somebody's")
            os.rename(place.mirror / "b", place.path / "aside")
            (place.mirror / "b").mkdir()
            (place.mirror / "b/mine").write_bytes(b"somebody's")

    watched = Meddling()
    result = run_job(place.job, state=str(place.path / "state"), observer=watched, stop=Stop())

    assert result.outcome is Outcome.PARTIAL
    assert {failure.path for failure in watched.failures} == {b"a2", b"b2"}
    assert (place.mirror / "a").read_bytes() == b"somebody's"
    assert (place.mirror / "b/mine").read_bytes() == b"somebody's"


def test_what_appeared_at_the_new_place_is_left_alone(place: Place) -> None:
    place.holds({"a": b"one", "b": {"x": b"two"}, "keep": b"1"})
    place.rename("a", "a2")
    place.rename("b", "b2")

    class Meddling(Told):
        def planned(self, totals: object) -> None:
            (place.mirror / "a2").write_bytes(b"somebody's")
            (place.mirror / "b2").mkdir()

    result = run_job(place.job, state=str(place.path / "state"), observer=Meddling(), stop=Stop())

    assert result.outcome is Outcome.PARTIAL
    assert (place.mirror / "a2").read_bytes() == b"somebody's"
    assert (place.mirror / "a").read_bytes() == b"one"
    assert (place.mirror / "b/x").read_bytes() == b"two"


def test_killed_between_the_rename_and_its_record(place: Place) -> None:
    """The rows of the run before must not be taken for what is there now."""
    place.holds({"a": {"x": File(b"one", mtime_ns=T)}, "b": {"x": File(b"two", mtime_ns=T)}, "k": b"1"})
    place.rename("a", "c")
    child = os.fork()
    if child == 0:
        try:
            fsops.gate = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == "set_mtime" else None
            place.run()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert os.listdir(place.mirror / "c") == ["x"]
    place.rename("b", "a")  # another object in the place that the row speaks of
    assert place.lines() == ["moved b > a"]
    place.rename("c", "d")
    subprocess.run(["rm", "-r", place.source / "a"], check=True)

    assert sorted(place.lines()) == ["deleted a", "deleted a/x", "moved c > d"]


def rows(place: Place) -> dict[bytes, int]:
    """Read which paths are remembered, each with a ctime."""
    with contextlib.closing(sqlite3.connect(place.path / "state/ledger.db")) as database:
        return dict(database.execute("SELECT path, ctime_ns FROM identities"))


def ctimes(place: Place) -> dict[bytes, int]:
    files = (path for path in place.source.rglob("*") if path.is_file())
    return {os.fsencode(path.relative_to(place.source)): os.stat(path).st_ctime_ns for path in files}


def cut_off(place: Place, *, at: str) -> None:
    """Run the job, and kill it when it is about to do something."""
    child = os.fork()
    if child == 0:
        try:
            fsops.gate = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == at else None
            place.run()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_an_edited_file_is_remembered_as_it_is_now_and_believed_when_it_moves(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.holds({"a": {**files(3), "x": b"1"}})
    (place.source / "a/x").write_bytes(b"22")  # in place: the same object
    os.replace(tree(place.path / "new", {"f": b"333"}) / "f", place.source / "a/f00001")  # another one
    assert sorted(place.lines()) == ["modified a/f00001 (mtime size)", "modified a/x (mtime size)"]
    assert {path: rows(place)[path] for path in ctimes(place)} == ctimes(place)
    place.rename("a", "b")
    monkeypatch.setattr(hashing, "hash_handle", None)

    assert place.lines() == ["moved a > b"]


def test_a_replica_that_was_edited_is_not_believed_after_a_run_that_was_cut_off(place: Place) -> None:
    """The row of a file that alone changed at the destination goes before that is copied anew."""
    place.holds({"D": {**files(3), "f": File(b"good!", mtime_ns=T)}})
    (place.mirror / "D/f").write_bytes(b"evil!")
    os.utime(place.mirror / "D/f", ns=(T, T))
    plain = place.job
    place.job = structs.replace(plain, comparison=Comparison(by=frozenset({Compare.HASH})))
    cut_off(place, at="rename")
    assert (place.mirror / "D/f").read_bytes() == b"evil!"
    assert b"D/f" not in rows(place)
    place.job = plain
    place.rename("D", "E")

    assert place.lines() == ["moved D > E", "modified E/f (hash)"]
    assert (place.mirror / "E/f").read_bytes() == b"good!"


def test_a_row_that_stayed_when_a_run_was_cut_off_is_not_believed(place: Place) -> None:
    place.holds({"D": {**files(3), "f": File(b"good!", mtime_ns=T)}})
    before = rows(place)
    (place.source / "D/f").write_bytes(b"newer")
    cut_off(place, at="rename")
    assert rows(place) == before
    (place.mirror / "D/f").write_bytes(b"evil!")
    for side in (place.source, place.mirror):
        os.utime(side / "D/f", ns=(T + 5, T + 5))
    place.rename("D", "E")

    assert place.lines() == ["moved D > E", "modified E/f (hash)"]


def test_two_paths_of_one_object_are_remembered_by_one_row_that_is_true(place: Place) -> None:
    place.holds({"a": File(b"1", mtime_ns=T), "b": File(b"2", mtime_ns=T), "k": b"3"})
    os.link(place.source / "a", place.source / "link")
    os.replace(place.source / "link", place.source / "b")  # the object of `a` is at `b` as well
    (place.source / "a").write_bytes(b"44")
    assert sorted(place.lines()) == ["modified a (mtime size)", "modified b (mtime size)"]
    found = rows(place)

    assert len(found) == 2
    assert {path: ctimes(place)[path] for path in found} == found


def test_a_plain_user_moves_what_is_read_only(place: Place) -> None:
    place.holds({})
    nobody = 65534
    tree(place.source, {"up": {"old": {**files(3), "deep": {"x": b"1"}}}, "to": {}})
    subprocess.run(["chown", "-R", f"{nobody}:{nobody}", place.path], check=True)

    def as_nobody() -> bool:
        def closed(mode: int) -> None:
            for path in ("up", "to", "up/old", "new", "to/new"):
                if (place.source / path).exists():
                    os.chmod(place.source / path, mode)

        place.lines()
        closed(0o555)
        place.lines()
        closed(0o755)
        place.rename("up/old", "to/new")
        closed(0o555)
        moved = [text for text in place.lines() if text.startswith("moved")]
        return (
            moved == ["moved up/old > to/new"]
            and stat.S_IMODE(os.stat(place.mirror / "to/new").st_mode) == 0o555
        )

    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(nobody, nobody, nobody)
            os.setresuid(nobody, nobody, nobody)
            code = 0 if as_nobody() else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    subprocess.run(["chmod", "-R", "u+w", place.path], check=True)


def nested_renames(place: Place) -> list[str]:
    """Rename directories into, out of and within each other; give the paths of all files."""
    place.holds(
        {
            "old": {**files(6), "sub": files(3, mark="sub"), "deep": {"x": files(2, mark="x")}, "gone": b"1"},
            "up": {"down": files(4, mark="down"), "f": b"a file"},
        }
    )
    place.rename("old/sub", "a")
    place.rename("old", "new")
    place.rename("up/down", "new/down")
    (place.source / "new/made").mkdir()
    place.rename("up/f", "new/made/f")
    place.rename("new/deep/x", "new/made/x")
    os.rmdir(place.source / "up")
    os.unlink(place.source / "new/gone")
    (place.source / "new/f00000").write_bytes(b"edited")
    return [os.fsdecode(path) for path, seen in snapshot(place.source).items() if seen.kind == "file"]


def test_a_held_plan_with_moves_is_approved(place: Place) -> None:
    nested_renames(place)
    place.job = structs.replace(
        place.job, delete=DeletePolicy.TRASH, guard=Guard(max_change=Limit(absolute=0), on_trip=OnTrip.HOLD)
    )
    assert place.run()[0].outcome is Outcome.HELD
    watched = Told()
    result = approve_job(place.job, state=str(place.path / "state"), observer=watched, stop=Stop())

    assert result.outcome is Outcome.SUCCEEDED, watched.failures
    assert result.counts.moved == 5
    assert place.run()[0].counts.changes == 0
    place.rename("new", "newer")
    assert place.run(dry_run=True)[1].lines == ["moved new > newer"]


def test_killed_at_any_operation_no_content_that_moves_is_ever_missing(tmp_path: Path) -> None:
    for at in itertools.count():
        with tempfile.TemporaryDirectory(prefix="moves-", dir="/dev/shm") as path:
            place = Place(Path(path))
            edited = {"new/f00000"}
            moved = [name for name in nested_renames(place) if name not in edited]
            killed = was_killed(place.job, at=at, state=place.path / "state")
            there = {seen.content for seen in snapshot(place.mirror).values()}

            assert {snapshot(place.source)[os.fsencode(name)].content for name in moved} <= there, at
            place.lines()
        if not killed:
            break
    assert at > 10

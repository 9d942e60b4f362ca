"""Hard links, carried over by whole runs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.change import Aspect, Change
from dirsync.model.job import JobType, MirrorJob, PatternLine, Preserve
from dirsync.model.result import Outcome
from dirsync.model.stop import Stop
from dirsync.plan.link_planner import LinkPlanner
from dirsync.runner.observer import Silent, Stage
from dirsync.runner.run import run_job
from dirsync.trees import fsops
from dirsync.trees.local import LocalTree
from tests.jobs import run, sync_job, watched_run
from tests.program import bound
from tests.trees import Children, Directory, File, HardLink, ctimes, differences, inodes, snapshot, tree

T = 1_600_000_000_000_000_000
LATER = T + 10**9


def file(data: bytes = b"x" * 5000, mtime_ns: int = T, mode: int = 0o644) -> File:
    return File(data, mode=mode, mtime_ns=mtime_ns)


def to(name: str) -> HardLink:
    return HardLink(name)


def job_between(place: Path, source: Children, destination: Children) -> MirrorJob:
    tree(place / "s", Directory(source, mtime_ns=T))
    tree(place / "d", Directory(destination, mtime_ns=T))
    return sync_job(place / "s", place / "d")


def assert_becomes_equal(job: MirrorJob, place: Path, *, copied: int) -> None:
    """Run a job: it copies that many bytes, the trees are equal, and a second run does nothing."""
    first, watched = watched_run(job, place)
    assert (first.outcome, watched.failures) == (Outcome.SUCCEEDED, [])
    assert not differences(snapshot(place / "s"), snapshot(place / "d"))
    assert first.counts.bytes_copied == copied

    touched = ctimes(place / "d")
    second = run(job, state=place / "state")
    assert (second.outcome, second.counts.changes) == (Outcome.SUCCEEDED, 0)
    assert ctimes(place / "d") == touched


CASES: dict[str, tuple[Children, Children, int]] = {
    "created": ({"a": file(), "b": to("a"), "d": {"c": to("../a")}}, {}, 5000),
    "one more name": ({"a": file(), "b": to("a"), "c": to("a")}, {"a": file(), "b": to("a")}, 0),
    "one name less": ({"a": file(), "b": to("a")}, {"a": file(), "b": to("a"), "c": to("a")}, 0),
    "separate files": ({"a": file(), "b": to("a"), "c": to("a")}, {"a": file(), "b": file(), "c": file()}, 0),
    "broken up": ({"a": file(), "b": file()}, {"a": file(), "b": to("a")}, 5000),
    "broken up and edited": ({"a": file(), "b": file(b"y" * 7, LATER)}, {"a": file(), "b": to("a")}, 7),
    "regrouped": (
        {"a": file(), "b": file(), "c": to("b"), "d": to("a")},
        {"a": file(), "b": to("a"), "c": file(), "d": to("c")},
        0,
    ),
    "edited": ({"a": file(b"y" * 9, LATER), "b": to("a")}, {"a": file(), "b": to("a")}, 9),
    "other mode": ({"a": file(mode=0o600), "b": to("a")}, {"a": file(mode=0o644), "b": to("a")}, 0),
    "first name gone": ({"b": file(), "c": to("b")}, {"a": file(), "b": to("a"), "c": to("a")}, 0),
    "renamed": ({"x": file(), "y": to("x")}, {"a": file(), "b": to("a")}, 5000),
    "a directory is in the way": ({"a": file(), "b": to("a")}, {"a": file(), "b": {"c": file()}}, 0),
    "linked and of another mode": (
        {"a": file(mode=0o600), "b": to("a")},
        {"a": file(mode=0o644), "b": file(mode=0o600)},
        0,
    ),
    "across directories": (
        {"d": {"a": file()}, "e": {"a": to("../d/a")}, "f": {"g": {"a": to("../../d/a")}}},
        {"d": {"a": file()}, "e": {"a": file()}, "f": {}},
        0,
    ),
    "a file becomes a directory": ({"a": {"x": file()}, "b": to("a/x")}, {"a": file(), "b": to("a")}, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_names_are_grouped_as_in_the_source(tmp_path: Path, case: str) -> None:
    source, destination, copied = CASES[case]

    assert_becomes_equal(job_between(tmp_path, source, destination), tmp_path, copied=copied)


def test_names_that_are_linked_otherwise_are_told_and_checked(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file(), "b": file()})

    checked, told = watched_run(structs.replace(job, type=JobType.CHECK), tmp_path)
    assert [(change.path, change.aspects) for change in told.changes] == [(b"b", frozenset({Aspect.LINKS}))]
    assert checked.counts.metadata == 1


def test_names_outside_the_mirrored_tree_stay_what_they_are(tmp_path: Path) -> None:
    """A snapshot of the destination by links, and excluded names of the source, do no harm."""
    job = job_between(
        tmp_path,
        {"a": file(mode=0o600), "b": to("a"), "c.log": to("a"), "e": file(), "f.log": to("e")},
        {"a": file(mode=0o644), "b": to("a"), "e": file()},
    )
    os.link(tmp_path / "d" / "a", tmp_path / "snapshot")
    before = os.stat(tmp_path / "snapshot")
    job = structs.replace(job, exclude=(PatternLine(b"*.log", "test", 1),))
    run(job, state=tmp_path / "state")

    after = os.stat(tmp_path / "snapshot")
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, 1)
    assert inodes(tmp_path / "d")[b"a"] == inodes(tmp_path / "d")[b"b"] != before.st_ino
    assert run(job, state=tmp_path / "state").counts.changes == 0


def test_linked_files_of_the_destination_that_somebody_keeps_are_linked_to_nonetheless(
    tmp_path: Path,
) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file()})
    os.link(tmp_path / "d" / "a", tmp_path / "snapshot")

    assert_becomes_equal(job, tmp_path, copied=0)
    assert os.stat(tmp_path / "snapshot").st_nlink == 3


def test_the_metadata_of_all_names_is_set_at_once_and_nothing_is_copied(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(mode=0o600), "b": to("a")}, {"a": file(), "b": to("a")})
    before = inodes(tmp_path / "d")
    run(job, state=tmp_path / "state")

    assert inodes(tmp_path / "d") == before
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))


class LinkingWhenPlanned(Silent):
    """An observer that keeps the destination by hard links as soon as the plan is made."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def stage(self, stage: Stage) -> None:
        if stage is Stage.MIRROR:
            os.link(self.place / "d" / "a", self.place / "snapshot")


def test_a_snapshot_that_is_made_during_the_run_is_not_altered(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(mode=0o600), "b": to("a")}, {"a": file(), "b": to("a")})
    observer = LinkingWhenPlanned(tmp_path)
    run_job(job, state=str(tmp_path / "state"), observer=observer, stop=Stop())

    assert stat.S_IMODE(os.stat(tmp_path / "snapshot").st_mode) == 0o644
    run(job, state=tmp_path / "state")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))
    assert stat.S_IMODE(os.stat(tmp_path / "snapshot").st_mode) == 0o644


class StoppingAtTheFirstLink(Silent):
    """An observer that asks to stop when it hears of a linked name."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def changed(self, change: Change) -> None:
        if change.leader is not None:
            self.stop.request(15)


def test_a_request_to_stop_is_heard_between_links(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(), **{f"b{number}": to("a") for number in range(1000)}}, {})
    stop = Stop()
    stopping = StoppingAtTheFirstLink(stop)
    result = run_job(job, state=str(tmp_path / "state"), observer=stopping, stop=stop)

    assert result.outcome is Outcome.CANCELLED
    assert 1 < os.stat(tmp_path / "d" / "a").st_nlink < 1000


def test_without_hardlinks_to_preserve_each_name_is_a_file(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {})
    job = structs.replace(job, preserve=job.preserve - {Preserve.HARDLINKS})
    run(job, state=tmp_path / "state")

    assert os.stat(tmp_path / "d" / "a").st_nlink == 1
    assert run(job, state=tmp_path / "state").counts.changes == 0


def refusing_links(number: int, *, after: int = 0) -> Callable[[str], None]:
    """A gate at which the system makes no more links."""
    made: list[str] = []

    def gate(operation: str) -> None:
        if operation == "link":
            made.append(operation)
            if len(made) > after:
                raise OSError(number, os.strerror(number))

    return gate


def test_a_file_system_without_links_gets_copies_and_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsops, "gate", refusing_links(errno.EPERM))
    job = job_between(tmp_path, {"a": file(), "b": to("a"), "c": to("a")}, {})

    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.created, result.counts.bytes_copied) == (
        Outcome.SUCCEEDED,
        3,
        15000,
    )
    assert watched.notices == ["the destination could not be given hard links: 'b' and 1 more"]
    assert {path.read_bytes() for path in (tmp_path / "d").iterdir()} == {b"x" * 5000}


def test_beyond_the_names_an_object_can_have_another_one_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def gate(operation: str) -> None:
        if operation == "link":
            refused.append(operation)
            if len(refused) == 2:
                raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    monkeypatch.setattr(fsops, "gate", gate)
    names: dict[str, HardLink] = {name: to("a") for name in "bcde"}
    result, watched = watched_run(job_between(tmp_path, {"a": file(), **names}, {}), tmp_path)

    assert (result.outcome, watched.notices, result.counts.bytes_copied) == (Outcome.SUCCEEDED, [], 10000)
    found = inodes(tmp_path / "d")
    assert found[b"a"] == found[b"b"] != found[b"c"] == found[b"d"] == found[b"e"]


def test_a_leader_that_changed_meanwhile_is_not_linked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file()})

    def gate(operation: str) -> None:
        if operation == "link":
            (tmp_path / "d" / "a").unlink()
            (tmp_path / "d" / "a").write_bytes(b"somebody's")

    monkeypatch.setattr(fsops, "gate", gate)
    result, _ = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert (tmp_path / "d" / "b").read_bytes() == b"x" * 5000
    assert sorted(os.listdir(tmp_path / "d")) == ["a", "b"]


def test_a_name_of_the_source_that_became_another_file_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {})

    def gate(operation: str) -> None:
        if operation == "create_file" and (tmp_path / "s" / "b").stat().st_nlink > 1:
            (tmp_path / "s" / "b").unlink()
            (tmp_path / "s" / "b").write_bytes(b"another")

    monkeypatch.setattr(fsops, "gate", gate)
    run(job, state=tmp_path / "state")

    assert (tmp_path / "d" / "b").read_bytes() == b"another"


def test_a_file_that_cannot_be_copied_fails_each_of_its_names_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), **{name: to("a") for name in "bcd"}}, {})

    def gate(operation: str) -> None:
        if operation == "create_file":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fsops, "gate", gate)
    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert [(failure.path, failure.reason) for failure in watched.failures] == [
        (b"a", "cannot be copied: Input/output error"),
        (b"b", "cannot be linked to its other name: Input/output error"),
        (b"c", "cannot be linked: the same file could not be copied to 'a'"),
        (b"d", "cannot be linked: the same file could not be copied to 'a'"),
    ]


def test_the_next_name_stands_in_for_a_leader_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), **{name: to("a") for name in "bcd"}}, {})
    failed: list[str] = []

    def gate(operation: str) -> None:
        if operation == "create_file" and not failed:
            failed.append(operation)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fsops, "gate", gate)
    result, watched = watched_run(job, tmp_path)

    assert [failure.path for failure in watched.failures] == [b"a"]
    assert result.counts.bytes_copied == 5000
    assert len({inode for path, inode in inodes(tmp_path / "d").items() if path}) == 1
    run(job, state=tmp_path / "state")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))


def test_links_into_other_mounted_parts_are_copies_there(tmp_path: Path) -> None:
    names: Children = {"a": file(), "m": {"a": to("../a"), "b": to("../a")}}
    tree(tmp_path / "s", Directory(names, mtime_ns=T))
    tree(tmp_path / "other", {})
    tree(tmp_path / "d", {"m": {}})
    job = sync_job(tmp_path / "s", tmp_path / "d")
    with bound(tmp_path / "other", tmp_path / "d" / "m"):
        first, watched = watched_run(job, tmp_path)
        assert (first.outcome, watched.notices, first.counts.bytes_copied) == (Outcome.SUCCEEDED, [], 10000)
        assert run(job, state=tmp_path / "state").counts.changes == 0
        found = inodes(tmp_path / "d")
        assert found[b"m/a"] == found[b"m/b"] != found[b"a"]


@pytest.mark.parametrize("unseen", [b"a", b"b", b""])
def test_a_name_that_cannot_be_looked_at_again_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unseen: bytes
) -> None:
    """Exit 0 would say that the names are one object, and nobody knows. Found by the sweep of errors."""
    job = job_between(tmp_path, {"a": file(), "b": to("a"), "c": to("a")}, {"a": file(), "b": file()})

    def fails(look: Callable[[LocalTree, bytes], object]) -> Callable[[LocalTree, bytes], object]:
        def seen(tree_: LocalTree, path: bytes) -> object:
            if path == unseen and looking:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return look(tree_, path)

        return seen

    looking: list[str] = []
    decide = LinkPlanner.decide

    def looked(planner: LinkPlanner) -> None:
        looking.append("again")
        decide(planner)
        looking.clear()

    with monkeypatch.context() as patched:
        patched.setattr(LocalTree, "entry", fails(LocalTree.entry))
        patched.setattr(LocalTree, "directory", fails(LocalTree.directory))
        patched.setattr(LinkPlanner, "decide", looked)
        result, watched = watched_run(job, tmp_path)
    assert result.outcome is Outcome.PARTIAL
    assert watched.failures

    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert len(set(inodes(tmp_path / "d").values()) - {inodes(tmp_path / "d")[b""]}) == 1


def test_a_handle_that_cannot_be_closed_leaves_no_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file(), "b": file()})
    linked: list[str] = []
    close = os.close

    def closed(fd: int) -> None:
        close(fd)
        if linked:
            linked.clear()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(fsops, "gate", lambda operation: linked.append("") if operation == "link" else None)
    monkeypatch.setattr(os, "close", closed)
    result, _ = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert sorted(os.listdir(tmp_path / "d")) == ["a", "b"]
    assert os.stat(tmp_path / "d/a").st_ino == os.stat(tmp_path / "d/b").st_ino

"""Hard links and attributes where files move, are kept as versions, held, verified, or reached by links."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.job import (
    Compare,
    Comparison,
    DeletePolicy,
    Durability,
    MirrorJob,
    SymlinkPolicy,
    Verify,
)
from dirsync.model.operation import Phase
from dirsync.model.result import Outcome
from dirsync.model.version import BeforeKind
from dirsync.runner import verification
from dirsync.runner.ledger import open_ledger
from dirsync.runner.reading import Ends
from dirsync.runner.unverified import Written
from dirsync.runner.versions import VersionIndex
from dirsync.trees import fsops
from tests.faults.test_approval import approve
from tests.faults.test_approval import run as run_held
from tests.faults.test_attributes import comparing_xattrs
from tests.faults.test_hard_links import file, job_between, to
from tests.faults.test_versions import keeping_job, mirrored, now, restored
from tests.jobs import run, watched_run
from tests.trees import (
    Children,
    Directory,
    File,
    Link,
    ctimes,
    differences,
    inodes,
    separated,
    snapshot,
    tree,
)

T = 1_600_000_000_000_000_000


def assert_agree(job: MirrorJob, place: Path) -> None:
    """The trees are equal, and another run does nothing."""
    assert not differences(snapshot(place / "s"), mirrored(place))
    touched = ctimes(place / "d")
    second = run(job, state=place / "state")
    assert (second.outcome, second.counts.changes) == (Outcome.SUCCEEDED, 0)
    assert ctimes(place / "d") == touched


# Moves


def test_directory_of_hard_links_is_renamed_and_its_names_keep_what_they_share(tmp_path: Path) -> None:
    inner: Children = {"b": to("../a"), "c": file(b"22"), "d": to("c"), "e": {"f": to("../c")}}
    job = job_between(tmp_path, {"a": file(), "o": inner}, {})
    run(job, state=tmp_path / "state")
    before = inodes(tmp_path / "d")
    os.rename(tmp_path / "s/o", tmp_path / "s/n")

    result, _ = watched_run(job, tmp_path)
    assert (result.counts.moved, result.counts.changes, result.counts.bytes_copied) == (1, 1, 0)
    after = inodes(tmp_path / "d")
    assert {path: after[path.replace(b"o", b"n", 1)] for path in before} == before
    assert_agree(job, tmp_path)


def test_link_made_after_its_file_moved_along_with_a_directory_copies_nothing(tmp_path: Path) -> None:
    """The leader is found at its new place, which the march over the old one does not know."""
    job = job_between(tmp_path, {"o": {"a": file(), "b": file(b"22")}}, {})
    run(job, state=tmp_path / "state")
    os.rename(tmp_path / "s/o", tmp_path / "s/n")
    os.link(tmp_path / "s/n/a", tmp_path / "s/z")

    result, watched = watched_run(job, tmp_path)
    assert (result.counts.moved, result.counts.created, result.counts.bytes_copied) == (1, 1, 0)
    assert watched.failures == []
    assert_agree(job, tmp_path)


def test_metadata_of_a_linked_file_is_set_in_place_in_a_directory_that_moved(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(), "o": {"b": to("../a"), "c": file(b"22")}}, {})
    run(job, state=tmp_path / "state")
    before = inodes(tmp_path / "d")[b"a"]
    os.rename(tmp_path / "s/o", tmp_path / "s/n")
    os.chmod(tmp_path / "s/a", 0o600)

    result, _ = watched_run(job, tmp_path)
    assert (result.outcome, result.counts.bytes_copied) == (Outcome.SUCCEEDED, 0)
    assert inodes(tmp_path / "d")[b"n/b"] == before
    assert_agree(job, tmp_path)


def test_file_whose_other_name_stays_is_never_taken_for_another_file(tmp_path: Path) -> None:
    """At the destination two files of the source shared one object; one of them was renamed."""
    job = job_between(tmp_path, {"a": file(), "z": file()}, {"a": file(), "b": to("a")})
    result, _ = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert_agree(job, tmp_path)


def test_file_that_a_snapshot_shares_is_still_renamed(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"z": file()}, {"a": file()})
    os.link(tmp_path / "d/a", tmp_path / "kept")
    result, _ = watched_run(job, tmp_path)

    assert (result.counts.moved, result.counts.changes) == (1, 1)
    assert (tmp_path / "kept").samefile(tmp_path / "d/z")
    assert_agree(job, tmp_path)


def test_renamed_file_gets_the_attributes_that_are_compared(tmp_path: Path) -> None:
    job = comparing_xattrs(job_between(tmp_path, {"a": file(), "k": file(b"1")}, {}))
    run(job, state=tmp_path / "state")
    os.rename(tmp_path / "s/a", tmp_path / "s/z")
    os.setxattr(tmp_path / "s/z", "user.a", b"1")

    result, _ = watched_run(job, tmp_path)
    assert result.counts.moved == 1
    assert_agree(job, tmp_path)


# Versions


def test_names_altered_in_place_come_back_as_they_were(tmp_path: Path) -> None:
    job_between(tmp_path, {"a": file(mode=0o600), "b": to("a")}, {"a": file(mode=0o640), "b": to("a")})
    job = keeping_job(tmp_path)
    before, since = separated(mirrored(tmp_path)), now()
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, watched.failures, result.counts.bytes_copied) == (Outcome.SUCCEEDED, [], 0)
    assert_agree(job, tmp_path)
    restored(job, tmp_path, at=since, to=tmp_path / "back")
    assert not differences(before, snapshot(tmp_path / "back"))


def test_attributes_of_every_kind_of_object_come_back_from_the_versions(tmp_path: Path) -> None:
    """What moved, what was deleted whole and what was overwritten."""
    inner: Children = {
        "f": File(b"x", mtime_ns=T, xattrs={"user.f": b"1"}),
        "l": Link("f", mtime_ns=T, xattrs={"trusted.l": b"2"}),
    }
    dressed = Directory(inner, 0o750, T, xattrs={"user.d": b"3"})
    old: Children = {"gone": dressed, "o": dressed, "w": File(b"y", mtime_ns=T, xattrs={"user.w": b"4"})}
    job_between(tmp_path, old, {})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    before, since = mirrored(tmp_path), now()
    shutil.rmtree(tmp_path / "s/gone")
    os.rename(tmp_path / "s/o", tmp_path / "s/n")
    os.unlink(tmp_path / "s/w")
    (tmp_path / "s/w").write_bytes(b"newer")
    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED

    restored(job, tmp_path, at=since, to=tmp_path / "back")
    assert not differences(before, snapshot(tmp_path / "back"))


def test_name_that_cannot_be_linked_leaves_no_record_of_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_between(tmp_path, {"a": file(), "b": to("a"), "c": to("a")}, {"a": file(), "b": file()})
    job = keeping_job(tmp_path)

    def refuse(operation: str) -> None:
        if operation == "link":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(fsops, "gate", refuse)
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, watched.failures) == (Outcome.SUCCEEDED, [])
    assert watched.notices == ["the destination could not be given hard links: 'c' and 1 more"]
    assert {change.path for change in watched.changes} == {b"c"}
    with open_ledger(str(tmp_path / "state")) as ledger:
        index = VersionIndex(ledger.database, "mirror")
        assert list(index.records(result.run_id, BeforeKind.OBJECT)) == []


def test_copy_in_place_of_a_link_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file()})
    deeds: list[str] = []

    def refuse_links(operation: str) -> None:
        deeds.append(operation)
        if operation == "link":
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    monkeypatch.setattr(fsops, "gate", refuse_links)
    job = structs.replace(job, durability=Durability.FULL)

    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert deeds.index("sync_file") < deeds.index("rename_to_free_name")


# Held plans


def saved(place: Path, source: Children, destination: Children) -> MirrorJob:
    job = job_between(place, source, destination)
    run_held(job, place, dry_run=True, saves_plan=True)
    return job


def test_held_plan_links_as_it_was_planned(tmp_path: Path) -> None:
    job = saved(
        tmp_path,
        {"a": file(), "b": to("a"), "m": file(b"1", mode=0o600), "n": to("m")},
        {"a": file(), "m": file(b"1"), "n": to("m")},
    )
    result, watched = approve(job, tmp_path)

    assert (result.outcome, watched.failures, result.counts.bytes_copied) == (Outcome.SUCCEEDED, {}, 0)
    assert_agree(job, tmp_path)


def test_approval_links_nothing_to_a_name_that_is_another_file_by_now(tmp_path: Path) -> None:
    job = saved(tmp_path, {"a": file(), "b": to("a")}, {"a": file()})
    os.rename(tmp_path / "s/a", tmp_path / "s/c")  # moves the ctime of the other name as well
    (tmp_path / "s/a").write_bytes(b"another")
    result, watched = approve(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert set(watched.failures) == {b"b", b""}  # the root's time is for the next run, too
    assert not os.path.lexists(tmp_path / "d/b")


def test_approval_links_nothing_to_a_replica_that_was_edited(tmp_path: Path) -> None:
    """The edit left size and mtime as they were; the file is copied instead."""
    job = saved(tmp_path, {"a": file(b"good"), "b": to("a")}, {"a": file(b"good")})
    (tmp_path / "d/a").write_bytes(b"evil")
    os.utime(tmp_path / "d/a", ns=(T, T))
    result, _ = approve(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert (tmp_path / "d/b").read_bytes() == b"good"


# Verification


def test_what_was_linked_is_read_back_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a"), "c": to("a")}, {})
    read: list[bytes] = []
    original = verification.Verification._read_back

    def reading(self: verification.Verification, ends: Ends, written: Written) -> verification.ReadBack:
        read.append(written.path)
        return original(self, ends, written)

    monkeypatch.setattr(verification.Verification, "_read_back", reading)
    result = run(structs.replace(job, verify=Verify.WRITTEN), state=tmp_path / "state")

    assert (result.outcome, read) == (Outcome.SUCCEEDED, [b"a"])


def test_verify_all_agrees_with_what_was_linked(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"a": file(), "b": to("a")}, {"a": file(b"old"), "b": file()})
    result = run(structs.replace(job, verify=Verify.ALL), state=tmp_path / "state")

    assert (result.outcome, result.counts.failed) == (Outcome.SUCCEEDED, 0)


# Followed links


def test_followed_links_give_what_they_lead_to_with_its_attributes(tmp_path: Path) -> None:
    dressed = File(b"x", mtime_ns=T, xattrs={"user.f": b"1"})
    source: Children = {
        "real": Directory({"f": dressed, "g": to("f")}, 0o750, T, xattrs={"user.d": b"2"}),
        "d": Link("real"),
        "f": Link("real/f"),
    }
    job = job_between(tmp_path, source, {"f": File(b"x", mode=0o600, mtime_ns=T)})
    by = Comparison().by | {Compare.XATTRS}
    job = structs.replace(job, symlinks=SymlinkPolicy.FOLLOW, comparison=Comparison(by=by))
    result, watched = watched_run(job, tmp_path)
    seen = snapshot(tmp_path / "d")

    assert (result.outcome, watched.failures) == (Outcome.SUCCEEDED, [])
    assert seen[b"d"].xattrs == seen[b"real"].xattrs == (("user.d", b"2"),)
    assert {seen[path].xattrs for path in (b"f", b"d/f", b"real/f")} == {(("user.f", b"1"),)}
    assert {seen[path].linked for path in (b"f", b"d/f", b"d/g", b"real/f", b"real/g")} == {b"d/f"}
    assert run(job, state=tmp_path / "state").counts.changes == 0


# What serves the others


def test_name_linked_to_what_only_seemed_equal_is_not_remembered_as_its_content(tmp_path: Path) -> None:
    """A directory that moves is compared by content, but for files that a run is known to have copied."""
    job = job_between(
        tmp_path,
        {"o": {"a": file(b"good"), "b": to("a"), "c": file(), "d": file()}},
        {"o": {"a": file(b"evil"), "c": file(), "d": file()}},
    )
    run(job, state=tmp_path / "state")
    assert (tmp_path / "d/o/b").read_bytes() == b"evil"
    os.rename(tmp_path / "s/o", tmp_path / "s/n")
    result, _ = watched_run(job, tmp_path)

    assert result.counts.moved == 1
    assert (tmp_path / "d/n/a").read_bytes() == b"good"
    assert_agree(job, tmp_path)


def test_phases_are_in_the_order_that_cannot_hurt() -> None:
    assert [phase.name for phase in Phase] == [
        "SWEEP",
        "MAKE_WAY",
        "MAKE_DIRECTORIES",
        "MOVE",
        "COPY",
        "LINK",
        "DELETE",
        "FINISH_DIRECTORIES",
    ]


def test_guards_see_no_change_in_a_linked_file_that_its_directory_took_along(tmp_path: Path) -> None:
    job = job_between(tmp_path, {"o": {"a": file(), "b": to("a"), "c": file(b"1")}}, {})
    job = structs.replace(job, delete=DeletePolicy.TRASH)
    run(job, state=tmp_path / "state")
    tree(tmp_path / "s/x", {})
    os.rename(tmp_path / "s/o", tmp_path / "s/x/o")
    result, watched = watched_run(job, tmp_path)

    assert [change.path for change in watched.changes if change.path == b"x/o"] == [b"x/o"]
    assert (result.counts.moved, result.counts.deleted, result.counts.metadata) == (1, 0, 0)
    assert_agree(job, tmp_path)

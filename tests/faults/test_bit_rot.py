"""Content that changes while size and times do not, on a real disk that is altered beneath its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import Compare, Comparison, JobType, MirrorJob
from dirsync.model.result import Outcome
from dirsync.runner.database import open_database
from tests.jobs import sync_job, watched_run
from tests.rotting_disk import RottingDisk, rotting_disk
from tests.trees import tree

BY_HASH = Comparison(by=Comparison().by | {Compare.HASH})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RottingDisk]:
    with rotting_disk(tmp_path) as mounted:
        yield mounted


def mirrored_by_hash(job: MirrorJob, place: Path) -> MirrorJob:
    """Mirror a tree, and have the hashes of its source on record."""
    job = structs.replace(job, comparison=BY_HASH)
    assert watched_run(job, place)[0].outcome is Outcome.SUCCEEDED
    result, watched = watched_run(job, place)
    assert (result.outcome, watched.changes) == (Outcome.SUCCEEDED, [])
    return job


def on_record(place: Path) -> dict[bytes, bytes]:
    with open_database(str(place / "state")) as database:
        return dict(database.connection.execute("SELECT path, hash FROM hashes"))


def test_rot_of_the_source_is_named_and_its_replica_kept(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(disk.root / "s", {"a": b"precious", "b": b"other"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    disk.rot(source / "a")

    for _ in range(2):
        result, watched = watched_run(job, tmp_path)

        assert result.outcome is Outcome.PARTIAL
        assert [failure.path for failure in watched.failures] == [b"a"]
        assert watched.failures[0].reason.startswith("bit rot: ")
        assert (watched.changes, (tmp_path / "d/a").read_bytes()) == ([], b"precious")


def test_rot_of_the_source_is_held_by_a_run_that_compares_no_hashes(
    tmp_path: Path, disk: RottingDisk
) -> None:
    source = tree(disk.root / "s", {"a": b"precious"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    disk.rot(source / "a")
    os.utime(tmp_path / "d/a", ns=(1, 1))

    result, watched = watched_run(structs.replace(job, comparison=Comparison()), tmp_path)

    assert (result.outcome, result.counts.failed) == (Outcome.PARTIAL, 1)
    assert [failure.path for failure in watched.failures] == [b"a"]
    assert (tmp_path / "d/a").read_bytes() == b"precious"


def test_rot_in_a_renamed_directory_is_named_and_its_replica_kept(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(disk.root / "s", {"old": {"a": b"precious", "b": b"other"}})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    disk.rot(source / "old/a")
    os.rename(source / "old", source / "new")
    for _ in range(2):
        result, watched = watched_run(job, tmp_path)

        assert result.outcome is Outcome.PARTIAL
        assert [failure.path for failure in watched.failures] == [b"new/a"]
        assert watched.failures[0].reason.startswith("bit rot: ")
        assert (tmp_path / "d/new/a").read_bytes() == b"precious"
    assert on_record(tmp_path).keys() == {b"new/a", b"new/b"}


def test_a_rotted_replica_is_copied_again_and_told(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(tmp_path / "s", {"a": b"precious", "b": b"other"})
    job = mirrored_by_hash(sync_job(source, disk.root / "d"), tmp_path)
    disk.rot(disk.root / "d/a")

    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert [(change.kind, change.path, change.aspects) for change in watched.changes] == [
        (ChangeKind.MODIFIED, b"a", frozenset({Aspect.HASH}))
    ]
    assert "'a'" in watched.notices[0]
    assert "bit rot" in watched.notices[0]
    assert (disk.root / "d/a").read_bytes() == b"precious"


def test_an_edit_is_no_rot_though_its_writer_restored_size_and_mtime(tmp_path: Path) -> None:
    """Nobody can restore a ctime, so an edit is told from rot by it."""
    source = tree(tmp_path / "s", {"a": b"before"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    before = (source / "a").stat()
    (source / "a").write_bytes(b"behind")
    os.utime(source / "a", ns=(before.st_atime_ns, before.st_mtime_ns))

    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.modified, watched.notices) == (Outcome.SUCCEEDED, 1, [])
    assert (tmp_path / "d/a").read_bytes() == b"behind"


def test_touching_a_rotted_source_accepts_it(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(disk.root / "s", {"a": b"precious"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    disk.rot(source / "a")
    os.utime(source / "a")

    result, _ = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert (tmp_path / "d/a").read_bytes() == (source / "a").read_bytes() == b"qrecious"


def test_rot_that_was_carried_over_before_is_still_named(tmp_path: Path) -> None:
    """Source and replica are equal, but not to what is on record."""
    source = tree(tmp_path / "s", {"a": b"same"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    with open_database(str(tmp_path / "state")) as database:
        database.connection.execute("UPDATE hashes SET hash = x'00'")

    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert "not as on record" in watched.failures[0].reason


@pytest.mark.parametrize("type_", [JobType.SYNC, JobType.CHECK])
def test_rot_is_told_by_runs_that_change_nothing(tmp_path: Path, disk: RottingDisk, type_: JobType) -> None:
    source = tree(disk.root / "s", {"a": b"precious"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    disk.rot(source / "a")

    result, watched = watched_run(structs.replace(job, type=type_), tmp_path, dry_run=type_ is JobType.SYNC)

    assert result.outcome is Outcome.PARTIAL
    assert [failure.path for failure in watched.failures] == [b"a"]


def test_the_record_loses_what_the_source_lost(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": b"1", "b": b"2"})
    job = mirrored_by_hash(sync_job(source, tmp_path / "d"), tmp_path)
    assert on_record(tmp_path).keys() == {b"a", b"b"}
    (source / "a").unlink()

    watched_run(job, tmp_path)

    assert on_record(tmp_path).keys() == {b"b"}


def test_a_dry_run_puts_nothing_on_record(tmp_path: Path) -> None:
    job = structs.replace(sync_job(tree(tmp_path / "s", {"a": b"1"}), tmp_path / "d"), comparison=BY_HASH)
    watched_run(job, tmp_path)

    watched_run(job, tmp_path, dry_run=True)

    assert on_record(tmp_path) == {}

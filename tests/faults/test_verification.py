"""`verify: written` and `verify: all`: what a run wrote is read back from the disk before it is done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.model.job import Compare, Comparison, Durability, HashAlgorithm, MirrorJob, OnError, Verify
from dirsync.model.result import Outcome
from dirsync.runner import verification
from dirsync.runner.database import open_database
from dirsync.runner.reading import Contents, Ends, read_both
from dirsync.trees import fsops
from tests.faults.test_bit_rot import on_record
from tests.jobs import run, sync_job, watched_run
from tests.rotting_disk import RottingDisk, rotting_disk
from tests.trees import File, differences, snapshot, tree

WRITTEN = "reads back different from what was written; the next run copies it again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RottingDisk]:
    with rotting_disk(tmp_path) as mounted:
        yield mounted


def verified(job: MirrorJob, verify: Verify = Verify.WRITTEN) -> MirrorJob:
    return structs.replace(job, verify=verify)


def at_first(
    operation: str, deed: Callable[[], object], *, once_there: Path | None = None
) -> Callable[[str], None]:
    """Make a gate that does something when an operation is first reached, once a file is in place."""
    done: list[str] = []

    def gate(name: str) -> None:
        if name == operation and not done and (once_there is None or once_there.exists()):
            done.append(name)
            deed()

    return gate


def rotting(disk: RottingDisk, path: str) -> Callable[[str], None]:
    """Make a gate that lets a file rot when it has its name and is about to be read back."""
    return at_first("sync_file", lambda: disk.rot(disk.root / path), once_there=disk.root / path)


@pytest.mark.parametrize("durability", Durability)
@pytest.mark.parametrize("verify", [Verify.WRITTEN, Verify.ALL])
def test_a_disk_that_does_not_hold_what_was_written_is_found_out_and_mended_by_the_next_run(
    tmp_path: Path,
    disk: RottingDisk,
    monkeypatch: pytest.MonkeyPatch,
    verify: Verify,
    durability: Durability,
) -> None:
    source = tree(tmp_path / "s", {"a": b"precious", "b": b"other"})
    job = structs.replace(verified(sync_job(source, disk.root / "d"), verify), durability=durability)
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", rotting(disk, "d/a"))
        result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert [(failure.path, failure.reason) for failure in watched.failures] == [(b"a", WRITTEN)]

    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, [change.path for change in watched.changes]) == (Outcome.SUCCEEDED, [b"a"])
    assert not differences(snapshot(source), snapshot(disk.root / "d"))
    assert watched_run(job, tmp_path)[1].changes == []


def test_what_was_read_back_is_on_record(tmp_path: Path) -> None:
    job = verified(sync_job(tree(tmp_path / "s", {"a": b"1", "d": {"b": b"2"}}), tmp_path / "d"))

    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert on_record(tmp_path).keys() == {b"a", b"d/b"}


def test_a_source_that_changed_since_it_was_copied_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"a": b"1", "b": b"2"})
    job = structs.replace(verified(sync_job(source, tmp_path / "d")), durability=Durability.FULL)
    edit = at_first("sync_file_system", lambda: (source / "a").write_bytes(b"changed"))
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", edit)
        result, watched = watched_run(job, tmp_path)

    assert (result.outcome, watched.failures) == (Outcome.SUCCEEDED, [])
    assert watched.notices == ["changed since it was copied, so left for the next run: 'a'"]
    assert watched_run(job, tmp_path)[0].counts.modified == 1
    assert (tmp_path / "d/a").read_bytes() == b"changed"


def test_an_edit_that_restored_size_and_mtime_is_found_when_the_copy_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"a": File(b"before", mtime_ns=1_600_000_000_000_000_000)})
    job = structs.replace(verified(sync_job(source, tmp_path / "d")), durability=Durability.FULL)
    with monkeypatch.context() as patched:
        patched.setattr(
            fsops, "gate", at_first("sync_file_system", lambda: edit_in_secret(source / "a", b"behind"))
        )
        result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert (
        "though nothing else that is compared differs; the next run copies it again"
        in watched.failures[0].reason
    )
    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert (tmp_path / "d/a").read_bytes() == b"behind"


def edit_in_secret(path: Path, data: bytes) -> None:
    """Change a file's content and give it back its times, as far as a program can."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def killed_before_it_read_back(job: MirrorJob, place: Path, *, at: str = "sync_file_system") -> None:
    child = os.fork()
    if child == 0:
        fsops.gate = at_first(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        run(job, state=place / "state")
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_run_killed_before_it_read_back_leaves_that_to_the_next(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(tmp_path / "s", {"a": b"precious"})
    job = structs.replace(verified(sync_job(source, disk.root / "d")), durability=Durability.FULL)
    killed_before_it_read_back(job, tmp_path)
    disk.rot(disk.root / "d/a")

    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert [(failure.path, failure.reason) for failure in watched.failures] == [(b"a", WRITTEN)]


def test_a_copy_that_cannot_be_read_back_fails_its_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"a": b"1", "b": b"2"})
    job = verified(sync_job(source, tmp_path / "d"))

    def refuse() -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", at_first("sync_file", refuse))
        result, watched = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.failed) == (Outcome.PARTIAL, 1)
    assert watched.failures[0].reason == "the source cannot be read: Input/output error"


def test_stop_at_the_first_error_holds_for_what_is_read_back(
    tmp_path: Path, disk: RottingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"a": b"precious", "b": b"other"})
    job = structs.replace(verified(sync_job(source, disk.root / "d")), on_error=OnError.STOP)
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", rotting(disk, "d/a"))
        result, _ = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.failed) == (Outcome.FAILED, 1)


def test_verify_all_finds_rot_in_a_replica_that_no_run_touched(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(tmp_path / "s", {"a": b"precious", "b": b"other"})
    job = verified(sync_job(source, disk.root / "d"), Verify.ALL)
    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    disk.rot(disk.root / "d/a")

    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert [failure.path for failure in watched.failures] == [b"a"]
    assert "bit rot: the content of the replica" in watched.failures[0].reason
    assert watched_run(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    assert (disk.root / "d/a").read_bytes() == b"precious"


def test_verify_all_without_a_record_tells_a_difference_and_takes_no_side(
    tmp_path: Path, disk: RottingDisk
) -> None:
    source = tree(tmp_path / "s", {"a": b"precious"})
    job = sync_job(source, disk.root / "d")
    run(job, state=tmp_path / "state")
    disk.rot(disk.root / "d/a")

    for _ in range(2):
        result, watched = watched_run(verified(job, Verify.ALL), tmp_path)

        assert result.outcome is Outcome.PARTIAL
        assert [failure.reason for failure in watched.failures] == ["differs after the run: content"]


def test_a_verified_run_over_an_unchanged_source_plans_nothing(tmp_path: Path) -> None:
    job = verified(sync_job(tree(tmp_path / "s", {"a": b"1", "d": {"b": b""}}), tmp_path / "d"), Verify.ALL)
    run(job, state=tmp_path / "state")

    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, watched.changes) == (Outcome.SUCCEEDED, [])
    with open_database(str(tmp_path / "state")) as database:
        assert database.connection.execute("SELECT count(*) FROM unverified").fetchone() == (0,)


def test_sha256_is_verified_and_recorded_as_such(tmp_path: Path) -> None:
    job = verified(sync_job(tree(tmp_path / "s", {"a": b""}), tmp_path / "d"))
    comparison = Comparison(by=frozenset({Compare.SIZE, Compare.MTIME}), algorithm=HashAlgorithm.SHA256)
    run(structs.replace(job, comparison=comparison), state=tmp_path / "state")

    assert on_record(tmp_path)[b"a"].hex().startswith("e3b0c44298fc1c14")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The paths that are read back, as they come."""
    paths: list[bytes] = []

    def noting(ends: Ends, path: bytes, *given: Any, **more: Any) -> Contents:
        paths.append(path)
        return read_both(ends, path, *given, **more)

    monkeypatch.setattr(verification, "read_both", noting)
    return paths


def test_what_a_cut_off_run_left_is_read_back_where_it_was_renamed_to(
    tmp_path: Path, read: list[bytes]
) -> None:
    source = tree(tmp_path / "s", {"a": File(b"precious", mtime_ns=1), "b": File(b"others", mtime_ns=2)})
    job = structs.replace(verified(sync_job(source, tmp_path / "d")), durability=Durability.FULL)
    killed_before_it_read_back(job, tmp_path)
    os.rename(source / "a", source / "c")
    result = run(job, state=tmp_path / "state")

    assert (result.outcome, result.counts.moved) == (Outcome.SUCCEEDED, 1)
    assert sorted(read) == [b"b", b"c"]


def test_what_a_cut_off_run_left_is_read_back_though_the_run_that_moved_it_was_cut_off_as_well(
    tmp_path: Path, read: list[bytes]
) -> None:
    source = tree(tmp_path / "s", {"d": {"a": b"1", "s": {"b": b"2"}}, "old": File(b"precious", mtime_ns=1)})
    job = structs.replace(verified(sync_job(source, tmp_path / "t")), durability=Durability.FULL)
    killed_before_it_read_back(job, tmp_path)
    os.rename(source / "d", source / "e")
    os.rename(source / "old", source / "new")
    os.chmod(source / "new", 0o600)
    killed_before_it_read_back(job, tmp_path, at="set_mode")
    moved = {name for name in os.listdir(tmp_path / "t") if name != ".dirsync"}

    result, watched = watched_run(job, tmp_path)

    assert moved == {"e", "new"}
    assert (result.outcome, watched.failures, watched.notices) == (Outcome.SUCCEEDED, [], [])
    assert sorted(read) == [b"e/a", b"e/s/b", b"new"]


def test_a_file_that_went_with_its_directory_is_no_failure(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(tmp_path / "s", {"d": {"a": b"1"}, "e": b"2"})
    job = structs.replace(verified(sync_job(source, disk.root / "d")), durability=Durability.FULL)
    killed_before_it_read_back(job, tmp_path)
    (source / "d/a").unlink()
    (source / "d").rmdir()

    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, watched.failures) == (Outcome.SUCCEEDED, [])

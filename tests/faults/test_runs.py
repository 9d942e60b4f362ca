"""Whole runs under conditions that once went wrong, or would if somebody were careless."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.job import Compare, Comparison, Guard, OnError, PatternLine, Preserve, SymlinkPolicy
from dirsync.model.result import Outcome
from dirsync.model.stop import Stop
from dirsync.runner.run import run_job
from tests.jobs import UNGUARDED, Watched, run, sync_job, watched_run
from tests.trees import Children, Directory, File, Link, differences, snapshot, tree

T = 1_600_000_000_000_000_000
NOBODY = 65534


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory on tmpfs that anyone may enter."""
    with tempfile.TemporaryDirectory(prefix="runs-", dir="/dev/shm") as place:
        os.chmod(place, 0o755)
        yield Path(place)


def as_nobody(deed: Callable[[], bool]) -> bool:
    """Do something in a process of a plain user, and tell whether it went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            code = 0 if deed() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def test_a_name_that_a_busy_listing_missed_is_not_deleted(memory: Path) -> None:
    names = [f"{number:05}" for number in range(3000)]
    job = sync_job(tree(memory / "s", dict.fromkeys(names, b"data")), memory / "d")
    run(job, state=memory / "state")
    with renaming_over(memory / "s", names):
        deleted = [c.path for _ in range(4) for c in watched_run(job, memory)[1].changes if c.new is None]

    assert [path for path in deleted if os.fsdecode(path) in names] == []
    assert set(names) <= set(os.listdir(memory / "d"))


@contextmanager
def renaming_over(directory: Path, names: list[str]) -> Iterator[None]:
    """Have another process save files again and again, as editors do: under a new name, then over."""
    child = os.fork()
    if child == 0:
        for count in range(10**9):
            (directory / ".save").write_bytes(b"other")
            os.rename(directory / ".save", directory / names[count * 7919 % len(names)])
            time.sleep(0.0003)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_change_of_size_is_seen_where_only_the_hash_is_compared(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"long text", "same": b"x"})
    tree(tmp_path / "d", {"f": b"q", "same": b"x"})
    job = structs.replace(
        sync_job(tmp_path / "s", tmp_path / "d"), comparison=Comparison(by=frozenset({Compare.HASH}))
    )
    result = run(job, state=tmp_path / "state")

    assert (tmp_path / "d/f").read_bytes() == b"long text"
    assert result.counts.modified == 1


def test_equal_content_by_hash_gets_its_time_without_a_copy(tmp_path: Path) -> None:
    tree(tmp_path / "s", Directory({"f": File(b"same", mtime_ns=T)}, mtime_ns=T))
    tree(tmp_path / "d", Directory({"f": File(b"same", mtime_ns=T + 1)}, mtime_ns=T))
    by = Comparison(by=frozenset({Compare.SIZE, Compare.MTIME, Compare.HASH}))
    job = structs.replace(sync_job(tmp_path / "s", tmp_path / "d"), comparison=by)
    before = os.stat(tmp_path / "d/f").st_ino
    result = run(job, state=tmp_path / "state")

    assert (result.counts.metadata, result.counts.modified, result.counts.bytes_copied) == (1, 0, 0)
    assert os.stat(tmp_path / "d/f").st_mtime_ns == T
    assert os.stat(tmp_path / "d/f").st_ino == before


def test_set_id_bits_do_not_pass_to_an_owner_they_were_not_given_by(tmp_path: Path) -> None:
    """A user's own set-uid program must not become root's."""
    tree(tmp_path / "s", {"program": File(b"x", mode=0o6755, uid=NOBODY, gid=NOBODY)})
    preserve = frozenset({Preserve.MTIME, Preserve.MODE})
    job = structs.replace(sync_job(tmp_path / "s", tmp_path / "d"), preserve=preserve)
    run(job, state=tmp_path / "state")

    status = os.stat(tmp_path / "d/program")
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o755)
    assert run(job, state=tmp_path / "state").counts.changes == 0


def test_a_run_that_stops_at_the_first_failure_tells_each_change_once(memory: Path) -> None:
    names = [f"{number:04}" for number in range(1500)]
    tree(memory / "s", {name: File(b"x", mtime_ns=T) for name in names})
    tree(memory / "d", {"0700": File(b"old", mtime_ns=T)})
    subprocess.run(
        ["mount", "--bind", memory / "d/0700", memory / "d/0700"], check=True
    )  # cannot be replaced
    job = structs.replace(sync_job(memory / "s", memory / "d"), workers=4, on_error=OnError.STOP)
    try:
        result, watched = watched_run(job, memory)
    finally:
        subprocess.run(["umount", memory / "d/0700"], check=True)

    told = [change.path for change in watched.changes]
    assert result.outcome is Outcome.FAILED
    assert len(told) == len(set(told)) == result.counts.created
    assert {os.fsencode(name) for name in os.listdir(memory / "d")} == {*told, b"0700"}


@pytest.mark.parametrize("preserve_mode", [True, False])
def test_read_only_directories_are_written_to_by_their_owner_and_read_only_after(
    memory: Path, preserve_mode: bool
) -> None:
    closed = 0o555
    tree(memory / "s", {"d": Directory({"new": b"1"}, closed), "gone-soon": {}})
    tree(
        memory / "d",
        {
            "d": Directory({"old": b"1"}, closed),
            "kept": Directory({"x": b"1", "y.log": b""}, closed),
            "gone": Directory({"x": b""}, closed),
        },
    )
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", memory], check=True)
    preserve = frozenset(Preserve) - ({Preserve.MODE} if not preserve_mode else set())
    job = structs.replace(
        sync_job(memory / "s", memory / "d"), preserve=preserve, exclude=(PatternLine(b"*.log", "test", 1),)
    )

    assert as_nobody(lambda: run(job, state=memory / "state").outcome is Outcome.SUCCEEDED)
    assert sorted(os.listdir(memory / "d")) == ["d", "gone-soon", "kept"]
    assert os.listdir(memory / "d/d") == ["new"]
    assert os.listdir(memory / "d/kept") == ["y.log"]
    assert [stat.S_IMODE(os.stat(memory / "d" / name).st_mode) for name in ("d", "kept")] == [closed, closed]
    assert as_nobody(lambda: run(job, state=memory / "state").counts.changes == 0)


def test_a_directory_wanted_for_its_content_leaves_its_parent_finished(tmp_path: Path) -> None:
    tree(tmp_path / "s", Directory({"a": {"x.jpg": b"1", "y": b"2"}}, mtime_ns=T))
    tree(tmp_path / "d", Directory({}, mtime_ns=T))
    job = structs.replace(
        sync_job(tmp_path / "s", tmp_path / "d"), include=(PatternLine(b"*.jpg", "test", 1),)
    )
    first = run(job, state=tmp_path / "state")

    assert first.counts.created == 2
    assert os.stat(tmp_path / "d").st_mtime_ns == T
    assert run(job, state=tmp_path / "state").counts.changes == 0


def test_a_file_shorter_than_it_says_is_given_up_and_not_padded(tmp_path: Path) -> None:
    """Files of sysfs say 4,096 bytes and hold two."""
    source = Path("/sys/kernel")
    job = structs.replace(sync_job(source, tmp_path / "d"), one_file_system=True)
    job = structs.replace(job, retries=structs.replace(job.retries, wait_seconds=0))
    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert "unstable: it kept changing while it was read" in {f.reason for f in watched.failures}
    assert not (tmp_path / "d/uevent_seqnum").exists()


def test_a_bind_mount_of_the_same_file_system_is_a_mount_point(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"1"})
    tree(tmp_path / "d", {})
    job = sync_job(tmp_path / "s", tmp_path / "d")
    job = structs.replace(job, guard=structs.replace(UNGUARDED, mountpoint=True))
    assert run(job, state=tmp_path / "state").outcome is Outcome.SKIPPED
    subprocess.run(["mount", "--bind", tmp_path / "d", tmp_path / "d"], check=True)
    try:
        assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    finally:
        subprocess.run(["umount", tmp_path / "d"], check=True)


def test_a_root_that_is_swapped_during_the_run_is_noticed(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"1"})
    tree(tmp_path / "other", {})
    tree(tmp_path / "d", {"f": b"0", "g": b"0"})

    class Swapping(Watched):
        def planned(self, totals: object) -> None:
            os.rename(tmp_path / "d", tmp_path / "aside")
            os.rename(tmp_path / "other", tmp_path / "d")

    job = sync_job(tmp_path / "s", tmp_path / "d")
    result = run_job(job, state=str(tmp_path / "state"), observer=Swapping(), stop=Stop())

    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert "another directory has taken its place" in result.error
    assert os.listdir(tmp_path / "d") == []
    assert sorted(os.listdir(tmp_path / "aside")) == ["f", "g"]


def test_what_cannot_be_seen_is_unknown_and_told_once(memory: Path) -> None:
    """A directory that may be listed but not entered shows names and nothing else."""
    tree(memory / "s", {"u": Directory({"f": b"1", ".ignore": b"*.log"}), "o": {"new": b"1"}})
    tree(memory / "d", {"u": {"f": b"1", "kept": b"1"}, "o": {"gone": b"1"}})
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", memory], check=True)
    os.chmod(memory / "s/u", 0o444)
    job = sync_job(memory / "s", memory / "d")

    def partial() -> bool:
        result, watched = watched_run(job, memory)
        return result.outcome is Outcome.PARTIAL and len({f.path for f in watched.failures}) == len(
            watched.failures
        )

    assert as_nobody(partial)
    assert sorted(os.listdir(memory / "d/u")) == ["f", "kept"]
    assert os.listdir(memory / "d/o") == ["new"]


def test_a_path_that_fails_for_two_reasons_is_counted_and_told_once(memory: Path) -> None:
    tree(memory / "s", {"closed": Directory({"f": b"1"}, mode=0o000), "f": b"1"})
    tree(memory / "d", {})
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", memory], check=True)
    job = sync_job(memory / "s", memory / "d")

    def told_once() -> bool:
        result, watched = watched_run(job, memory)
        assert (result.counts.failed, [failure.path for failure in watched.failures]) == (1, [b"closed"])
        assert watched.failures[0].reason == "the source directory cannot be listed: Permission denied"
        return result.outcome is Outcome.PARTIAL

    assert as_nobody(told_once)


def test_an_ignore_file_that_cannot_be_read_blocks_its_directory(memory: Path) -> None:
    tree(memory / "s", {".ignore": File(b"*.log", mode=0o000), "new": b"1"})
    tree(memory / "d", {"x.log": b"1"})
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", memory], check=True)
    job = structs.replace(sync_job(memory / "s", memory / "d"), ignore_files=(b".ignore",))

    assert as_nobody(lambda: run(job, state=memory / "state").outcome is Outcome.FAILED)
    assert os.listdir(memory / "d") == ["x.log"]


def test_what_an_ignore_file_excludes_from_now_on_is_deleted_where_that_is_asked_for(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"kept": {"a.o": b"1"}, "sub": {"a.o": b"1", "k": b"2"}})
    plain = sync_job(tmp_path / "s", tmp_path / "d")
    job = structs.replace(plain, ignore_files=(b".ignore",), delete_excluded=True)
    run(job, state=tmp_path / "state")
    (tmp_path / "s/sub/.ignore").write_bytes(b"*.o\n")

    result = run(job, state=tmp_path / "state")

    assert (result.counts.created, result.counts.deleted) == (1, 1)
    assert sorted(os.listdir(tmp_path / "d/sub")) == [".ignore", "k"]
    assert os.listdir(tmp_path / "d/kept") == ["a.o"]


def test_a_link_to_an_ignore_file_is_no_ignore_file(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"rules": b"*.log", ".ignore": Link("rules"), "a.log": b"1"})
    job = structs.replace(sync_job(tmp_path / "s", tmp_path / "d"), ignore_files=(b".ignore",))
    run(job, state=tmp_path / "state")

    assert sorted(os.listdir(tmp_path / "d")) == [".ignore", "a.log", "rules"]


def test_removing_a_temporary_file_leaves_the_time_of_its_directory(tmp_path: Path) -> None:
    """The directory is as it shall be but for the stray, whose removal moves its mtime."""
    both: Children = {"d": Directory({"a": File(b"x", mtime_ns=T)}, mtime_ns=T)}
    job = sync_job(tree(tmp_path / "s", both), tmp_path / "d")
    run(job, state=tmp_path / "state")
    (tmp_path / "d/d/.dirsync-0123456789abcdef.tmp").write_bytes(b"cut off")
    os.utime(tmp_path / "d/d", ns=(T, T))

    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))


def test_files_named_almost_like_temporary_ones_are_anybodys(tmp_path: Path) -> None:
    names = [".dirsync-my-own-notes-0.tmp", ".dirsync-0123456789ABCDEF.tmp"]
    job = sync_job(tree(tmp_path / "s", dict.fromkeys(names, b"1")), tmp_path / "d")
    run(job, state=tmp_path / "state")

    assert sorted(os.listdir(tmp_path / "d")) == sorted(names)


def test_delete_excluded_removes_skipped_links_though_nothing_else_changed(
    tmp_path: Path,
) -> None:
    source: Children = {"l": Link("x", mtime_ns=T), "f": File(b"1", mtime_ns=T)}
    tree(tmp_path / "s", source)
    tree(tmp_path / "d", source)
    job = structs.replace(
        sync_job(tmp_path / "s", tmp_path / "d"), delete_excluded=True, symlinks=SymlinkPolicy.SKIP
    )
    run(job, state=tmp_path / "state")

    assert os.listdir(tmp_path / "d") == ["f"]


def test_a_snapshot_by_hard_links_keeps_bytes_and_metadata(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": File(b"new", mtime_ns=T), "b": File(b"same", mode=0o600, mtime_ns=T)})
    tree(tmp_path / "d", {"a": File(b"old", mtime_ns=T - 1), "b": File(b"same", mode=0o644, mtime_ns=T)})
    tree(tmp_path / "kept", {})
    for name in ("a", "b"):
        os.link(tmp_path / "d" / name, tmp_path / "kept" / name)
    before = snapshot(tmp_path / "kept")
    run(sync_job(tmp_path / "s", tmp_path / "d"), state=tmp_path / "state")

    assert not differences(before, snapshot(tmp_path / "kept"))
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))


def test_a_guard_that_trips_changes_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"new"})
    tree(tmp_path / "d", {"b": b"1", "c": b"1"})
    before = snapshot(tmp_path / "d")
    job = structs.replace(sync_job(tmp_path / "s", tmp_path / "d"), guard=Guard())
    result = run(job, state=tmp_path / "state")

    assert result.outcome is Outcome.HELD
    assert not differences(before, snapshot(tmp_path / "d"))


def test_what_is_kept_for_dirsync_itself_is_not_counted(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1", ".dirsync": {"x": b"1"}})
    tree(tmp_path / "d", {".dirsync": {"y": b"1"}})
    job = sync_job(tmp_path / "s", tmp_path / "d")

    assert [run(job, state=tmp_path / "state").counts.scanned for _ in range(2)] == [1, 1]

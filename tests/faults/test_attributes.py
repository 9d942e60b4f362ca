"""Extended attributes and ACLs, carried over by whole runs."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.model.change import Aspect, Failure
from dirsync.model.job import Compare, Comparison, MirrorJob
from dirsync.model.result import Outcome
from tests.jobs import sync_job, watched_run
from tests.program import mounted
from tests.trees import Directory, File, Link, differences, snapshot, tree

T = 1_600_000_000_000_000_000
NOBODY = 65534
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
ANY = {"user.comment": b"x\0y", "trusted.t": b"", "security.s": b"s" * 300}


def comparing_xattrs(job: MirrorJob) -> MirrorJob:
    by = job.comparison.by | {Compare.XATTRS}
    return structs.replace(job, comparison=Comparison(by=by))


def assert_equal_and_idle(job: MirrorJob, place: Path) -> None:
    assert not differences(snapshot(place / "s"), snapshot(place / "d"))
    again, _ = watched_run(job, place)
    assert (again.outcome, again.counts.changes) == (Outcome.SUCCEEDED, 0)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory on tmpfs that anyone may enter."""
    with tempfile.TemporaryDirectory(prefix="attributes-", dir="/dev/shm") as place:
        os.chmod(place, 0o755)
        yield Path(place)


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, memory: Path) -> Path:
    """A directory on disk (ext4, as a rule), and one on tmpfs."""
    return tmp_path if request.param == "disk" else memory


def test_every_kind_of_object_gets_its_sources_attributes(place: Path) -> None:
    source: dict[str, File | Link | Directory] = {
        "f": File(b"x", mode=0o4711, mtime_ns=T, xattrs=ANY),
        "program": File(
            b"x", mode=0o755, mtime_ns=T, uid=1, gid=1, xattrs={"security.capability": CAPABILITY}
        ),
        "l": Link("f", mtime_ns=T, uid=1, xattrs={"trusted.l": b"1", "security.l": b"2"}),
        "d": Directory({}, mode=0o2750, mtime_ns=T, xattrs=ANY),
    }
    tree(place / "s", Directory(source, mtime_ns=T, xattrs={"user.root": b"r"}))
    subprocess.run(["setfacl", "-m", "u:1:rw,g:2:r", "f"], cwd=place / "s", check=True)
    subprocess.run(["setfacl", "-m", "u:1:rwx,d:u:3:rx,d:o::-", "d"], cwd=place / "s", check=True)
    for path in ("f", "d", "."):
        os.utime(place / "s" / path, ns=(T, T))

    job = sync_job(place / "s", place / "d")
    result, watched = watched_run(job, place)

    assert (result.outcome, watched.notices) == (Outcome.SUCCEEDED, [])
    assert_equal_and_idle(job, place)
    assert_equal_and_idle(comparing_xattrs(job), place)


def test_what_a_replica_inherits_from_the_destination_is_removed(place: Path) -> None:
    tree(place / "s", {"d": {"f": File(b"x", mode=0o640)}, "l": Link("d")})
    tree(place / "d", {})
    subprocess.run(["setfacl", "-m", "d:u:1:rwx,d:g:2:rwx", "d"], cwd=place, check=True)

    job = sync_job(place / "s", place / "d")
    watched_run(job, place)

    assert_equal_and_idle(comparing_xattrs(job), place)


def test_attributes_alone_are_a_difference_only_where_they_are_compared(place: Path) -> None:
    one = Directory({"f": File(b"x", mtime_ns=T), "d": Directory({}, mtime_ns=T)}, mtime_ns=T)
    tree(place / "s", one)
    tree(place / "d", one)
    os.symlink("f", place / "s" / "l")
    job = sync_job(place / "s", place / "d")
    watched_run(job, place)
    for path in ("f", "d", "l", "."):
        os.setxattr(place / "s" / path, "trusted.x", path.encode(), follow_symlinks=False)
    before = snapshot(place / "d")
    inode = os.stat(place / "d" / "f").st_ino

    quick, _ = watched_run(job, place)
    assert quick.counts.changes == 0
    assert snapshot(place / "d") == before

    thorough, watched = watched_run(comparing_xattrs(job), place)
    assert thorough.counts.metadata == 4
    assert {change.aspects for change in watched.changes} == {frozenset({Aspect.XATTRS})}
    assert os.stat(place / "d" / "f").st_ino == inode
    assert_equal_and_idle(comparing_xattrs(job), place)


def test_a_change_of_metadata_brings_the_attributes_along(place: Path) -> None:
    tree(place / "s", {"f": File(b"x", mode=0o755, mtime_ns=T), "d": Directory({}, mode=0o755)})
    job = sync_job(place / "s", place / "d")
    watched_run(job, place)
    for path in ("f", "d"):
        os.setxattr(place / "d" / path, "user.old", b"1")
        os.chown(place / "s" / path, 1, 1)
        os.setxattr(place / "s" / path, "user.new", b"1")
    os.setxattr(place / "s" / "f", "security.capability", CAPABILITY)

    watched_run(job, place)

    assert_equal_and_idle(comparing_xattrs(job), place)


def test_a_file_with_other_names_keeps_its_attributes(place: Path) -> None:
    tree(place / "s", {"f": File(b"x", mtime_ns=T, xattrs={"user.x": b"new"})})
    tree(place / "d", {"f": File(b"x", mtime_ns=T, xattrs={"user.x": b"old"})})
    os.link(place / "d" / "f", place / "snapshot")

    job = comparing_xattrs(sync_job(place / "s", place / "d"))
    watched_run(job, place)

    assert os.getxattr(place / "snapshot", "user.x") == b"old"
    assert_equal_and_idle(job, place)


def test_a_plain_user_carries_over_what_it_may_and_hears_once_of_the_rest(memory: Path) -> None:
    place = memory
    mine: dict[str, Any] = {"uid": NOBODY, "gid": NOBODY}
    files: dict[str, File | Directory] = {
        name: File(
            b"x", mode=0o444, mtime_ns=T, xattrs={"user.x": b"1", "security.capability": CAPABILITY}, **mine
        )
        for name in "abc"
    }
    files["d"] = Directory({}, mode=0o555, mtime_ns=T, xattrs={"user.d": b"1"}, **mine)
    tree(place / "s", Directory(files, mtime_ns=T, **mine))
    tree(place / "d", Directory({"a": File(b"x", mode=0o400, mtime_ns=T, **mine)}, mtime_ns=T, **mine))
    tree(place / "state", Directory({}, **mine))
    job = comparing_xattrs(sync_job(place / "s", place / "d"))

    told = as_nobody(job, place)

    lost = "the destination could not be given 'security.capability' attributes: 'a' and 2 more"
    assert told == f'succeeded 4 0 ["{lost}"]\nsucceeded 0 0 []\n'
    for path in ("a", "b", "c", "d"):
        assert os.listxattr(place / "d" / path) == ["user.x" if path != "d" else "user.d"]
        mode = stat.S_IMODE(os.stat(place / "d" / path).st_mode)
        assert mode == (0o444 if path != "d" else 0o555)


def as_nobody(job: MirrorJob, place: Path) -> str:
    """Run a job twice in a process of a plain user, and give what it tells."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with open(place / "state" / "told", "w") as told:
                for _ in range(2):
                    result, watched = watched_run(job, place)
                    counts = result.counts
                    print(result.outcome.value, counts.changes, counts.failed, watched.notices, file=told)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return (place / "state" / "told").read_text()


def test_a_file_system_without_attributes_is_spoken_of_once_a_run(tmp_path: Path) -> None:
    attributes = {"user.x": b"1", "trusted.x": b"1"}
    tree(tmp_path / "s", {name: File(b"x", mtime_ns=T, xattrs=attributes) for name in "abc"})
    with mounted(tmp_path / "d", fstype="ramfs"):
        job = comparing_xattrs(sync_job(tmp_path / "s", tmp_path / "d"))
        first, watched = watched_run(job, tmp_path)
        second, again = watched_run(job, tmp_path)

    assert (first.outcome, first.counts.created) == (Outcome.SUCCEEDED, 3)
    assert (second.outcome, second.counts.changes) == (Outcome.SUCCEEDED, 0)
    said = ["the destination's file system does not keep extended attributes, ACLs"]
    assert (watched.notices, again.notices) == (said, said)


def test_an_attribute_too_large_for_the_destination_fails_its_file_alone(
    memory: Path, tmp_path: Path
) -> None:
    source = tree(memory / "s", {"a": File(b"x", xattrs={"user.x": b"v" * 60_000}), "b": b"y"})
    result, watched = watched_run(sync_job(source, tmp_path / "d"), tmp_path)

    assert (result.outcome, result.counts.created) == (Outcome.PARTIAL, 1)
    assert watched.failures == [
        Failure(b"a", "its attribute 'user.x' cannot be set: No space left on device")
    ]
    assert os.listdir(tmp_path / "d") == ["b"]

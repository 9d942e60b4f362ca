"""What is deleted or overwritten stays restorable, whatever happens, until its time is over."""

from __future__ import annotations

import datetime
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.errors import Busy, RunError
from dirsync.model.job import DeletePolicy, Durability, MirrorJob, PatternLine, Versions
from dirsync.model.place import VERSIONS
from dirsync.model.result import Counts, Outcome
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Silent
from dirsync.runner.restoring import Request, Restore, versions_of
from dirsync.trees import fsops
from tests.jobs import run, sync_job
from tests.sweeps.gates import Counted, gated, was_killed
from tests.sweeps.scenarios import SCENARIOS, Scenario
from tests.trees import (
    Children,
    Directory,
    File,
    Link,
    Snapshot,
    chain,
    differences,
    emptied,
    separated,
    snapshot,
    tree,
)

T = 1_600_000_000_000_000_000
VERSION_AREA = os.fsdecode(VERSIONS)


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="versions-", dir="/dev/shm") as place:
        yield Path(place)


def keeping_job(place: Path, versions: Versions | None = None) -> MirrorJob:
    job = sync_job(place / "s", place / "d")
    return structs.replace(job, delete=DeletePolicy.TRASH, versions=versions or Versions())


def mirrored(place: Path) -> Snapshot:
    """See the destination without what is dirsync's own."""
    top = VERSIONS.split(b"/")[0]
    return {path: seen for path, seen in snapshot(place / "d").items() if path.split(b"/")[0] != top}


def now() -> datetime.datetime:
    """Give a moment that no run began in, before or after it."""
    time.sleep(0.002)
    moment = datetime.datetime.now(datetime.UTC)
    time.sleep(0.002)
    return moment


def restored(
    job: MirrorJob,
    place: Path,
    *,
    path: bytes = b"",
    at: datetime.datetime | None = None,
    to: Path | None = None,
    overwrite: bool = False,
) -> Counts:
    target = None if to is None else os.fsencode(to)
    request = Request(path=path, at=at, to=target, overwrite=overwrite)
    restore = Restore(job, request, observer=Silent(), deadline=Deadline(Stop(), timeout_seconds=None))
    restore.run(state=str(place / "state"))
    return restore.counts


RICH: Children = {
    "a": File(b"a1", mode=0o640, mtime_ns=T, uid=1000, gid=1001),
    "d": Directory(
        {
            "e": Directory(
                {"f": File(b"deep", mtime_ns=T + 7), "l": Link("../../a", mtime_ns=T)}, 0o750, T + 3
            ),
            "g": File(b"x" * 5000, offset=1 << 20, size=3 << 20, mtime_ns=T),
            b"\xff\n": File(b"odd", mtime_ns=-1),
        },
        mode=0o2755,
        mtime_ns=T + 1,
    ),
    "n" * 255: File(b"long", mtime_ns=T),
    "empty": Directory({}, 0o700, T + 9),
    "l": Link("d", mtime_ns=T + 2),
}


def test_a_tree_comes_back_as_it_was_before_each_of_three_destructive_runs(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", Directory(RICH, mtime_ns=T))
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    states: list[tuple[datetime.datetime, Snapshot]] = []
    shutil.rmtree(source / "d")
    (source / "a").write_bytes(b"rubbish")
    os.chmod(source / "empty", 0o777)
    states.append((now(), mirrored(tmp_path)))
    run(job, state=tmp_path / "state")
    (source / "a").unlink()
    tree(source / "a", {"now": b"a directory", "l": Link("x")})
    tree(source / "d", {"e": b"a file"})
    states.append((now(), mirrored(tmp_path)))
    run(job, state=tmp_path / "state")
    emptied(source)
    states.append((now(), mirrored(tmp_path)))
    run(job, state=tmp_path / "state")

    assert list(mirrored(tmp_path)) == [b""]
    for number, (at, wanted) in enumerate(states):
        restored(job, tmp_path, at=at, to=tmp_path / f"back{number}")
        assert not differences(wanted, snapshot(tmp_path / f"back{number}")), number


def test_a_directory_comes_back_with_its_attributes_though_another_has_its_name_by_now(
    tmp_path: Path,
) -> None:
    marked = Directory({"f": b"1"}, xattrs={"user.a": b"1"})
    source = tree(tmp_path / "s", {"d": {"sub": marked}})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    at = now()
    shutil.rmtree(source / "d/sub")
    run(job, state=tmp_path / "state")
    tree(source / "d", {"sub": {}})
    run(job, state=tmp_path / "state")
    restored(job, tmp_path, path=b"d", at=at, to=tmp_path / "back")

    assert mirrored(tmp_path)[b"d/sub"].xattrs == ()
    assert snapshot(tmp_path / "back")[b"d/sub"].xattrs == (("user.a", b"1"),)


def test_a_deleted_file_comes_back_to_the_source_and_the_next_run_agrees(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"d": {"e": {"f": File(b"1", mtime_ns=T), "g": b"2"}}})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    before = snapshot(source)
    shutil.rmtree(source / "d")
    run(job, state=tmp_path / "state")
    restored(job, tmp_path, path=b"d/e/f")

    back = snapshot(source)
    assert back[b"d/e/f"] == before[b"d/e/f"]
    assert b"d/e/g" not in back
    result = run(job, state=tmp_path / "state")
    assert (result.counts.created, result.counts.failed) == (3, 0)


def test_restore_replaces_nothing_unless_asked_to(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"f": File(b"good", mtime_ns=T)})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    at = now()
    (source / "f").write_bytes(b"bad")
    run(job, state=tmp_path / "state")

    assert restored(job, tmp_path, path=b"f", at=at).failed == 1
    assert (source / "f").read_bytes() == b"bad"
    assert restored(job, tmp_path, path=b"f", at=at, overwrite=True).modified == 1
    assert (source / "f").read_bytes() == b"good"


def test_what_never_was_cannot_be_restored(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"1"})
    job = keeping_job(tmp_path)
    before = now()
    run(job, state=tmp_path / "state")

    with pytest.raises(RunError, match="nothing was at 'g'"):
        restored(job, tmp_path, path=b"g")
    with pytest.raises(RunError, match="nothing was at 'f'"):
        restored(job, tmp_path, path=b"f", at=before)
    with pytest.raises(RunError, match="versions are kept since"):
        restored(job, tmp_path, path=b"f", at=before - datetime.timedelta(days=31))


def test_a_restore_waits_for_no_run_and_runs_beside_none(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"1"})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    with locked_job(str(tmp_path / "state"), job.name), pytest.raises(Busy):
        restored(job, tmp_path, to=tmp_path / "back")

    assert not (tmp_path / "back").exists()


def test_a_deleted_directory_is_one_rename_and_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"d": {str(number): b"x" for number in range(300)}, "kept": b"1"})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    shutil.rmtree(source / "d")
    passed: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", passed.append)
        result = run(job, state=tmp_path / "state")

    assert result.counts.deleted == 301
    assert passed.count("move") == 1
    assert {"unlink", "remove_directory"}.isdisjoint(passed)
    assert [version.path for version in versions_of(job, None, state=str(tmp_path / "state"))] == [b"d"]


def test_a_directory_that_holds_excluded_files_stays_with_them_and_the_rest_is_kept(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"d": {"a": b"1", "sub": {"b": b"2"}}})
    job = structs.replace(keeping_job(tmp_path), exclude=(PatternLine(b"*.log", "test", 1),))
    run(job, state=tmp_path / "state")
    (tmp_path / "d/d/x.log").write_bytes(b"mine")
    shutil.rmtree(source / "d")
    run(job, state=tmp_path / "state")

    assert os.listdir(tmp_path / "d/d") == ["x.log"]
    restored(job, tmp_path, path=b"d/sub", to=tmp_path / "back")
    assert (tmp_path / "back/d/sub/b").read_bytes() == b"2"


def test_the_version_area_is_no_part_of_the_tree(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", Directory({"f": File(b"1", mtime_ns=T), "g": b""}, mtime_ns=T))
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    (source / "f").write_bytes(b"22")
    os.utime(source, ns=(T, T))
    run(job, state=tmp_path / "state")

    assert (tmp_path / "d" / VERSION_AREA).is_dir()
    again = run(job, state=tmp_path / "state")
    assert (again.counts.changes, again.counts.scanned) == (0, 2)
    assert os.stat(tmp_path / "d").st_mtime_ns == T


def test_names_of_255_bytes_and_trees_deeper_than_any_path_are_kept(tmp_path: Path) -> None:
    names = [b"n" * 255] * 40
    source = chain(tmp_path / "s", names, b"leaf")
    tree(source, {"kept": b"1"})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    before = mirrored(tmp_path)
    subprocess.run(["find", source / ("n" * 255), "-delete"], check=True)
    assert run(job, state=tmp_path / "state").counts.deleted == 41
    restored(job, tmp_path, path=names[0], to=tmp_path / "back")
    back = snapshot(tmp_path / "back")

    assert {path: seen for path, seen in back.items() if path} == {
        path: seen for path, seen in before.items() if path.startswith(b"n")
    }
    old = structs.replace(job, versions=Versions(keep_seconds=0.001))
    assert run(old, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert os.listdir(tmp_path / "d" / VERSION_AREA) == []


def test_versions_go_when_their_time_is_over(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"f": b"1", "g": b""})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    (source / "f").write_bytes(b"22")
    run(job, state=tmp_path / "state")
    assert len(list(versions_of(job, b"f", state=str(tmp_path / "state")))) == 1
    time.sleep(0.3)
    short = structs.replace(job, versions=Versions(keep_seconds=0.2))
    run(short, state=tmp_path / "state")

    assert list(versions_of(job, b"f", state=str(tmp_path / "state"))) == []
    assert os.listdir(tmp_path / "d" / VERSION_AREA) == []


def test_of_each_path_only_so_many_versions_stay(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"f": b"0", "g": b""})
    job = keeping_job(tmp_path, Versions(count=2))
    at = []
    for number in range(5):
        (source / "f").write_bytes(b"x" * (number + 1))
        run(job, state=tmp_path / "state")
        at.append(now())

    kept = list(versions_of(job, b"f", state=str(tmp_path / "state")))
    assert [version.entry.size for version in kept] == [4, 3]
    assert restored(job, tmp_path, path=b"f", at=at[2], to=tmp_path / "back").created == 1
    assert (tmp_path / "back/f").read_bytes() == b"xxx"
    lost = restored(job, tmp_path, path=b"f", at=at[1], to=tmp_path / "none")
    assert (lost.created, lost.failed) == (0, 1)


def test_a_version_beyond_the_count_goes_after_what_took_its_place_is_on_the_disk(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"f": b"0", "g": b""})
    job = structs.replace(keeping_job(tmp_path, Versions(count=1)), durability=Durability.FULL)
    for size in (1, 2):
        (source / "f").write_bytes(b"x" * size)
        run(job, state=tmp_path / "state")
    (source / "f").write_bytes(b"xxx")
    with gated(counted := Counted()):
        run(job, state=tmp_path / "state")

    passed = counted.passed
    assert passed.index("sync_file_system") < passed.index("unlink") == len(passed) - 1
    (kept,) = versions_of(job, b"f", state=str(tmp_path / "state"))
    assert kept.entry.size == 2


def test_a_run_that_gave_up_a_path_keeps_the_versions_beyond_the_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "s", {"f": b"0", "g": b""})
    job = keeping_job(tmp_path, Versions(count=1))
    run(job, state=tmp_path / "state")
    (source / "f").write_bytes(b"x")
    run(job, state=tmp_path / "state")
    (source / "f").write_bytes(b"xx")
    (source / "g").unlink()

    def no_move(operation: str) -> None:
        if operation == "move":
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", no_move)
        assert run(job, state=tmp_path / "state").outcome is Outcome.PARTIAL
    sizes = [version.entry.size for version in versions_of(job, b"f", state=str(tmp_path / "state"))]

    assert sizes == [1, 1]


def test_killed_at_any_operation_versions_beyond_a_count_are_never_told_of_and_not_there(
    memory: Path,
) -> None:
    at = 0
    while True:
        place = tree(memory / str(at), {"s": {"f": b"", "g": b""}})
        source = place / "s"
        job = keeping_job(place, Versions(count=1))
        for size in (1, 2):
            (source / "f").write_bytes(b"x" * size)
            run(job, state=place / "state")
        since = now()
        (source / "f").write_bytes(b"xxx")
        if not was_killed(job, at=at, state=place / "state"):
            break
        restored(job, place, path=b"f", at=since, to=place / "back")
        assert (place / "back/f").read_bytes() == b"xx", at
        assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
        kept = list(versions_of(job, b"f", state=str(place / "state")))
        assert [version.entry.size for version in kept] == [2], at
        at += 1
    assert at > 0


def test_a_snapshot_by_hard_links_beside_the_destination_keeps_its_bytes(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": File(b"new", mtime_ns=T), "b": File(b"same", mode=0o600, mtime_ns=T)})
    tree(tmp_path / "d", {"a": File(b"old", mtime_ns=T - 1), "b": File(b"same", mode=0o644, mtime_ns=T)})
    tree(tmp_path / "kept", {})
    for name in ("a", "b"):
        os.link(tmp_path / "d" / name, tmp_path / "kept" / name)
    before = snapshot(tmp_path / "kept")
    run(keeping_job(tmp_path), state=tmp_path / "state")

    assert not differences(before, snapshot(tmp_path / "kept"))
    assert not differences(snapshot(tmp_path / "s"), mirrored(tmp_path))


def test_a_file_on_a_disk_mounted_within_the_destination_is_kept_too(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"m": {"f": File(b"old", mtime_ns=T)}})
    tree(tmp_path / "d", {"m": {}})
    job = keeping_job(tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "d/m"], check=True)
    try:
        run(job, state=tmp_path / "state")
        (source / "m/f").write_bytes(b"newer")
        assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
        (version,) = versions_of(job, b"m/f", state=str(tmp_path / "state"))
        at = datetime.datetime.fromisoformat(version.displaced_at)
        restored(
            job,
            tmp_path,
            path=b"m/f",
            at=at,
            to=tmp_path / "b",
        )
    finally:
        subprocess.run(["umount", tmp_path / "d/m"], check=True)

    assert (tmp_path / "b/m/f").read_bytes() == b"old"


LINKED = [s for s in SCENARIOS[15:] if "hard links" in s.name or "several names" in s.name]


@pytest.mark.parametrize("scenario", [*SCENARIOS[:15], *LINKED], ids=lambda scenario: scenario.name)
def test_killed_at_any_operation_nothing_that_was_there_is_lost(memory: Path, scenario: Scenario) -> None:
    """What a path held before is in its place or restorable; and the next run converges.

    Names of one file come back as separate files.
    """
    at = 0
    while True:
        place = memory / str(at)
        place.mkdir()
        wanted = snapshot(tree(place / "s", Directory(scenario.source, mtime_ns=T)))
        tree(place / "d", Directory(scenario.destination, mtime_ns=T))
        before = separated(mirrored(place))
        job = keeping_job(place)
        since = now()
        if not was_killed(job, at=at, state=place / "state"):
            break
        restored(job, place, at=since, to=place / "back")
        assert not differences(before, snapshot(place / "back")), at
        assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
        assert not differences(wanted, mirrored(place)), at
        restored(job, place, at=since, to=place / "again")
        assert not differences(before, snapshot(place / "again")), at
        assert run(job, state=place / "state").counts.changes == 0
        shutil.rmtree(place)
        at += 1
    assert at > 0


def test_no_record_tells_of_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deed that fails leaves no version; those beside it do."""
    source = tree(tmp_path / "s", {"a": b"1", "b": b"1", "keep": b""})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    for name in ("a", "b"):
        (source / name).unlink()

    class Once:
        moves = 0

        def __call__(self, operation: str) -> None:
            self.moves += operation == "move"
            if operation == "move" and self.moves == 1:
                raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", Once())
        assert run(job, state=tmp_path / "state").outcome is Outcome.PARTIAL

    assert [version.path for version in versions_of(job, None, state=str(tmp_path / "state"))] == [b"b"]
    rows = (
        sqlite3.connect(tmp_path / "state/ledger.db").execute("SELECT settled FROM version_runs").fetchall()
    )
    assert set(rows) == {(1,)}


def test_what_another_user_put_there_meanwhile_outlives_a_failing_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record tells of their file, but it lies in the version area until that expires."""
    source = tree(tmp_path / "s", {"a": b"1", "b": b"1"})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    for name in ("a", "b"):
        (source / name).write_bytes(b"longer")
    theirs = tree(tmp_path / "theirs", {"a": b"their own", "b": b"their own"})

    class Between:
        """Another user replaces each file between our look and our link; the second rename fails."""

        links = renames = 0

        def __call__(self, operation: str) -> None:
            if operation == "link":
                for name in ("a", "b")[self.links : self.links + 1]:
                    os.rename(theirs / name, tmp_path / "d" / name)
                self.links += 1
            self.renames += operation == "rename"
            if operation == "rename" and self.renames == 2:
                raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", Between())
        assert run(job, state=tmp_path / "state").outcome is Outcome.PARTIAL
    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED

    kept = [path.read_bytes() for path in (tmp_path / "d" / VERSION_AREA).rglob("[ab]")]
    assert kept.count(b"their own") == 3  # a and b of the failing run, b of the next
    assert {path.read_bytes() for path in (tmp_path / "d").glob("[ab]")} == {b"longer"}


def test_what_was_moved_with_other_metadata_and_moved_again_comes_back_as_it_was(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": File(b"1" * 5000, mode=0o644, mtime_ns=T), "d": {}})
    job = keeping_job(tmp_path)
    run(job, state=tmp_path / "state")
    before = now()
    os.rename(source / "a", source / "d/a")
    (source / "d/a").chmod(0o600)
    assert run(job, state=tmp_path / "state").counts.moved == 1
    os.rename(source / "d/a", source / "e")
    assert run(job, state=tmp_path / "state").counts.moved == 1

    restored(job, tmp_path, at=before, to=tmp_path / "back")

    assert (tmp_path / "back/a").stat().st_mode & 0o777 == 0o644

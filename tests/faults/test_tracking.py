"""Track jobs: what a run records, what it does not claim, and what it makes of trouble."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.opening import open_catalog
from dirsync.march import tracking
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import (
    Compare,
    Comparison,
    Fingerprint,
    Guard,
    PatternLine,
    Rule,
    Severity,
    SymlinkPolicy,
    TrackJob,
)
from dirsync.model.listing import Listing
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Outcome
from dirsync.scan import sources
from dirsync.scan.glance import Asked, Glance, Place
from dirsync.scan.lister import list_directory
from dirsync.trees.handles import join
from tests.catalogs_on_record import flaws, on_record, recorded_runs
from tests.jobs import Watched, sync_job, track_job, watched_run
from tests.program import mounted
from tests.rotting_disk import rotting_disk
from tests.trees import Directory, Fifo, File, Link, Node, tree

T = 1_600_000_000_000_000_000
HASHED = Comparison(by=frozenset({*Comparison().by, Compare.HASH}))


def line(text: str) -> PatternLine:
    return PatternLine(text.encode(), "test", 1)


def tracked(place: Path, children: object = None, **keys: object) -> TrackJob:
    """Make a source, and a job that has recorded it once."""
    source = tree(place / "s", children or {})  # type: ignore[arg-type]
    job = structs.replace(track_job(source, place / "state"), **keys)
    result, _ = watched_run(job, place)
    assert result.outcome is Outcome.SUCCEEDED, result.error
    return job


def told(watched: Watched) -> list[tuple[str, bytes]]:
    return [(change.kind.value, change.path) for change in watched.changes]


def history(job: TrackJob) -> list[RecordedChange]:
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        return list(catalog.changes(known.job_id))


def all_differ(_: int, path: bytes, directories: tuple[Place, ...], __: Asked) -> Glance:
    """Glance at nothing, so that each directory is looked at alone."""
    return Glance(0, [Place(join(path, name), ino) for name, ino in directories], [])


@contextlib.contextmanager
def blind_to(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have one directory be such that nobody may list it, not even root."""
    inode = os.stat(directory).st_ino

    def partly_blind(fd: int) -> Listing:
        if os.fstat(fd).st_ino == inode:
            raise PermissionError(13, "Permission denied")
        return list_directory(fd)

    with monkeypatch.context() as patched:
        patched.setattr(sources, "list_directory", partly_blind)
        patched.setattr(tracking, "glance", all_differ)
        yield


def test_the_first_run_is_the_baseline_and_no_change(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": b"123", "d": {"l": Link("x"), "p": Fifo()}})
    job = track_job(source, tmp_path / "state")
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.created, result.counts.bytes_copied) == (Outcome.SUCCEEDED, 4, 0)
    assert {path for _, path in told(watched)} == {b"a", b"d", b"d/l", b"d/p"}
    assert history(job) == []
    (run,) = recorded_runs(job)
    assert (run.is_baseline, run.entries, run.bytes_total, run.bytes_added) == (True, 4, 3, 3)


def test_a_run_over_an_unchanged_source_records_nothing(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": b"1", "d": {"e": {"f": b"2"}}})
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, result.counts.scanned, told(watched)) == (Outcome.SUCCEEDED, 4, [])
    assert [run.is_baseline for run in recorded_runs(job)] == [False, True]


def test_a_change_tells_what_was_and_what_is(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": File(b"1", mode=0o600, mtime_ns=T)})
    tree(tmp_path / "s", {"b": b""})
    (tmp_path / "s/a").write_bytes(b"22")
    os.chmod(tmp_path / "s/a", 0o644)
    watched_run(job, tmp_path)

    altered, created = history(job)
    assert (altered.path, altered.kind, created.kind) == (b"a", ChangeKind.MODIFIED, ChangeKind.CREATED)
    assert altered.aspects == {Aspect.SIZE, Aspect.MTIME, Aspect.MODE}
    assert altered.old is not None
    assert altered.new is not None
    assert (altered.old.size, altered.old.mode & 0o777, altered.old.mtime_ns) == (1, 0o600, T)
    assert (altered.new.size, altered.new.mode & 0o777) == (2, 0o644)
    assert (altered.run_id, altered.severity, altered.accepted_by) == (2, Severity.WARNING, None)


def test_a_renamed_directory_of_many_files_is_one_change(tmp_path: Path) -> None:
    files = {f"{n:04}": str(n).encode() for n in range(1000)}
    job = tracked(tmp_path, {"old": {"deep": files}, "other": {}}, comparison=HASHED)
    os.rename(tmp_path / "s/old", tmp_path / "s/other/new")
    result, watched = watched_run(job, tmp_path)

    assert told(watched) == [("moved", b"other/new")]
    assert result.counts.moved == 1
    (moved,) = history(job)
    assert (moved.old_path, moved.path) == (b"old", b"other/new")
    assert watched_run(job, tmp_path)[1].changes == []


def test_an_inode_that_is_used_again_is_no_move(tmp_path: Path) -> None:
    """ext4 gives the number of a directory that went to the next that comes."""
    job = tracked(tmp_path, {"gone": {"a": b"1", "b": b"2", "c": b"3"}})
    shutil.rmtree(tmp_path / "s/gone")
    tree(tmp_path / "s", {"new": {"x": b"1", "y": b"2"}})
    _, watched = watched_run(job, tmp_path)

    assert {kind for kind, _ in told(watched)} == {"created", "deleted"}


def test_an_unreadable_directory_is_unknown_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"d": {"secret": b"1"}, "e": {"f": b"2"}})
    os.unlink(tmp_path / "s/e/f")
    with blind_to(tmp_path / "s/d", monkeypatch):
        result, watched = watched_run(job, tmp_path)
    assert result.outcome is Outcome.PARTIAL
    assert told(watched) == [("deleted", b"e/f")]
    assert [failure.path for failure in watched.failures] == [b"d"]
    assert set(on_record(job, tmp_path, run_id=1)) == {b"d", b"d/secret", b"e", b"e/f"}

    os.unlink(tmp_path / "s/d/secret")
    assert told(watched_run(job, tmp_path)[1]) == [("deleted", b"d/secret")]


def test_a_new_directory_in_a_moved_one_where_another_was_moved_out_is_recorded(tmp_path: Path) -> None:
    """Its name leads to what is recorded of the other, which is elsewhere by now."""
    job = tracked(tmp_path, {"d": {"e": {"f": b"1"}, "g": b"", "h": b""}, "x": {}, "z": {}})
    before = set(on_record(job, tmp_path))
    os.rename(tmp_path / "s/d", tmp_path / "s/z/d")
    os.rename(tmp_path / "s/z/d/e", tmp_path / "s/x/e")
    tree(tmp_path / "s/z/d/e", {"n": b""})
    result, watched = watched_run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED, result.error
    assert told(watched) == [("moved", b"x/e"), ("moved", b"z/d"), ("created", b"z/d/e/n")]
    assert set(on_record(job, tmp_path, run_id=1)) == before
    assert flaws(job, tmp_path) == []


def test_a_directory_that_moves_during_the_scan_is_given_up_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"a": {}, "d": {"e": {"f": b"1"}, "g": b""}})
    before = set(on_record(job, tmp_path))
    inode = os.stat(tmp_path / "s/a").st_ino

    def listing(fd: int) -> Listing:
        if os.fstat(fd).st_ino == inode and (tmp_path / "s/d").exists():
            os.rename(tmp_path / "s/d", tmp_path / "s/a/d")
        return list_directory(fd)

    with monkeypatch.context() as patched:
        patched.setattr(sources, "list_directory", listing)
        patched.setattr(tracking, "glance", all_differ)
        result, watched = watched_run(job, tmp_path)
    assert (result.outcome, [each.path for each in watched.failures]) == (Outcome.PARTIAL, [b"d"])
    assert told(watched) == [("moved", b"a/d")]
    assert flaws(job, tmp_path) == []

    _, watched = watched_run(job, tmp_path)
    assert [path for kind, path in told(watched) if kind != "metadata"] == [b"d"]
    assert set(on_record(job, tmp_path)) == {b"a", b"a/d", b"a/d/e", b"a/d/e/f", b"a/d/g"}
    assert set(on_record(job, tmp_path, run_id=1)) == before
    assert flaws(job, tmp_path) == []


def test_an_empty_source_is_no_deletion_of_everything(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": b"1", "d": {"b": b"2"}})
    shutil.rmtree(tmp_path / "s")
    (tmp_path / "s").mkdir()
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, told(watched), history(job)) == (Outcome.HELD, [], [])
    assert result.error is not None
    assert "the catalog holds 3 entries" in result.error


def test_same_size_and_restored_mtime_do_not_hide_content(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": File(b"11", mtime_ns=T)}, comparison=HASHED)
    (tmp_path / "s/a").write_bytes(b"22")
    os.utime(tmp_path / "s/a", ns=(T, T))
    watched_run(job, tmp_path)

    (change,) = history(job)
    assert (change.kind, set(change.aspects)) == (ChangeKind.MODIFIED, {Aspect.HASH})
    assert change.old is not None
    assert change.new is not None
    assert None not in (change.old.hash, change.new.hash)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tracked(tmp_path, {"a": b"1", "b": b"2"}, comparison=HASHED)
    (tmp_path / "s/c").write_bytes(b"3")
    read: list[bytes] = []
    from dirsync.trees.local import LocalTree

    content = LocalTree.content

    def noted(tree_: LocalTree, path: bytes, *rest: object, **keys: object) -> object:
        read.append(path)
        return content(tree_, path, *rest, **keys)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalTree, "content", noted)
    watched_run(job, tmp_path)

    assert read == [b"c"]


def test_rules_say_what_counts_where(tmp_path: Path) -> None:
    everything = frozenset(Compare) - {Compare.XATTRS}
    only_mode = frozenset({Compare.MODE})
    rules = (
        Rule(pattern=line("/legal/"), attributes=everything, severity=Severity.CRITICAL),
        Rule(pattern=line("*.log"), attributes=only_mode, growing=True, severity=Severity.INFO),
        Rule(pattern=line("/cache/**"), attributes=frozenset()),
    )
    children = {
        "legal": {"act": b"1"},
        "a.log": b"1",
        "b.log": b"333",
        "cache": {"x": b"1", "d": {"y": b""}},
        "z": b"1",
    }
    job = tracked(tmp_path, children, rules=rules)
    for name in ("legal/act", "a.log", "cache/x", "cache/d/y", "z"):
        (tmp_path / "s" / name).write_bytes(b"22")
    (tmp_path / "s/b.log").write_bytes(b"3")
    watched_run(job, tmp_path)

    assert [(change.path, change.severity) for change in history(job)] == [
        (b"b.log", Severity.INFO),
        (b"legal/act", Severity.CRITICAL),
        (b"z", Severity.WARNING),
    ]
    assert history(job)[1].old is not None


def test_what_is_no_longer_selected_is_forgotten_and_not_deleted(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"keep": b"1", "drop": b"2", "cache": {"x": {"y": b""}}, "l": Link("keep")})
    narrower = structs.replace(job, exclude=(line("/drop"), line("cache/")), symlinks=SymlinkPolicy.SKIP)
    result, watched = watched_run(narrower, tmp_path)

    assert (result.outcome, told(watched), history(job)) == (Outcome.SUCCEEDED, [], [])
    assert recorded_runs(job)[0].entries == 1
    assert told(watched_run(job, tmp_path)[1]) == [
        ("created", path) for path in (b"cache", b"cache/x", b"cache/x/y", b"drop", b"l")
    ]


def test_an_ignore_file_above_decides_anew_for_directories_that_did_not_change(tmp_path: Path) -> None:
    job = tracked(
        tmp_path, {".ignore": b"*.o\n", "d": {"a.o": b"1", "a.c": b"2"}}, ignore_files=(b".ignore",)
    )
    (tmp_path / "s/.ignore").write_bytes(b"*.c\n")
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == [("modified", b".ignore"), ("created", b"d/a.o")]


def test_metadata_of_the_root_itself_is_recorded(tmp_path: Path) -> None:
    job = tracked(tmp_path, Directory({"a": b"1"}, mode=0o755))
    os.chmod(tmp_path / "s", 0o700)

    assert told(watched_run(job, tmp_path)[1]) == [("metadata", b"")]


def test_a_dry_run_tells_and_records_nothing(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": b"1"})
    job = track_job(source, tmp_path / "state")
    _, watched = watched_run(job, tmp_path, dry_run=True)
    assert told(watched) == [("created", b"a")]
    assert not (tmp_path / "state/catalog.db").exists()

    watched_run(job, tmp_path)
    (source / "b").write_bytes(b"2")
    assert told(watched_run(job, tmp_path, dry_run=True)[1]) == [("created", b"b")]
    assert told(watched_run(job, tmp_path)[1]) == [("created", b"b")]


def test_rot_is_found_in_time_and_told_once_as_a_change(tmp_path: Path) -> None:
    with rotting_disk(tmp_path) as disk:
        tree(disk.root, {"a": b"a" * 5000, "b": b"b" * 5000, "d": {"c": b"c" * 5000}})
        job = structs.replace(
            track_job(disk.root, tmp_path / "state"), comparison=HASHED, exclude=(line("lost+found"),)
        )
        watched_run(job, tmp_path)
        disk.rot(disk.root / "d/c")
        assert watched_run(job, tmp_path)[1].changes == []

        time.sleep(2.1)  # the catalog knows when in whole seconds
        refreshing = structs.replace(job, fingerprint=Fingerprint(refresh_seconds=0.5))
        _, watched = watched_run(refreshing, tmp_path)
        assert told(watched) == [("modified", b"d/c")]
        assert any("bit rot: 'd/c'" in notice for notice in watched.notices)
        time.sleep(2.1)
        watched_run(refreshing, tmp_path)

        (change,) = history(job)
        assert (change.path, change.rotted, change.severity) == (b"d/c", True, Severity.CRITICAL)


def test_a_sync_jobs_changes_are_in_the_history_too(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": b"1", "d": {"b": File(b"2222", mtime_ns=T)}})
    place = track_job(source, tmp_path / "state").catalog
    job = structs.replace(sync_job(source, tmp_path / "d"), catalog=place)
    watched_run(job, tmp_path)
    os.rename(source / "d", source / "e")
    (source / "a").unlink()
    watched_run(job, tmp_path)

    assert place is not None
    with open_catalog(place, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        changes = list(catalog.changes(known.job_id))
        recorded = catalog.runs(known.job_id)
    assert sorted((change.kind.value, change.path) for change in changes) == [
        ("deleted", b"a"),
        ("moved", b"e"),
    ]
    assert {change.severity for change in changes} == {None}
    assert [run.counts.created for run in recorded] == [0, 3]


def test_a_directory_that_takes_a_files_name_is_no_move(tmp_path: Path) -> None:
    """What was at its old path went, and is told so."""
    job = tracked(tmp_path, {"a": b"1", "c": {}})
    os.rename(tmp_path / "s/a", tmp_path / "s/b")
    os.rename(tmp_path / "s/c", tmp_path / "s/a")

    assert told(watched_run(job, tmp_path)[1]) == [("modified", b"a"), ("created", b"b"), ("deleted", b"c")]


@pytest.mark.parametrize("content", [{}, {"f": b"1", "g": b"2"}], ids=["empty", "filled"])
@pytest.mark.parametrize("to", ["a", "z"], ids=["seen before", "seen after"])
def test_a_directory_whose_path_is_taken_by_another_was_not_moved(
    tmp_path: Path, content: dict[str, Node], to: str
) -> None:
    """What a path holds is compared with what it held: in any order of the scan, nothing is told twice."""
    job = tracked(tmp_path, {"m": content})
    os.rename(tmp_path / "s/m", tmp_path / "s" / to)
    (tmp_path / "s/m").mkdir()
    os.utime(tmp_path / "s/m", ns=(T, T))
    _, watched = watched_run(job, tmp_path)

    files = [("moved", f"{to}/{name}".encode()) for name in content]
    emptied = [] if content else [("metadata", b"m")]
    assert sorted(told(watched)) == sorted([("created", to.encode()), *emptied, *files])
    assert watched_run(job, tmp_path)[1].changes == []


def test_a_directory_made_anew_is_not_taken_for_the_one_that_was_there(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"m": {}})
    os.rename(tmp_path / "s/m", tmp_path / "s/y")
    (tmp_path / "s/m").mkdir()
    watched_run(job, tmp_path)
    os.rename(tmp_path / "s/y", tmp_path / "s/z")
    (tmp_path / "s/m").rmdir()
    watched_run(job, tmp_path)

    changes = {(change.kind, change.path, change.old_path) for change in history(job) if change.run_id == 3}
    assert changes == {(ChangeKind.MOVED, b"z", b"y"), (ChangeKind.DELETED, b"m", None)}


def test_a_directory_whose_name_a_file_took_was_not_moved(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": {}, "b": {"a": b"1"}})
    os.rename(tmp_path / "s/a", tmp_path / "s/c")
    os.rename(tmp_path / "s/b/a", tmp_path / "s/a")

    changes = [("modified", b"a"), ("deleted", b"b/a"), ("created", b"c")]
    assert told(watched_run(job, tmp_path)[1]) == changes


def test_a_directory_that_left_one_that_is_gone_has_moved(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": {"b": {"f": b"1", "g": b"2"}}})
    os.rename(tmp_path / "s/a/b", tmp_path / "s/b")
    (tmp_path / "s/a").rmdir()

    assert told(watched_run(job, tmp_path)[1]) == [("deleted", b"a"), ("moved", b"b")]


def test_a_track_job_is_skipped_while_its_source_is_not_the_mount_point_it_has_to_be(tmp_path: Path) -> None:
    guard = Guard(mountpoint=True)
    source = tree(tmp_path / "s", {"beneath": b""})
    job = structs.replace(track_job(source, tmp_path / "state"), guard=guard)
    without, _ = watched_run(job, tmp_path)
    with mounted(source):
        (source / "f").touch()
        mounted_, watched = watched_run(job, tmp_path)

    assert without.outcome is Outcome.SKIPPED
    assert (
        without.error == f"'tracked': source '{source}' is not mounted; mount it or drop 'mountpoint: true'"
    )
    assert mounted_.outcome is Outcome.SUCCEEDED
    assert told(watched) == [("created", b"f")]

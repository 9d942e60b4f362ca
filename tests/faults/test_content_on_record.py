"""Content on record: what is compared with it, when it is read again, and at what cost."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.contents import Contents
from dirsync.catalog.opening import open_catalog
from dirsync.catalog.recording import recording
from dirsync.errors import RunError
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.content import Soundness
from dirsync.model.job import Compare, Comparison, Fingerprint, TrackJob
from dirsync.model.recorded import recorded_rows
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.accepting import accept_changes
from dirsync.runner.observer import Silent
from dirsync.runner.scrub import Tally
from dirsync.runner.tracking.states import EarlierState
from dirsync.runner.tracking.verifying import verify_tracked
from dirsync.trees.local import LocalTree
from tests.catalogs_on_record import flaws, on_record, recorded_runs
from tests.faults.test_tracking import HASHED, T, history, line, told, tracked
from tests.jobs import track_job, watched_run
from tests.program import mounted
from tests.rotting_disk import rotting_disk
from tests.trees import File, tree

OFTEN = Fingerprint(refresh_seconds=0.5)
A_WHILE = 1.6  # seconds until what was just read is due, for the catalog knows when in whole seconds


class Quiet(Silent):
    """A scrub that nobody watches."""

    def rotted(self, path: bytes, soundness: Soundness) -> None: ...

    def scrubbed(self, result: RunResult, tally: Tally) -> None: ...


def ages(job: TrackJob) -> dict[bytes, int | None]:
    """Give when the content of each file in the catalog was last read."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        return {row.name: row.hashed_at for _, row in catalog.entries(known.job_id) if row.is_file}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the paths whose content is read, in their order."""
    paths: list[bytes] = []
    content = LocalTree.content

    def noted(tree_: LocalTree, path: bytes, *rest: object, **keys: object) -> object:
        paths.append(path)
        return content(tree_, path, *rest, **keys)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalTree, "content", noted)
    return paths


def failing(patched: pytest.MonkeyPatch, *broken: bytes) -> None:
    """Have files on a part of the disk that cannot be read."""
    content = LocalTree.content

    def partly(tree_: LocalTree, path: bytes, *rest: object, **keys: object) -> object:
        if path in broken:
            raise OSError(5, "Input/output error")
        return content(tree_, path, *rest, **keys)  # type: ignore[arg-type]

    patched.setattr(LocalTree, "content", partly)


# What goes while it is due to be read again


def test_what_is_excluded_now_and_due_to_be_read_again_leaves_a_sound_catalog(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"x": {"f": b"1", "z": {"g": b"2"}}, "y": b"2"}, comparison=HASHED)
    time.sleep(A_WHILE)
    job = structs.replace(job, exclude=(line("/x/"),), fingerprint=OFTEN)
    watched_run(job, tmp_path)

    assert flaws(job, tmp_path) == []
    assert ages(job).keys() == {b"y"}


def test_what_an_ignore_file_excludes_and_is_due_leaves_a_sound_catalog(tmp_path: Path) -> None:
    children = {".ign": b"", "x": {"f": b"1"}, "y": b"2"}
    job = tracked(tmp_path, children, comparison=HASHED, ignore_files=(b".ign",), fingerprint=OFTEN)
    (tmp_path / "s/.ign").write_bytes(b"/x/\n")
    time.sleep(A_WHILE)
    watched_run(job, tmp_path)

    assert flaws(job, tmp_path) == []
    assert ages(job).keys() == {b".ign", b"y"}


@pytest.mark.parametrize("deeds", ["put drop", "drop drop", "drop put", "put put"])
def test_a_directory_that_is_staged_twice_is_an_error_of_this_program(tmp_path: Path, deeds: str) -> None:
    job = tracked(tmp_path, {"d": {"f": b"1"}})
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        (directory,) = catalog.directories_at(known.job_id, [b"d"]).values()
        with recording(catalog, known, run_id=2) as rows:

            def do(deed: str) -> None:
                if deed == "drop":
                    rows.drop(directory)
                else:
                    rows.put(directory, directory, entries=[], instead=[])

            first, second = deeds.split()
            do(first)
            with pytest.raises(RunError, match="was met twice"):
                do(second)


# What cannot be read


@pytest.mark.parametrize("by", [HASHED.by, frozenset({Compare.SIZE, Compare.HASH})])
@pytest.mark.parametrize("failures", [1, 2])
def test_content_that_could_not_be_read_is_compared_with_what_it_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: frozenset[Compare], failures: int
) -> None:
    job = tracked(tmp_path, {"a": File(b"123", mtime_ns=T)}, comparison=Comparison(by=by))
    (tmp_path / "s/a").write_bytes(b"456")
    os.utime(tmp_path / "s/a", ns=(T, T))
    with monkeypatch.context() as patched:
        failing(patched, b"a")
        for _ in range(failures):
            result, watched = watched_run(job, tmp_path)
            assert (result.outcome, told(watched)) == (Outcome.PARTIAL, [])
    result, watched = watched_run(job, tmp_path)

    assert (result.outcome, told(watched)) == (Outcome.SUCCEEDED, [("modified", b"a")])
    (change,) = history(job)
    assert change.aspects == {Aspect.HASH}
    assert change.old is not None
    assert change.new is not None
    assert None not in (change.old.hash, change.new.hash)
    assert watched_run(job, tmp_path)[1].changes == []
    assert flaws(job, tmp_path) == []


def test_what_else_differs_in_a_file_that_cannot_be_read_is_told_at_once_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"a": File(b"123", mtime_ns=T), "b": File(b"1", mtime_ns=T)}, comparison=HASHED)
    (tmp_path / "s/a").write_bytes(b"4567")
    os.utime(tmp_path / "s/b", ns=(T + 1, T + 1))
    with monkeypatch.context() as patched:
        failing(patched, b"a", b"b")
        first = watched_run(job, tmp_path)[1]
        again = watched_run(job, tmp_path)[1]
    watched_run(job, tmp_path)

    assert (told(first), told(again)) == ([("modified", b"a"), ("modified", b"b")], [])
    changes = [(each.run_id, each.path, each.kind, set(each.aspects)) for each in history(job)]
    assert changes == [
        (2, b"a", ChangeKind.MODIFIED, {Aspect.SIZE, Aspect.MTIME}),
        (2, b"b", ChangeKind.MODIFIED, {Aspect.MTIME}),  # its content is not known to be the same
        (4, b"a", ChangeKind.MODIFIED, {Aspect.HASH}),
    ]
    of_a = history(job)[0]
    assert of_a.new is not None
    assert (of_a.new.size, of_a.new.hash) == (4, None)


def test_a_new_file_that_cannot_be_read_is_told_once_and_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"a": b"1"}, comparison=HASHED)
    (tmp_path / "s/b").write_bytes(b"2")
    with monkeypatch.context() as patched:
        failing(patched, b"b")
        assert told(watched_run(job, tmp_path)[1]) == [("created", b"b")]

    assert (watched_run(job, tmp_path)[1].changes, None in ages(job).values()) == ([], False)


def test_a_file_whose_times_say_nothing_is_read_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems keep no ctime: then only size and mtime tell that it was not read yet."""
    from dirsync.runner.tracking import matching

    job = tracked(tmp_path, {"a": File(b"123", mtime_ns=T)}, comparison=HASHED)
    ctime_ns = os.stat(tmp_path / "s/a").st_ctime_ns
    monkeypatch.setattr(
        matching,
        "recorded_rows",
        lambda listing: [row._replace(ctime_ns=ctime_ns) for row in recorded_rows(listing)],
    )
    (tmp_path / "s/a").write_bytes(b"4567")
    with monkeypatch.context() as patched:
        failing(patched, b"a")
        watched_run(job, tmp_path)
        watched_run(job, tmp_path)
    _, watched = watched_run(job, tmp_path)

    assert [(change.path, set(change.aspects)) for change in watched.changes] == [(b"a", {Aspect.HASH})]


# Reading again, in time


def test_a_file_in_a_directory_where_something_always_changes_is_read_again(
    tmp_path: Path, read: list[bytes]
) -> None:
    job = tracked(tmp_path, {"d": {"f": b"1", "g": b"1"}}, comparison=HASHED, fingerprint=OFTEN)
    read.clear()
    for number in range(2):
        time.sleep(A_WHILE)
        (tmp_path / "s/d/g").write_bytes(b"%d" % number)
        watched_run(job, tmp_path)

    assert sorted(read) == [b"d/f", b"d/f", b"d/g", b"d/g"]
    assert flaws(job, tmp_path) == []
    assert time.time() - min(age for age in ages(job).values() if age is not None) < 30


def test_a_file_in_a_directory_that_moved_is_read_again_where_it_is(
    tmp_path: Path, read: list[bytes]
) -> None:
    children = {"d": {"f": b"1", "g": b"1", "e": {"h": b"1"}}}
    job = tracked(tmp_path, children, comparison=HASHED, fingerprint=OFTEN)
    time.sleep(A_WHILE)
    os.rename(tmp_path / "s/d", tmp_path / "s/n")
    (tmp_path / "s/n/g").unlink()
    read.clear()
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == [("moved", b"n"), ("deleted", b"n/g")]
    assert sorted(read) == [b"n/e/h", b"n/f"]
    assert flaws(job, tmp_path) == []


def test_rot_is_found_in_a_directory_where_something_always_changes(tmp_path: Path) -> None:
    with rotting_disk(tmp_path) as disk:
        source = tree(disk.root / "s", {"f": b"f" * 5000, "g": b"1"})
        job = structs.replace(track_job(source, tmp_path / "state"), comparison=HASHED, fingerprint=OFTEN)
        watched_run(job, tmp_path)
        disk.rot(source / "f")
        time.sleep(A_WHILE)
        (source / "g").write_bytes(b"22")
        _, watched = watched_run(job, tmp_path)

        assert sorted(told(watched)) == [("modified", b"f"), ("modified", b"g")]
        assert [change.path for change in history(job) if change.rotted] == [b"f"]
        assert flaws(job, tmp_path) == []


# Budgets


def test_a_file_that_cannot_be_read_uses_up_no_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[bytes]
) -> None:
    children = {"d": {"a": b"1" * 10}, "e": {"b": b"1" * 10, "c": b"1" * 10}}
    job = tracked(tmp_path, children, comparison=HASHED)
    job = structs.replace(job, fingerprint=structs.replace(OFTEN, budget_bytes=10))
    failing(monkeypatch, b"d/a")
    read.clear()
    for _ in range(2):
        time.sleep(A_WHILE)
        result, watched = watched_run(job, tmp_path)
        assert (result.outcome, [each.path for each in watched.failures]) == (Outcome.PARTIAL, [b"d/a"])

    assert read == [b"e/b", b"e/c"]


def test_a_budget_of_a_scrub_is_for_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[bytes]
) -> None:
    children = {f"{number:02}": b"1" * 10 for number in range(40)}
    job = tracked(tmp_path, children, comparison=HASHED, workers=3)
    failing(monkeypatch, *(b"%02d" % number for number in range(30)))
    read.clear()
    result = verify_tracked(
        job, state=str(tmp_path / "state"), observer=Quiet(), stop=Stop(), budget_bytes=25
    )

    assert (result.outcome, result.counts.failed) == (Outcome.PARTIAL, 30)
    assert sorted(read) == [b"30", b"31"]


def test_a_file_larger_than_the_budget_is_read_as_the_only_one(tmp_path: Path, read: list[bytes]) -> None:
    job = tracked(tmp_path, {"a": b"1" * 10, "b": b"1" * 100, "c": b""}, comparison=HASHED)
    job = structs.replace(job, fingerprint=structs.replace(OFTEN, budget_bytes=20))
    read.clear()
    runs_ = []
    for _ in range(3):
        time.sleep(A_WHILE)
        watched_run(job, tmp_path)
        runs_.append(sorted(read))
        read.clear()

    assert runs_ == [[b"a"], [b"b"], [b"a", b"c"]]


def test_a_file_that_is_not_as_it_was_is_not_read_to_find_that_out(tmp_path: Path, read: list[bytes]) -> None:
    job = tracked(tmp_path, {"a": b"1", "b": b"2"}, comparison=HASHED)
    (tmp_path / "s/a").write_bytes(b"11")
    read.clear()
    verify_tracked(job, state=str(tmp_path / "state"), observer=Quiet(), stop=Stop(), budget_bytes=None)

    assert read == [b"b"]


# Another source than the one on record


def verified(job: TrackJob, place: Path) -> RunResult:
    """Read all that is on record again."""
    return verify_tracked(job, state=str(place / "state"), observer=Quiet(), stop=Stop(), budget_bytes=None)


def test_an_empty_source_is_not_sound_as_a_run_does_not_believe_it(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": b"1", "d": {"b": b"2"}}, comparison=HASHED)
    (tmp_path / "s").rename(tmp_path / "elsewhere")
    tree(tmp_path / "s", {".dirsync": {"own": b""}})
    scrubbed, (ran, _) = verified(job, tmp_path), watched_run(job, tmp_path)

    assert (scrubbed.outcome, scrubbed.error) == (Outcome.HELD, ran.error)
    assert scrubbed.error is not None
    assert "is it mounted?" in scrubbed.error
    unguarded = structs.replace(job, guard=structs.replace(job.guard, source_not_empty=False))
    assert verified(unguarded, tmp_path).outcome is Outcome.SUCCEEDED


def test_another_file_system_that_lacks_what_is_on_record_is_not_sound(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": b"1", "b": b"2"}, comparison=HASHED)
    with mounted(tmp_path / "s"):
        (tmp_path / "s/a").write_bytes(b"1")
        scrubbed, (ran, _) = verified(job, tmp_path), watched_run(job, tmp_path)

    assert (scrubbed.outcome, ran.outcome) == (Outcome.HELD, Outcome.HELD)
    assert scrubbed.error is not None
    assert "guard source: the source is on another file system than on the last run" in scrubbed.error
    assert "it lacks 1 of the files on record; mount the right one" in scrubbed.error
    assert flaws(job, tmp_path) == []


def test_files_that_went_leave_the_rest_sound(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": b"1", "b": b"2"}, comparison=HASHED)
    (tmp_path / "s/a").unlink()

    assert verified(job, tmp_path).outcome is Outcome.SUCCEEDED


# Memory


def test_what_is_due_is_read_as_the_catalog_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[bytes]
) -> None:
    children = {f"d{number}": {f"{each:03}": b"" for each in range(200)} for number in range(5)}
    job = tracked(tmp_path, children, comparison=HASHED)
    given: list[int] = []
    read_before = Contents.read_before

    def counted(contents: Contents, *rest: object, **keys: object) -> Iterator[object]:
        for each in read_before(contents, *rest, **keys):  # type: ignore[arg-type]
            given.append(len(read))
            yield each

    monkeypatch.setattr(Contents, "read_before", counted)
    time.sleep(A_WHILE)
    read.clear()
    watched_run(structs.replace(job, fingerprint=OFTEN), tmp_path)

    assert (len(given), len(read)) == (1000, 1000)
    assert max(index - before for index, before in enumerate(given)) < 50
    assert flaws(job, tmp_path) == []


def test_a_directory_of_very_many_files_is_staged_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[bytes]
) -> None:
    from dirsync.runner.tracking import refreshing

    job = tracked(tmp_path, {"d": {f"{n:02}": b"" for n in range(20)}, "e": b""}, comparison=HASHED)
    monkeypatch.setattr(refreshing, "_AT_ONCE", 5)
    time.sleep(A_WHILE)
    read.clear()
    watched_run(structs.replace(job, fingerprint=OFTEN), tmp_path)

    assert len(read) == 21
    assert flaws(job, tmp_path) == []
    read.clear()
    watched_run(structs.replace(job, fingerprint=Fingerprint(refresh_seconds=60)), tmp_path)
    assert read == []


def test_an_earlier_state_takes_little_memory_whatever_a_run_changed(tmp_path: Path) -> None:
    count = 6000
    job = tracked(tmp_path, {"d": {f"{number:04}": b"" for number in range(count)}, "e": {}})
    os.rename(tmp_path / "s/d", tmp_path / "s/e/n")
    watched_run(job, tmp_path)
    for number in range(count):
        os.chmod(tmp_path / f"s/e/n/{number:04}", 0o600)
    watched_run(job, tmp_path)
    for number in range(count):
        os.rename(tmp_path / f"s/e/n/{number:04}", tmp_path / f"s/e/{number:04}")
    watched_run(job, tmp_path)
    assert [run.counts.moved for run in recorded_runs(job)] == [count, 0, 1, 0]
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        state = EarlierState(job, catalog, known, run_id=1, folder=str(tmp_path))
        tracemalloc.start()
        try:
            seen = sum(1 for each in state.sightings() if each.path.startswith(b"d/"))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert seen == count
    assert peak_bytes < 5_000_000


def test_an_earlier_state_has_the_content_of_before_accepted_rot(tmp_path: Path) -> None:
    with rotting_disk(tmp_path) as disk:
        source = disk.root / "s"
        source.mkdir()
        (source / "a").write_bytes(b"x" * 5000)
        job = structs.replace(track_job(source, tmp_path / "state"), comparison=HASHED, fingerprint=OFTEN)
        watched_run(job, tmp_path)
        _, before = on_record(job, tmp_path)[b"a"]
        disk.rot(source / "a")
        time.sleep(1.6)
        watched_run(job, tmp_path)
        assert on_record(job, tmp_path, run_id=1)[b"a"][1] == before
        accept_changes(job, b"", state=str(tmp_path / "state"), last_run=None)
        assert on_record(job, tmp_path)[b"a"][1] != before
        assert on_record(job, tmp_path, run_id=1)[b"a"][1] == before


def test_rot_is_accepted_where_the_directories_above_it_were_moved_to(tmp_path: Path) -> None:
    with rotting_disk(tmp_path) as disk:
        source = tree(disk.root / "s", {"d": {"e": {"a": b"x" * 5000, "b": b"2"}, "c": b"3"}})
        job = structs.replace(track_job(source, tmp_path / "state"), comparison=HASHED)
        watched_run(job, tmp_path)
        before = on_record(job, tmp_path)[b"d/e/a"][1]
        disk.rot(source / "d/e/a")
        assert verified(job, tmp_path).counts.modified == 1
        (source / "d").rename(source / "f")
        watched_run(job, tmp_path)
        (source / "f/e").rename(source / "f/g")
        (source / "f").rename(source / "h")
        watched_run(job, tmp_path)
        accepted = accept_changes(job, b"d", state=str(tmp_path / "state"))

        assert accepted is not None
        assert accepted.rot == 1
        assert verified(job, tmp_path).outcome is Outcome.SUCCEEDED
        assert on_record(job, tmp_path)[b"h/g/a"][1] != before
        assert on_record(job, tmp_path, run_id=1)[b"d/e/a"][1] == before
        assert flaws(job, tmp_path) == []


def test_of_content_that_rotted_twice_the_last_is_accepted(tmp_path: Path) -> None:
    with rotting_disk(tmp_path) as disk:
        source = tree(disk.root / "s", {"a": b"x" * 5000})
        job = structs.replace(track_job(source, tmp_path / "state"), comparison=HASHED)
        watched_run(job, tmp_path)
        for bits in (1, 2):
            disk.rot(source / "a", bits=bits)
            assert verified(job, tmp_path).counts.modified == 1
        accepted = accept_changes(job, b"", state=str(tmp_path / "state"))

        assert accepted is not None
        assert accepted.rot == 1
        assert verified(job, tmp_path).counts.modified == 0
        assert flaws(job, tmp_path) == []

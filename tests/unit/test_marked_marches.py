"""Runs over marked directories alone: filtered, spared and judged as a run over everything would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.change import ChangeKind
from dirsync.model.job import DeletePolicy, Guard, Limit, MirrorJob, PatternLine
from dirsync.model.marks import Marks, Reach
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.run import run_job
from tests.jobs import Watched, run, sync_job
from tests.program import mounted
from tests.trees import Children, HardLink, tree


def job_over(place: Path, children: Children, **more: object) -> MirrorJob:
    """Declare a job whose destination is as its source, for a complete run went before."""
    tree(place / "s", children)
    job = structs.replace(sync_job(place / "s", place / "d"), watch=True, **more)
    assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
    return job


def marked_run(
    job: MirrorJob, place: Path, *paths: bytes, whole: tuple[bytes, ...] = ()
) -> tuple[RunResult, Watched]:
    watched = Watched()
    marks = Marks(directories={**dict.fromkeys(paths, Reach.ITSELF), **dict.fromkeys(whole, Reach.SUBTREE)})
    result = run_job(job, state=str(place / "state"), observer=watched, stop=Stop(), marks=marks)
    return result, watched


def told(watched: Watched) -> list[tuple[str, bytes]]:
    return sorted((change.kind.value, change.path) for change in watched.changes)


def line(text: str) -> PatternLine:
    return PatternLine(text.encode(), "test", 1)


def test_only_what_is_marked_is_looked_at(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"f": b"1", "b": {"f": b"1"}}, "c": {"f": b"1"}})
    for path in ("a/f", "a/b/f", "c/f"):
        (tmp_path / "s" / path).write_bytes(b"22")
    result, watched = marked_run(job, tmp_path, b"a")

    assert told(watched) == [("modified", b"a/f")]
    assert (result.outcome, result.counts.scanned) == (Outcome.SUCCEEDED, 2)
    assert told(marked_run(job, tmp_path, whole=(b"a", b"c"))[1]) == [
        ("modified", b"a/b/f"),
        ("modified", b"c/f"),
    ]


def test_what_one_side_alone_has_is_marched_whole(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"old": {"x": {"f": b"1"}}, "turns": {"f": b"1"}}})
    tree(tmp_path / "s/a", {"new": {"y": {"f": b"1"}}})
    for path in ("old/x/f", "turns/f"):
        (tmp_path / "s/a" / path).unlink()
    for path in ("old/x", "old", "turns"):
        (tmp_path / "s/a" / path).rmdir()
    (tmp_path / "s/a/turns").touch()
    result, _ = marked_run(
        structs.replace(job, moves=False), tmp_path, b"a", b"a/old/x", b"a/new/y", b"a/turns"
    )

    assert result.outcome is Outcome.SUCCEEDED
    assert run(structs.replace(job, moves=False), state=tmp_path / "state").counts.changes == 0


def test_a_directorys_own_metadata_is_seen_from_itself_and_from_above(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"b": {"c": {}}}})
    marked = ((b"a",), (b"a/b",), (b"a", b"a/b"), (b"", b"a", b"a/b", b"a/b/c"))
    for marks, mode in zip(marked, (0o700, 0o750, 0o711, 0o755), strict=True):
        (tmp_path / "s/a/b").chmod(mode)
        os.utime(tmp_path / "s/a/b/c", ns=(0, 0))
        _, watched = marked_run(job, tmp_path, *marks)

        assert ("metadata", b"a/b") in told(watched)
        assert len(told(watched)) == len(set(told(watched)))
        run(job, state=tmp_path / "state")


def test_filters_hold_as_they_do_on_the_way_down(tmp_path: Path) -> None:
    children: Children = {
        "a": {".ignore": b"*.log\n", "b": {"f": b"1", "f.log": b"1", "out": {}}, "out": {"f": b"1"}},
    }
    job = job_over(tmp_path, children, ignore_files=(b".ignore",), exclude=(line("out/"), line("/a/b/x")))
    for path in ("a/b/f.log", "a/b/x", "a/b/out/f", "a/out/f", "a/b/y"):
        (tmp_path / "s" / path).write_bytes(b"22")
    _, watched = marked_run(job, tmp_path, b"a/b", b"a/b/out", b"a/out", whole=(b"a/b/out",))

    assert told(watched) == [("created", b"a/b/y")]


def test_guards_know_how_much_there_is_elsewhere(tmp_path: Path) -> None:
    """Two of three entries of a directory are two of a hundred in all."""
    children: Children = {
        "a": {"1": b"1", "2": b"1", "3": b"1"},
        "b": {f"{number}": b"1" for number in range(95)},
    }
    guard = Guard(max_delete=Limit(percent=10), min_free=None)
    job = job_over(tmp_path, children, guard=guard)
    for name in "12":
        (tmp_path / "s/a" / name).unlink()
    assert marked_run(job, tmp_path, b"a")[0].outcome is Outcome.SUCCEEDED

    for number in range(20):
        (tmp_path / f"s/b/{number}").unlink()
    assert marked_run(job, tmp_path, b"b")[0].outcome is Outcome.HELD


def test_a_source_that_seems_empty_is_looked_at_whole(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"f": b"1"}}, guard=Guard(min_free=None))
    (tmp_path / "s/a/f").unlink()
    result, watched = marked_run(job, tmp_path, b"a")
    assert (result.outcome, told(watched)) == (Outcome.SUCCEEDED, [("deleted", b"a/f")])

    (tmp_path / "s/a").rmdir()
    assert marked_run(job, tmp_path, b"")[0].outcome is Outcome.HELD


@pytest.mark.parametrize("keeps", [True, False])
def test_files_of_several_names_are_judged_with_everything(tmp_path: Path, keeps: bool) -> None:
    """What is written through one name changes the other, of which nobody is told."""
    job = job_over(tmp_path, {"a": {"f": b"1"}, "b": {"g": HardLink("../a/f")}})
    if not keeps:
        job = structs.replace(
            job, preserve=frozenset(each for each in job.preserve if each.value != "hardlinks")
        )
        run(job, state=tmp_path / "state")
    (tmp_path / "s/a/f").write_bytes(b"22")
    marked_run(job, tmp_path, b"a")

    assert (tmp_path / "d/b/g").read_bytes() == b"22"
    assert run(job, state=tmp_path / "state").counts.changes == 0


def test_moves_between_marked_directories_are_moves(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"x": {"f": b"1", "g": b"2"}}, "b": {}})
    (tmp_path / "s/a/x").rename(tmp_path / "s/b/y")
    _, watched = marked_run(job, tmp_path, b"a", b"b", whole=(b"b/y",))

    assert [change.path for change in watched.changes if change.kind is ChangeKind.MOVED] == [b"b/y"]
    assert run(job, state=tmp_path / "state").counts.changes == 0


def test_nothing_is_deleted_where_another_file_system_is_mounted(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"m": {"x": {}}}}, delete=DeletePolicy.REMOVE)
    with mounted(tmp_path / "d/a/m") as there:
        tree(there, {"x": {"theirs": b"1"}})
        marked_run(job, tmp_path, b"a/m/x")
        assert (there / "x/theirs").exists()


def test_without_a_complete_run_before_everything_is_looked_at(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"f": b"1"}, "b": {"f": b"1"}})
    (tmp_path / "s/b/f").write_bytes(b"22")
    other = tmp_path / "other"
    other.mkdir()
    _, watched = marked_run(job, other, b"a")

    assert told(watched) == [("modified", b"b/f")]


def test_one_directory_that_cannot_be_seen_fails_alone(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"f": b"1"}, "b": {"f": b"1"}})
    (tmp_path / "s/a/f").write_bytes(b"22")
    (tmp_path / "s/b/f").unlink()
    (tmp_path / "s/b").rmdir()
    os.symlink("a", tmp_path / "s/b")
    result, watched = marked_run(job, tmp_path, b"a", b"b", b"")

    assert (result.outcome, told(watched)[0]) == (Outcome.SUCCEEDED, ("deleted", b"b/f"))
    assert run(job, state=tmp_path / "state").counts.changes == 0

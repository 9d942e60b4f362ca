"""Content on record: what is compared with it, when it is read again, and at what cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dirsync.catalog.opening import open_catalog
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.content import Soundness
from dirsync.model.job import Compare, Comparison, Fingerprint, TrackJob
from dirsync.model.recorded import recorded_rows
from dirsync.model.result import Outcome, RunResult
from dirsync.runner.observer import Silent
from dirsync.runner.scrub import Tally
from dirsync.runner.tracking.auditing import verify_catalog
from dirsync.trees.local import LocalTree
from tests.faults.test_tracking import HASHED, T, history, told, tracked
from tests.jobs import watched_run
from tests.trees import File

OFTEN = Fingerprint(refresh_seconds=0.5)
A_WHILE = 1.6  # seconds until what was just read is due, for the catalog knows when in whole seconds


class Quiet(Silent):
    """A scrub that nobody watches."""

    def rotted(self, path: bytes, soundness: Soundness) -> None: ...

    def scrubbed(self, result: RunResult, tally: Tally) -> None: ...


def flaws(job: TrackJob, place: Path) -> list[str]:
    assert job.catalog is not None
    found: list[str] = []
    verify_catalog(
        job.catalog,
        state=str(place / "state"),
        job=None,
        found=lambda flaw: found.append(flaw.text),
        noticed=lambda _: None,
    )
    return found


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
    from dirsync.runner.tracking import comparing

    job = tracked(tmp_path, {"a": File(b"123", mtime_ns=T)}, comparison=HASHED)
    ctime_ns = os.stat(tmp_path / "s/a").st_ctime_ns
    monkeypatch.setattr(
        comparing,
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

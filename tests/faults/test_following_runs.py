"""Whole runs that follow the symlinks of their source, and nothing beyond it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.march import driver
from dirsync.model.change import Failure
from dirsync.model.job import (
    Compare,
    Comparison,
    DeletePolicy,
    Guard,
    JobType,
    Limit,
    MirrorJob,
    PatternLine,
    SymlinkPolicy,
)
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.observer import Silent
from dirsync.runner.run import approve_job, run_job
from tests.jobs import sync_job
from tests.trees import Children, Directory, File, Link, snapshot, tree

OLD = 1_600_000_000_000_000_000


class Watched(Silent):
    """An observer that remembers failures."""

    def __init__(self) -> None:
        self.failures: dict[bytes, str] = {}

    def failed(self, failure: Failure) -> None:
        self.failures[failure.path] = failure.reason


def following(place: Path, source: Children, destination: Children | None = None) -> MirrorJob:
    """Build two trees beside a secret, and declare a mirror between them that follows links."""
    (place / "secret").write_bytes(b"secret")
    tree(place / "s", source)
    tree(place / "d", destination or {})
    return structs.replace(sync_job(place / "s", place / "d"), symlinks=SymlinkPolicy.FOLLOW)


def run(job: MirrorJob, place: Path) -> tuple[RunResult, dict[bytes, str]]:
    watched = Watched()
    return run_job(job, state=str(place / "state"), observer=watched, stop=Stop()), watched.failures


LINKS: dict[Any, Any] = {
    "f": File(b"content", mode=0o640, mtime_ns=OLD),
    "to_f": Link("f"),
    "a": {"g": File(b"g", mtime_ns=OLD), "sub": {"h": b"h"}, "up": Link("../f")},
    "to_a": Link("a"),
    "to_to_a": Link("to_a"),
    "deep": {"er": {"to_sub": Link("../../a/sub"), "to_g": Link("../../to_a/g")}},
}


@pytest.mark.parametrize("on_workers", [False, True])
@pytest.mark.parametrize("by_hash", [False, True])
def test_destination_holds_what_the_links_lead_to(
    tmp_path: Path, on_workers: bool, by_hash: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_workers:
        monkeypatch.setattr(driver, "INLINE_SECONDS", 0.0)
        monkeypatch.setattr(driver, "_start", lambda *_: None)  # do not march on until they are there
    job = following(tmp_path, LINKS)
    by = frozenset({Compare.HASH, Compare.SIZE, Compare.MODE, Compare.MTIME} if by_hash else Comparison().by)
    job = structs.replace(job, workers=2, comparison=Comparison(by=by))
    subprocess.run(["cp", "-rLp", tmp_path / "s", tmp_path / "expected"], check=True)
    first, failures = run(job, tmp_path)
    again, _ = run(job, tmp_path)

    assert (first.outcome, failures) == (Outcome.SUCCEEDED, {})
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "expected")
    assert again.counts.changes == 0
    assert again.counts.scanned == first.counts.scanned == 22


def test_change_behind_a_link_is_seen(tmp_path: Path) -> None:
    job = following(tmp_path, LINKS)
    run(job, tmp_path)
    (tmp_path / "s" / "f").write_bytes(b"other")
    result, _ = run(job, tmp_path)

    assert result.counts.modified == 5
    assert (tmp_path / "d" / "to_to_a" / "up").read_bytes() == b"other"


def test_links_that_are_not_followed_are_failures_and_keep_what_the_destination_has(tmp_path: Path) -> None:
    job = following(
        tmp_path,
        {
            "out": Link("../secret"),
            "etc": Link("/etc"),
            "gone": Link("nothing"),
            "self": Link("."),
            "x": Link("x"),
            "good": Link("real"),
            "real": b"real",
        },
        {"out": b"old", "etc": {"hosts": b"old"}, "gone": {"deep": {"f": b"old"}}, "surplus": b"x"},
    )
    result, failures = run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert failures == {
        b"out": "a link that points outside the source; it is not followed",
        b"etc": "a link that points outside the source; it is not followed",
        b"gone": "a dangling link: what it points to is not there",
        b"self": "a link to a directory that holds it (a loop); it is not followed",
        b"x": "a chain of more than 40 links; it is not followed",
    }
    there = snapshot(tmp_path / "d")
    assert there.keys() == {
        b"",
        b"out",
        b"etc",
        b"etc/hosts",
        b"gone",
        b"gone/deep",
        b"gone/deep/f",
        b"good",
        b"real",
    }
    assert b"secret" not in {path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()}


def test_filters_see_the_path_of_the_link_and_the_kind_of_its_target(tmp_path: Path) -> None:
    job = following(
        tmp_path,
        {
            "real": {"f": b"f", "skip.o": b"x"},
            "link": Link("real"),
            "dirlink": Link("real"),
            "flink": Link("real/f"),
        },
    )
    lines = [b"/real/", b"*.o", b"dirlink/", b"flink/"]
    job = structs.replace(job, exclude=tuple(PatternLine(line, "jobs.yaml", 1) for line in lines))
    result, _ = run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert snapshot(tmp_path / "d").keys() == {b"", b"link", b"link/f", b"flink"}


def test_excluded_link_that_leads_nowhere_is_no_failure(tmp_path: Path) -> None:
    job = following(tmp_path, {"out": Link("/etc/passwd"), "f": b"f"})
    job = structs.replace(job, exclude=(PatternLine(b"out", "jobs.yaml", 1),))

    assert run(job, tmp_path)[0].outcome is Outcome.SUCCEEDED


def test_destination_is_never_followed(tmp_path: Path) -> None:
    """Its links are replaced, or removed, and what they point to stays as it is."""
    elsewhere = tree(tmp_path / "elsewhere", {"f": b"mine", "g": b"mine"})
    before = snapshot(elsewhere)
    job = following(
        tmp_path,
        {"dir": {"f": b"new"}, "to_dir": Link("dir"), "file": b"new"},
        {
            "dir": Link(str(elsewhere)),
            "to_dir": Link(str(elsewhere)),
            "file": Link(str(elsewhere / "f")),
            "surplus": Link(str(elsewhere)),
        },
    )
    result, _ = run(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert snapshot(elsewhere) == before
    assert snapshot(tmp_path / "d").keys() == {b"", b"dir", b"dir/f", b"to_dir", b"to_dir/f", b"file"}


def test_check_job_follows_too(tmp_path: Path) -> None:
    job = following(tmp_path, LINKS)
    run(job, tmp_path)
    (tmp_path / "d" / "to_a" / "g").unlink()
    result, _ = run(structs.replace(job, type=JobType.CHECK), tmp_path)

    assert result.counts.created == 1


def test_link_to_a_directory_that_vanishes_keeps_its_replica(tmp_path: Path) -> None:
    job = following(tmp_path, {"real": {"f": b"f"}, "link": Link("real")})
    run(job, tmp_path)
    os.rename(tmp_path / "s" / "real", tmp_path / "away")
    result, failures = run(job, tmp_path)

    assert set(failures) == {b"link"}
    assert result.counts.deleted == 2
    assert snapshot(tmp_path / "d").keys() == {b"", b"link", b"link/f"}


def test_held_plan_of_followed_links_is_approved_or_refused_by_what_they_lead_to(tmp_path: Path) -> None:
    job = following(tmp_path, LINKS | {"other": b"other"}, {"gone": b"gone"})
    job = structs.replace(job, guard=Guard(max_delete=Limit(absolute=0), min_free=None))
    run(job, tmp_path)
    (tmp_path / "s" / "to_f").unlink()
    (tmp_path / "s" / "to_f").symlink_to("other")
    watched = Watched()
    result = approve_job(job, state=str(tmp_path / "state"), observer=watched, stop=Stop())

    assert result.outcome is Outcome.PARTIAL
    assert set(watched.failures) == {b"to_f", b""}
    assert (tmp_path / "d" / "deep" / "er" / "to_sub" / "h").read_bytes() == b"h"


@contextmanager
def flipping(path: Path, *targets: str) -> Iterator[None]:
    """Point a link elsewhere and back, again and again, while the block runs."""
    over = threading.Event()

    def flip() -> None:
        while not over.is_set():
            for target in targets:
                os.symlink(target, f"{path}.next")
                os.rename(f"{path}.next", path)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_link_that_is_flipped_out_of_the_source_meanwhile_leaks_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "beside", {"f": b"secret", "secret": b"secret"})
    job = following(tmp_path, {"real": {"f": b"fine"}, "flip": Link("real"), "through": Link("flip/f")})
    job = structs.replace(job, delete=DeletePolicy.KEEP, exclude=(PatternLine(b"*.next", "jobs.yaml", 1),))
    with flipping(tmp_path / "s" / "flip", "../beside", "real"):
        for _ in range(60):
            run(job, tmp_path)
            found = [path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()]
            assert b"secret" not in found


def test_attributes_are_those_of_what_links_lead_to(tmp_path: Path) -> None:
    """They are not asked of the links, whatever of it is done many in one call."""
    marked = {"user.a": b"1"}
    source: Children = {
        "f": File(b"1", mtime_ns=OLD),
        "to_f": Link("f"),
        "d": Directory({"g": b"2"}, xattrs=marked),
        "to_d": Link("d"),
    }
    job = following(tmp_path, source)
    run(job, tmp_path)
    first = snapshot(tmp_path / "d")
    os.setxattr(tmp_path / "s/f", "user.a", b"1")
    os.chmod(tmp_path / "s/f", 0o600)
    run(job, tmp_path)
    second = snapshot(tmp_path / "d")

    assert [first[path].xattrs for path in (b"d", b"to_d")] == [(("user.a", b"1"),)] * 2
    assert [(second[path].mode, second[path].xattrs) for path in (b"f", b"to_f")] == [
        (0o600, (("user.a", b"1"),))
    ] * 2

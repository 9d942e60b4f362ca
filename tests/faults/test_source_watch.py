"""A watch of a source: what it marks, and what makes it know that it knows nothing any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.errors import RunError
from dirsync.march import source_watch
from dirsync.march.source_watch import MOST_MARKS, SourceWatch
from dirsync.model.job import MirrorJob, PatternLine
from dirsync.model.listing import Listing, Unknown
from dirsync.model.marks import Reach
from dirsync.runner.watching import watch_of
from dirsync.scan.lister import list_directory
from tests.jobs import sync_job
from tests.program import bound, mounted
from tests.trees import Children, tree
from tests.watches import SENTINEL, marks_so_far, until, watched

ITSELF, SUBTREE = Reach.ITSELF, Reach.SUBTREE


def job_over(place: Path, children: Children, **more: object) -> MirrorJob:
    source = tree(place / "s", {**children, SENTINEL: {}})
    return structs.replace(sync_job(source, place / "d"), watch=True, **more)


def line(text: str) -> PatternLine:
    return PatternLine(text.encode(), "test", 1)


def marked(watch: SourceWatch, place: Path) -> dict[bytes, Reach]:
    """Give what is marked, but for what the question itself marks."""
    found = marks_so_far(watch, place / "s").directories
    return {path: reach for path, reach in found.items() if not path.startswith(SENTINEL.encode())}


def test_the_directory_of_whatever_changes_is_marked(tmp_path: Path) -> None:
    children: Children = {
        "a": {"f": b"1", "g": b"1", "h": b"1", "i": b"1"},
        "b": {"f": b"1"},
        "c": {"f": b"1"},
    }
    with watched(job_over(tmp_path, children)) as watch:
        for deed in (
            lambda: (tmp_path / "s/a/f").write_bytes(b"2"),
            lambda: (tmp_path / "s/a/f").chmod(0o600),
            lambda: os.utime(tmp_path / "s/a/f", ns=(0, 0)),
            lambda: (tmp_path / "s/a/new").touch(),
            lambda: (tmp_path / "s/a/new").unlink(),
            lambda: os.symlink("x", tmp_path / "s/a/link"),
            lambda: os.chown(tmp_path / "s/a/link", 1, 1, follow_symlinks=False),
            lambda: os.link(tmp_path / "s/a/f", tmp_path / "s/a/second"),
            lambda: os.truncate(tmp_path / "s/a/f", 100),
            lambda: os.setxattr(tmp_path / "s/a/f", "user.a", b"1"),
        ):
            deed()
            assert marked(watch, tmp_path) == {b"a": ITSELF}
        (tmp_path / "s/a/g").rename(tmp_path / "s/b/g")
        assert marked(watch, tmp_path) == {b"a": ITSELF, b"b": ITSELF}
        assert marked(watch, tmp_path) == {}


def test_a_directory_that_appears_is_marked_whole_and_watched(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", {"x": {"y": {"f": b"1"}}})
    with watched(job_over(tmp_path, {"a": {}})) as watch:
        (tmp_path / "elsewhere").rename(tmp_path / "s/a/in")
        assert marked(watch, tmp_path) == {b"a/in": SUBTREE, b"a": ITSELF}
        (tmp_path / "s/a/in/x/y/f").write_bytes(b"2")
        assert marked(watch, tmp_path) == {b"a/in/x/y": ITSELF}
        for number in range(50):
            os.makedirs(tmp_path / f"s/a/{number}/deep/er")
        found = marked(watch, tmp_path)
        assert all(found[b"a/%d" % number] is SUBTREE for number in range(50))
        (tmp_path / "s/a/49/deep/er/f").touch()
        assert marked(watch, tmp_path) == {b"a/49/deep/er": ITSELF}


def test_what_happens_in_a_directory_is_told_by_the_name_it_has_by_now(tmp_path: Path) -> None:
    with watched(job_over(tmp_path, {"a": {"x": {"f": b"1"}}, "b": {}})) as watch:
        (tmp_path / "s/a").rename(tmp_path / "s/b/c")
        assert marked(watch, tmp_path) == {b"": ITSELF, b"b": ITSELF, b"b/c": SUBTREE}
        (tmp_path / "s/b/c/x/f").write_bytes(b"2")
        assert marked(watch, tmp_path) == {b"b/c/x": ITSELF}
        tree(tmp_path / "s", {"a": {"x": {}}})
        marked(watch, tmp_path)
        (tmp_path / "s/a/x/f").touch()
        (tmp_path / "s/b/c/x/g").touch()
        assert marked(watch, tmp_path) == {b"a/x": ITSELF, b"b/c/x": ITSELF}
        (tmp_path / "s/b").rename(tmp_path / "gone")
        assert marked(watch, tmp_path) == {b"": ITSELF}
        (tmp_path / "gone/c/x/f").write_bytes(b"3")
        assert marked(watch, tmp_path) == {}


def test_names_of_any_bytes_are_watched(tmp_path: Path) -> None:
    name = b"\xff\n caf\xc3"
    with watched(job_over(tmp_path, {name: {name: {}}})) as watch:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/s/" + name + b"/" + name + b"/f")).touch()
        assert marked(watch, tmp_path) == {name + b"/" + name: ITSELF}


def test_what_is_left_out_is_not_watched(tmp_path: Path) -> None:
    children: Children = {
        "a": {"out": {"x": {}}, "in": {}, "f.log": b""},
        ".dirsync": {},
        "state": {"logs": {}},
    }
    job = job_over(tmp_path, children, exclude=(line("out/"), line("*.log")))
    watch = watch_of(job, lambda: None, written=[str(tmp_path / "s/state"), str(tmp_path / "elsewhere")])
    watch.begin()
    try:
        for path in ("a/out/f", "a/out/x/f", ".dirsync/f", "state/ledger.db", "state/logs/a.log"):
            (tmp_path / "s" / path).touch()
        (tmp_path / "s/a/f.log").write_bytes(b"again and again")
        assert marked(watch, tmp_path) == {}
        (tmp_path / "s/a/g.log").touch()  # it moves the directory's mtime
        assert marked(watch, tmp_path) == {b"a": ITSELF}
    finally:
        watch.end()


def test_an_ignore_file_that_changes_brings_back_what_it_left_out(tmp_path: Path) -> None:
    children: Children = {"a": {".ignore": b"out/\n", "out": {"x": {}}, "in": {}}}
    with watched(job_over(tmp_path, children, ignore_files=(b".ignore",))) as watch:
        (tmp_path / "s/a/out/x/f").touch()
        assert marked(watch, tmp_path) == {}
        (tmp_path / "s/a/.ignore").write_bytes(b"in/\n")
        assert marked(watch, tmp_path) == {b"a": SUBTREE}
        (tmp_path / "s/a/out/x/f").write_bytes(b"1")
        assert marked(watch, tmp_path) == {b"a/out/x": ITSELF}


def test_what_could_not_be_seen_is_taken_up_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that may be read and not searched gives names, and nothing of what they are."""
    job = job_over(tmp_path, {"a": {"b": {}}})
    closed = os.stat(tmp_path / "s/a").st_ino

    def half_blind(fd: int) -> Listing:
        if os.fstat(fd).st_ino == closed and not os.fstat(fd).st_mode & 0o100:
            return Listing(unknown=(Unknown(b"b", "Permission denied"),))
        return list_directory(fd)

    monkeypatch.setattr(source_watch, "list_directory", half_blind)
    (tmp_path / "s/a").chmod(0o600)
    with watched(job) as watch:
        (tmp_path / "s/a/b/unheard").touch()
        assert marked(watch, tmp_path) == {}
        (tmp_path / "s/a").chmod(0o700)
        assert marked(watch, tmp_path) == {b"": ITSELF, b"a": SUBTREE}
        (tmp_path / "s/a/b/heard").touch()
        assert marked(watch, tmp_path) == {b"a/b": ITSELF}


def test_other_file_systems_are_watched_unless_the_job_stays_on_one(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"mnt": {}})
    with mounted(tmp_path / "s/mnt") as there:
        (there / "d").mkdir()
        with watched(job) as watch:
            (there / "d/f").touch()
            assert marked(watch, tmp_path) == {b"mnt/d": ITSELF}
        with watched(structs.replace(job, one_file_system=True)) as watch:
            (there / "d/f").write_bytes(b"1")
            assert marked(watch, tmp_path) == {}


@pytest.mark.filterwarnings("error")
def test_a_directory_that_is_mounted_twice_is_marked_at_both_places(tmp_path: Path) -> None:
    job = job_over(tmp_path, {"a": {"in": {}}, "b": {}})
    with bound(tmp_path / "s/a", tmp_path / "s/b"), watched(job) as watch:
        (tmp_path / "s/a/in/f").touch()
        assert marked(watch, tmp_path) == {b"a/in": ITSELF, b"b/in": ITSELF}
        (tmp_path / "s/b/in").rename(tmp_path / "s/b/then")
        assert marked(watch, tmp_path) == {b"a": ITSELF, b"a/then": SUBTREE, b"b": ITSELF, b"b/then": SUBTREE}
        (tmp_path / "s/b/then/f").unlink()
        assert marked(watch, tmp_path) == {b"a/then": ITSELF, b"b/then": ITSELF}
        (tmp_path / "s/a/then").rmdir()
        assert marked(watch, tmp_path) == {b"a": ITSELF, b"b": ITSELF}


def test_more_marks_than_are_worth_it_are_one(tmp_path: Path) -> None:
    children: Children = {"a": {f"{number:05}": {} for number in range(MOST_MARKS + 10)}}
    with watched(job_over(tmp_path, children)) as watch:
        for number in range(MOST_MARKS + 10):
            (tmp_path / f"s/a/{number:05}/f").touch()
        until(lambda: watch.is_lost or is_quiet(watch))
        assert watch.is_lost or watch.take().directories[b""] is SUBTREE


def is_quiet(watch: SourceWatch) -> bool:
    """Whether nothing was heard for half a second."""
    waits_since = watch.waits_since()
    return waits_since is not None and time.monotonic() - waits_since[1] > 0.5


# What makes it know nothing any more


@contextlib.contextmanager
def setting(name: str, value: int) -> Iterator[None]:
    """Change one of the system's limits for a moment."""
    file = Path("/proc/sys/fs/inotify") / name
    before = file.read_text()
    file.write_text(str(value))
    try:
        yield
    finally:
        file.write_text(before)


def test_more_events_than_the_system_keeps_lose_the_watch(tmp_path: Path) -> None:
    with setting("max_queued_events", 8), watched(job_over(tmp_path, {"a": {}, "b": {}})) as watch:
        for number in range(10_000):
            (tmp_path / f"s/{'ab'[number % 2]}/{number}").touch()
            if watch.is_lost:
                break
        until(lambda: watch.is_lost)


def test_more_directories_than_may_be_watched_are_told_with_a_remedy(tmp_path: Path) -> None:
    job = job_over(tmp_path, {f"{number}": {} for number in range(100)})
    with setting("max_user_watches", 50), pytest.raises(RunError, match=r"max_user_watches \(now 50\)"):
        watch_of(job, lambda: None).begin()


def test_a_directory_that_cannot_be_watched_later_loses_the_watch(tmp_path: Path) -> None:
    with watched(job_over(tmp_path, {"a": {}})) as watch, setting("max_user_watches", 1):
        (tmp_path / "s/a/new").mkdir()
        until(lambda: watch.is_lost)


@pytest.mark.parametrize("goes", ["moved", "removed", "replaced"])
def test_a_root_that_goes_loses_the_watch(tmp_path: Path, goes: str) -> None:
    heard: list[str] = []
    with watched(job_over(tmp_path, {"a": {}}), lambda: heard.append("told")) as watch:
        assert not watch.is_lost
        if goes == "removed":
            shutil.rmtree(tmp_path / "s")
        else:
            (tmp_path / "s").rename(tmp_path / "other")
        if goes == "replaced":
            (tmp_path / "s").mkdir()
        until(lambda: watch.is_lost)
        until(lambda: heard)


def test_a_file_system_that_is_unmounted_loses_the_watch(tmp_path: Path) -> None:
    job = job_over(tmp_path, {})
    with mounted(tmp_path / "s") as source:
        tree(source, {"a": {}})
        watch = watch_of(job, lambda: None)
        watch.begin()
    until(lambda: watch.is_lost)
    watch.end()


def test_a_source_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    job = sync_job(tmp_path / "s", tmp_path / "d")
    with pytest.raises(RunError, match="cannot be watched: No such file"):
        watch_of(job, lambda: None).begin()

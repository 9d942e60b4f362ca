"""Killed, or refused by the system, at any operation: nothing is lost, and the next run converges.

Each scenario is run once to count its operations, then once for each of them, killed
or failed there.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirsync.model.job import Job
from dirsync.model.result import Outcome
from dirsync.trees import fsops
from tests.jobs import run, sync_job
from tests.trees import Children, Directory, File, HardLink, Link, Seen, Snapshot, differences, snapshot, tree

OLD_NS, NEW_NS = 1_500_000_000_000_000_001, 1_600_000_000_000_000_002


def old(data: bytes = b"old") -> File:
    return File(data, mtime_ns=OLD_NS)


def new(data: bytes = b"newer") -> File:
    return File(data, mtime_ns=NEW_NS)


SCENARIOS: dict[str, tuple[Children, Children]] = {
    "everything is created": ({"a": new(), "d": {"e": {"f": new()}}, "l": Link("a")}, {}),
    "files are replaced": ({"a": new(), "d": {"b": new()}}, {"a": old(), "d": {"b": old()}}),
    "everything is deleted": ({}, {"a": old(), "d": {"e": {"f": old()}, "l": Link("x")}}),
    "a file becomes a directory": ({"x": {"y": new(), "z": {}}}, {"x": old()}),
    "a directory becomes a file": ({"x": new()}, {"x": {"y": old(), "z": {"w": old()}}}),
    "a directory becomes a link": ({"x": Link("elsewhere")}, {"x": {"y": old()}}),
    "a link becomes a directory": ({"x": {"y": new()}}, {"x": Link("elsewhere")}),
    "a link points elsewhere": ({"x": Link("new")}, {"x": Link("old")}),
    "metadata alone": (
        {"a": File(b"1", mode=0o600, mtime_ns=OLD_NS), "d": Directory({}, 0o700, NEW_NS)},
        {"a": File(b"1", mode=0o644, mtime_ns=OLD_NS), "d": Directory({}, 0o755, OLD_NS)},
    ),
    "a name is one of several": (
        {"a": File(b"1", mode=0o600, mtime_ns=OLD_NS), "b": File(b"1", mtime_ns=OLD_NS)},
        {"a": File(b"1", mtime_ns=OLD_NS), "b": HardLink("a")},
    ),
    "names swap places": ({"a": new(), "b": {"c": new()}}, {"a": {"c": old()}, "b": old()}),
    "a file is renamed": ({"b": old(b"1"), "d": {"f": old(b"22")}}, {"a": old(b"1"), "e": {"f": old(b"22")}}),
    "a directory is renamed": (
        {"n": {"d": {"b": new()}, "a": old(b"1"), "c": old(b"22")}},
        {"o": {"d": {"b": old()}, "a": old(b"1"), "c": old(b"22"), "gone": old(b"4444")}},
    ),
    "a directory is renamed into a new one, and one out of it": (
        {"x": {"y": {"n": {"a": old(b"1"), "b": old(b"22")}}}, "z": {"d": old(b"4444"), "e": old(b"55555")}},
        {"o": {"a": old(b"1"), "b": old(b"22"), "s": {"d": old(b"4444"), "e": old(b"55555")}}},
    ),
    "a renamed directory changes within": (
        {"n": {"p": old(b"1"), "q": old(b"22"), "k": new(), "l": {"m": new()}}},
        {"o": {"p": old(b"1"), "q": old(b"22"), "k": {"i": old()}, "l": old()}},
    ),
}
RENAMED = {  # by its new path, where something was
    "a directory is renamed": {b"n": b"o"},
    "a directory is renamed into a new one, and one out of it": {b"z": b"o/s", b"x/y/n": b"o"},
    "a renamed directory changes within": {b"n": b"o"},
}

Gate = Callable[[str], None]


class Killed:
    """A gate that kills the process at its n-th operation."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, operation: str) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Refused:
    """A gate that fails the n-th operation, or all from there on."""

    def __init__(self, at: int, *, number: int, ever_after: bool) -> None:
        self.at = at
        self.number = number
        self.ever_after = ever_after
        self.passed = 0

    def __call__(self, operation: str) -> None:
        self.passed += 1
        if self.passed - 1 == self.at or (self.ever_after and self.passed > self.at):
            raise OSError(self.number, os.strerror(self.number))


class Scenario:
    """One pair of trees, made anew for each point of the sweep."""

    def __init__(
        self, place: Path, source: Children, destination: Children, renamed: dict[bytes, bytes]
    ) -> None:
        self.place = place
        self.renamed = renamed
        self.source = source
        self.destination = destination
        self.count = 0

    def job(self) -> Job:
        here = self.place / str(self.count)
        self.count += 1
        here.mkdir()
        self.wanted = snapshot(tree(here / "source", Directory(self.source, mtime_ns=NEW_NS)))
        self.before = snapshot(tree(here / "destination", Directory(self.destination, mtime_ns=OLD_NS)))
        self.here = here
        return sync_job(here / "source", here / "destination")

    def now(self) -> Snapshot:
        return snapshot(self.here / "destination")

    def torn(self) -> dict[bytes, object]:
        """Give the paths that hold what they must not now, and the content that is nowhere."""
        now = self.now()
        return {
            **torn(self.before, self.wanted, now, renamed=self.renamed),
            **lost(self.before, self.wanted, now),
        }

    def operations(self, monkeypatch: pytest.MonkeyPatch) -> int:
        passed: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(fsops, "gate", passed.append)
            run(self.job(), state=self.here / "state")
        assert not differences(self.wanted, self.now())
        assert "move_to_free_name" in passed or not self.renamed
        return len(passed)


@pytest.fixture(params=SCENARIOS, ids=lambda name: name.replace(" ", "-"))
def scenario(request: pytest.FixtureRequest) -> Iterator[Scenario]:
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/dev/shm") as place:  # the ledger flushes often
        renamed = RENAMED.get(request.param, {})
        yield Scenario(Path(place), *SCENARIOS[request.param], renamed)


def test_killed_at_any_operation_every_path_is_old_or_new_and_the_next_run_converges(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(scenario.operations(monkeypatch)):
        job = scenario.job()
        assert run_killed(job, at, scenario.here / "state"), at

        assert scenario.torn() == {}, at
        assert run(job, state=scenario.here / "state").outcome is Outcome.SUCCEEDED
        assert not differences(scenario.wanted, scenario.now()), at


@pytest.mark.parametrize("ever_after", [False, True], ids=["once", "ever-after"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_refused_at_any_operation_nothing_is_lost_and_the_next_run_converges(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, number: int, ever_after: bool
) -> None:
    for at in range(scenario.operations(monkeypatch)):
        job = scenario.job()
        with monkeypatch.context() as patched:
            patched.setattr(fsops, "gate", Refused(at, number=number, ever_after=ever_after))
            result = run(job, state=scenario.here / "state")

        assert scenario.torn() == {}, at
        if result.outcome is Outcome.SUCCEEDED:
            assert not differences(scenario.wanted, scenario.now()), at
        assert run(job, state=scenario.here / "state").outcome is Outcome.SUCCEEDED
        assert not differences(scenario.wanted, scenario.now()), at


def run_killed(job: Job, at: int, state: Path) -> bool:
    """Run a job in a process of its own, and kill it at an operation; False: it ended before."""
    child = os.fork()
    if child == 0:
        try:
            fsops.gate = Killed(at)
            run(job, state=state)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def torn(
    before: Snapshot, wanted: Snapshot, now: Snapshot, *, renamed: dict[bytes, bytes]
) -> dict[bytes, object]:
    """Give the paths that are neither as they were nor as they shall be; temporary files aside.

    What a renamed directory holds may also be what it held at its old path.
    """
    paths = (before.keys() | wanted.keys() | now.keys()) - {path for path in now if is_temporary_path(path)}
    allowed = {path: [before.get(old) for old in (path, *old_paths(path, renamed))] for path in paths}
    return {
        path: (content(now.get(path)), content(wanted.get(path)), *map(content, allowed[path]))
        for path in paths
        if content(now.get(path)) not in map(content, (wanted.get(path), *allowed[path]))
    }


def old_paths(path: bytes, renamed: dict[bytes, bytes]) -> list[bytes]:
    """Give where what is at a path was before the directory above it was renamed."""
    return [
        old + path[len(new) :] for new, old in renamed.items() if path == new or path.startswith(new + b"/")
    ]


def lost(before: Snapshot, wanted: Snapshot, now: Snapshot) -> dict[bytes, object]:
    """Give, of the files that are the same before and after, wherever they are, those that are nowhere."""
    there = {content(seen) for seen in now.values()}
    stays = {content(seen) for seen in before.values()} & {content(seen) for seen in wanted.values()}
    return {path: content(seen) for path, seen in wanted.items() if content(seen) in stays - there}


def is_temporary_path(path: bytes) -> bool:
    return any(fsops.is_temporary(name) for name in path.split(b"/"))


def content(seen: Seen | None) -> object:
    """Give what must never be torn: the kind, and the bytes or the target."""
    return None if seen is None else (seen.kind, seen.size, seen.target, seen.content)

"""Killed, or refused by the system, at any operation: nothing is lost, and the next run converges.

Each scenario is run once to count its operations, then once for each of them, killed
or failed there.
"""

from __future__ import annotations

import dataclasses
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
    "hard links are created": ({"a": new(), "b": HardLink("a"), "d": {"c": HardLink("../a")}}, {}),
    "hard links are broken": ({"a": new(), "b": old(b"1")}, {"a": old(b"1"), "b": HardLink("a")}),
    "files become hard links": (
        {"a": old(b"1"), "b": HardLink("a"), "x": {"c": HardLink("../a")}},
        {"a": old(b"1"), "b": old(b"1"), "x": old(b"1")},
    ),
    "hard links are regrouped": (
        {"a": new(), "b": new(b"other"), "c": HardLink("b"), "d": HardLink("a")},
        {"a": old(), "b": HardLink("a"), "c": old(b"2"), "d": HardLink("c")},
    ),
    "a file of several names is edited": (
        {"a": new(), "b": HardLink("a"), "c": HardLink("a")},
        {"a": old(), "b": HardLink("a"), "c": HardLink("a")},
    ),
    "a file of several names gets another mode": (
        {"a": File(b"1", mode=0o600, mtime_ns=OLD_NS), "b": HardLink("a")},
        {"a": File(b"1", mode=0o640, mtime_ns=OLD_NS), "b": HardLink("a")},
    ),
    "attributes of all kinds": (
        {
            "a": dataclasses.replace(new(), xattrs={"user.a": b"1", "security.b": b"2"}),
            "m": File(b"1", mode=0o600, mtime_ns=OLD_NS, xattrs={"user.a": b"new", "trusted.c": b"3"}),
            "d": Directory(
                {"l": Link("x", xattrs={"trusted.l": b"4"})}, 0o700, NEW_NS, xattrs={"user.d": b"5"}
            ),
        },
        {
            "m": File(b"1", mode=0o644, mtime_ns=OLD_NS, xattrs={"user.a": b"old", "user.gone": b"0"}),
            "d": Directory({}, 0o755, NEW_NS, xattrs={"user.gone": b"0"}),
        },
    ),
    "names swap places": ({"a": new(), "b": {"c": new()}}, {"a": {"c": old()}, "b": old()}),
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

    def __init__(self, place: Path, source: Children, destination: Children) -> None:
        self.place = place
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

    def operations(self, monkeypatch: pytest.MonkeyPatch) -> int:
        passed: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(fsops, "gate", passed.append)
            run(self.job(), state=self.here / "state")
        assert not differences(self.wanted, self.now())
        return len(passed)


@pytest.fixture(params=SCENARIOS, ids=lambda name: name.replace(" ", "-"))
def scenario(request: pytest.FixtureRequest) -> Iterator[Scenario]:
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/dev/shm") as place:  # the ledger flushes often
        yield Scenario(Path(place), *SCENARIOS[request.param])


def test_killed_at_any_operation_every_path_is_old_or_new_and_the_next_run_converges(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(scenario.operations(monkeypatch)):
        job = scenario.job()
        run_killed(job, at, scenario.here / "state")

        assert torn(scenario.before, scenario.wanted, scenario.now()) == {}, at
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

        assert torn(scenario.before, scenario.wanted, scenario.now()) == {}, at
        if result.outcome is Outcome.SUCCEEDED:
            assert not differences(scenario.wanted, scenario.now()), at
        assert run(job, state=scenario.here / "state").outcome is Outcome.SUCCEEDED
        assert not differences(scenario.wanted, scenario.now()), at


def run_killed(job: Job, at: int, state: Path) -> None:
    """Run a job in a process of its own, and kill it at an operation."""
    child = os.fork()
    if child == 0:
        try:
            fsops.gate = Killed(at)
            run(job, state=state)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"operation {at} was never reached"


def torn(before: Snapshot, wanted: Snapshot, now: Snapshot) -> dict[bytes, object]:
    """Give the paths that are neither as they were nor as they shall be; temporary files aside."""
    paths = (before.keys() | wanted.keys() | now.keys()) - {path for path in now if is_temporary_path(path)}
    return {
        path: (content(before.get(path)), content(now.get(path)), content(wanted.get(path)))
        for path in paths
        if content(now.get(path)) not in (content(before.get(path)), content(wanted.get(path)))
    }


def is_temporary_path(path: bytes) -> bool:
    return any(fsops.is_temporary(name) for name in path.split(b"/"))


def content(seen: Seen | None) -> object:
    """Give what must never be torn: the kind, and the bytes or the target."""
    return None if seen is None else (seen.kind, seen.size, seen.target, seen.content)

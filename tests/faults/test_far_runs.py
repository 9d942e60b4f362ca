"""Runs whose one end is far are as true as local ones: what is equal, absent, excluded, held and approved."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.answers.answering import Answerer
from dirsync.errors import RunError
from dirsync.model.job import Durability, MirrorJob, PushJob, Retries
from dirsync.model.place import FarPlace, LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.serving import Access
from dirsync.trees import fsops, small_files
from dirsync.trees.far.connection import (
    FarConnection,
    FarEndLost,
    Patience,
    Unreachable,
    answers_of,
    connected,
)
from dirsync.trees.far.http import HttpAsking, Wire
from dirsync.trees.far.tree import FarTree
from dirsync.wire import frames
from dirsync.wire.asks import AskSurvey, Question
from dirsync.wire.frames import Frames
from tests.agents import AgentProcess, Served, far_jobs, served
from tests.jobs import run, sync_job, watched_run
from tests.program import CHECKOUT, Ended, argv, ended
from tests.trees import Children, Snapshot, differences, snapshot, tree
from tests.wire import Cutting


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Served]:
    """Serve `share` from a thread."""
    (tmp_path / "share").mkdir()
    with served(tmp_path / "share", state=tmp_path / "agent-state") as agent:
        yield agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    """Serve `share` from a process."""
    (tmp_path / "share").mkdir()
    with AgentProcess(tmp_path / "agent", {"tree": (tmp_path / "share", "write")}) as agent:
        yield agent


def pull_job(up: Served, destination: Path, *, beneath: bytes = b"") -> MirrorJob:
    job = structs.replace(sync_job(destination, destination), source=up.place(beneath))
    return structs.replace(job, name=destination.name)


def push_job(up: Served, source: Path, beneath: bytes) -> PushJob:
    local = sync_job(source, source)
    return PushJob(
        name="push",
        source=LocalPlace(path=os.fsencode(source)),
        destination=up.place(beneath),
        delete=local.delete,
        durability=local.durability,
        guard=local.guard,
        workers=1,
    )


def without_area(seen: Snapshot) -> Snapshot:
    return {path: each for path, each in seen.items() if not path.startswith(b".dirsync")}


def both_ways(tmp_path: Path, agent: AgentProcess, **more: object) -> Path:
    """Declare a pull of `share/out` to `in`, and a push of `out` to `share/in`."""
    return far_jobs(
        tmp_path / "jobs.yaml",
        agent,
        {
            "pull": {"source": "far:/out", "destination": str(tmp_path / "in"), **more},
            "push": {"source": str(tmp_path / "out"), "destination": "far:/in", **more},
        },
    )


def source_of(tmp_path: Path, job: str) -> Path:
    return tmp_path / ("share/out" if job == "pull" else "out")


def destination_of(tmp_path: Path, job: str) -> Path:
    return tmp_path / ("in" if job == "pull" else "share/in")


def command(*arguments: str | Path) -> Ended:
    return ended([sys.executable, str(CHECKOUT / "run.py"), *map(str, arguments)])


# What one run knows is no other's


def test_two_jobs_that_pull_from_one_place_at_once_know_nothing_of_each_other(
    tmp_path: Path, up: Served
) -> None:
    """What one knows of its destination is not taken for the other's."""
    many = {f"d{number}": {f"f{each}": b"x" for each in range(3)} for number in range(300)}
    wanted = snapshot(tree(tmp_path / "share/out", many))
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(pull_job(up, first, beneath=b"out"), state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    results: list[RunResult] = []

    def pull(destination: Path) -> None:
        results.append(run(pull_job(up, destination, beneath=b"out"), state=tmp_path / "state"))

    for attempt in range(4):
        subprocess.run(["rm", "-rf", second], check=True)
        subprocess.run(["cp", "-a", first, second], check=True)
        for number in range(300):
            (second / f"d{number}/f1").write_bytes(b"another")
        threads = [threading.Thread(target=pull, args=(each,)) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [each.outcome for each in results] == [Outcome.SUCCEEDED] * 2, results
        assert not differences(wanted, snapshot(second)), attempt
        results.clear()


# Plans that are held


@pytest.mark.parametrize("job", ["pull", "push"])
def test_plan_that_a_guard_held_is_carried_out_when_it_is_approved(
    tmp_path: Path, agent: AgentProcess, job: str
) -> None:
    jobs = both_ways(tmp_path, agent, guard={"max_delete": "50%", "min_free": "off"}, delete="trash")
    source = tree(source_of(tmp_path, job), dict.fromkeys("abc", b"1"))
    assert ended(argv(jobs, "--job", job)).outcome == (0, "succeeded")
    for name in "ab":
        (source / name).unlink()
    held = ended(argv(jobs, "--job", job))
    assert held.outcome == (4, "held")
    assert f"dirsync approve {job}" in held.result["error"]
    assert f"{job}@" not in held.stdout

    result = command("approve", job, "-c", jobs, "--json")

    assert result.outcome == (0, "succeeded"), result.stdout
    assert result.counts["deleted"] == 2
    assert (destination_of(tmp_path, job) / "c").exists()
    assert not (destination_of(tmp_path, job) / "a").exists()


@pytest.mark.parametrize("job", ["pull", "push"])
def test_plan_of_a_dry_run_that_was_saved_is_carried_out_when_it_is_approved(
    tmp_path: Path, agent: AgentProcess, job: str
) -> None:
    """In the very first run of a job, too."""
    jobs = both_ways(tmp_path, agent)
    wanted = snapshot(tree(source_of(tmp_path, job), {"a": b"1", "d": {"b": b"2"}}))
    saved = ended(argv(jobs, "--job", job, "--dry-run", "--save"))
    assert saved.outcome == (0, "succeeded")
    assert f"{job}@" not in saved.stderr

    result = command("approve", job, "-c", jobs, "--json")

    assert result.outcome == (0, "succeeded"), result.stdout
    assert not differences(wanted, snapshot(destination_of(tmp_path, job)))


# Other file systems


def test_answer_that_is_lost_more_than_once_is_asked_for_again(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut breaks the connections that wait to be used again, too."""
    posted = Wire.posted
    lost: list[str] = []

    @contextlib.contextmanager
    def losing(wire: Wire, path: str, body: Any) -> Iterator[HTTPResponse]:
        if "/answers/" in path and not path.endswith("/1") and len(lost) < 3:  # not the greeting
            lost.append(path)
            raise Unreachable("the connection was lost")
        with posted(wire, path, body) as response:
            yield response

    monkeypatch.setattr(Wire, "posted", losing)
    monkeypatch.setattr("dirsync.agent.sessions._ANSWER_SECONDS", 30.0)
    wanted = snapshot(tree(tmp_path / "near", {"a": b"1"}))
    began_at = time.monotonic()
    result = run(push_job(up, tmp_path / "near", b"in"), state=tmp_path / "state")

    assert result.outcome is Outcome.SUCCEEDED, result.error
    assert not differences(wanted, snapshot(tmp_path / "share/in"))
    assert time.monotonic() - began_at < 15.0


@pytest.mark.parametrize("durability", [Durability.NONE, Durability.FULL])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_made_before_the_far_end_was_lost_is_told(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch, durability: Durability, workers: int
) -> None:
    def wait(_: Patience, error: Exception) -> None:
        raise FarEndLost(str(error))

    monkeypatch.setattr(Patience, "wait", wait)
    drawn = random.Random(1)
    files = {f"f{number}": drawn.randbytes(2_000) for number in range(100)}
    tree(tmp_path / "share", {f"d{number}": dict(files) for number in range(40)})
    with Cutting(int(up.address.rsplit(":", 1)[1]), every=3_000_000) as wire:
        there = structs.replace(up.place(), address=f"https://127.0.0.1:{wire.port}")
        job = structs.replace(sync_job(tmp_path / "near", tmp_path / "near"), source=there)
        job = structs.replace(job, workers=workers, durability=durability)
        result, watched = watched_run(job, tmp_path)

    made = {path for path in snapshot(tmp_path / "near") if path}
    assert result.outcome is Outcome.FAILED
    assert len(made) > 500
    assert {change.path for change in watched.changes} == made
    assert result.counts.created == len(made)


@pytest.mark.parametrize("job", ["pull", "push"])
def test_one_file_system_stops_at_a_mount_in_the_source(
    tmp_path: Path, agent: AgentProcess, job: str
) -> None:
    jobs = both_ways(tmp_path, agent, one_file_system=True)
    source = tree(source_of(tmp_path, job), {"a": b"1", "mounted": {}})
    mounting = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && touch "$0/b" && exec "$@"']
    if job == "pull":
        agent.kill()
        through = AgentProcess(
            tmp_path / "mounted-agent",
            {"tree": (tmp_path / "share", "write")},
            port=agent.port,
            through=[*mounting, str(source / "mounted")],
        )
        jobs = far_jobs(
            jobs,
            through,
            {"pull": {"source": "far:/out", "destination": str(tmp_path / "in"), "one_file_system": True}},
        )
        with through:
            result = ended(argv(jobs, "--job", job))
    else:
        result = ended([*mounting, str(source / "mounted"), *argv(jobs, "--job", job)])

    assert result.outcome == (0, "succeeded"), result.stdout
    destination = destination_of(tmp_path, job)
    assert sorted(os.listdir(destination)) == ["a", "mounted"]
    assert os.listdir(destination / "mounted") == []


# Another root in its place


def test_root_that_another_takes_the_place_of_in_mid_run_is_not_read(tmp_path: Path, up: Served) -> None:
    """An empty directory beneath a disk that was unmounted is no source whose files were deleted."""
    tree(tmp_path / "share/out", {"a": b"1"})
    place = up.place(b"out")
    connection = FarConnection(place, HttpAsking(place))
    with connected(connection) as tied, FarTree.of(tied) as far:
        connection.greeting()
        (tmp_path / "share/out").rename(tmp_path / "share/before")
        (tmp_path / "share/out").mkdir()

        with pytest.raises(RunError, match="another directory has taken its place"):
            far.listing(b"")


def test_source_that_is_not_there_is_told_as_such(tmp_path: Path, up: Served) -> None:
    result = run(pull_job(up, tmp_path / "in", beneath=b"nothing"), state=tmp_path / "state")

    assert result.outcome is Outcome.FAILED
    assert result.error == (f"{up.address}/tree/nothing: it cannot be looked at: No such file or directory")


# More than one answer holds


@pytest.mark.parametrize("pushes", [False, True])
def test_tree_of_more_rows_than_one_answer_holds_arrives_whole(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch, pushes: bool
) -> None:
    for module in ("dirsync.trees.far.listings", "dirsync.answers.listings"):
        monkeypatch.setattr(f"{module}.MOST_ROWS", 300)
    monkeypatch.setattr("dirsync.answers.listings.ROWS_A_MESSAGE", 70)
    wanted: Children = {f"d{n}": {f"f{m}": b"1" for m in range(n)} for n in range(60)}
    wide: Children = {f"{n:04}": b"" for n in range(500)}
    source = tree(tmp_path / ("out" if pushes else "share/out"), {**wanted, "wide": wide})
    destination = tmp_path / ("share/in" if pushes else "in")
    job = push_job(up, source, b"in") if pushes else pull_job(up, destination, beneath=b"out")

    assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
    assert not differences(snapshot(source), without_area(snapshot(destination)))
    assert run(job, state=tmp_path / "state").counts.changes == 0


# One path that fails concerns no other


@contextlib.contextmanager
def unreadable_from(monkeypatch: pytest.MonkeyPatch, path: Path, offset: int) -> Iterator[None]:
    """Have a file's disk fail from a byte on."""
    pread, bad = os.pread, os.stat(path).st_ino

    def failing(handle: int, count: int, start: int) -> bytes:
        if start + count > offset and os.fstat(handle).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(handle, count, start)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", failing)
        patch.setattr(small_files, "reads", lambda: False)  # what is in C reads without it
        yield


@pytest.mark.parametrize("pushes", [False, True])
@pytest.mark.parametrize("size", [100, 1 << 20, 9 << 20])
@pytest.mark.parametrize("replaces", [False, True])
def test_file_that_cannot_be_read_to_its_end_fails_alone(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch, size: int, replaces: bool, pushes: bool
) -> None:
    wanted: Children = {"a": b"1", "bad": os.urandom(size), "c": b"2" * 200_000, "d": b"3", "e": {"f": b"4"}}
    source = tree(tmp_path / ("out" if pushes else "share/out"), wanted)
    destination = tmp_path / ("share/in" if pushes else "in")
    old = os.urandom(9 << 20)
    if replaces:
        tree(destination, {"bad": old})
    job = push_job(up, source, b"in") if pushes else pull_job(up, destination, beneath=b"out")

    with unreadable_from(monkeypatch, source / "bad", size // 2):
        result = run(job, state=tmp_path / "state")

    assert result.outcome is Outcome.PARTIAL, result
    assert result.counts.failed == 1
    assert (destination / "e/f").read_bytes() == b"4"
    assert (destination / "c").read_bytes() == b"2" * 200_000
    assert (destination / "d").exists()
    assert not replaces or (destination / "bad").read_bytes() == old
    again = run(job, state=tmp_path / "state")
    assert again.outcome is Outcome.SUCCEEDED, again
    assert not differences(snapshot(source), without_area(snapshot(destination)))


@contextlib.contextmanager
def every_second_creation_failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    created = itertools.count()

    def gate(operation: str) -> None:
        if operation == "create_file" and next(created) % 2 == 0:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patch:
        patch.setattr(fsops, "gate", gate)
        yield


@pytest.mark.parametrize("pushes", [False, True])
def test_copy_that_fails_before_its_data_came_is_tried_again(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch, pushes: bool
) -> None:
    """A file of a stream of many, too."""
    wanted = {"a": b"1", "b": b"2" * 200_000, "c": b"3" * 200_000, "d": b"4"}
    source = tree(tmp_path / ("out" if pushes else "share/out"), wanted)
    destination = tmp_path / ("share/in" if pushes else "in")
    job = push_job(up, source, b"in") if pushes else pull_job(up, destination, beneath=b"out")
    job = structs.replace(job, retries=Retries(attempts=3, wait_seconds=0.01))

    with every_second_creation_failing(monkeypatch):
        result = run(job, state=tmp_path / "state")

    assert result.outcome is Outcome.SUCCEEDED, result
    assert not differences(snapshot(source), without_area(snapshot(destination)))


# What cannot be seen is not absent

WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("job", ["pull", "push"])
def test_directory_that_cannot_be_read_at_the_source_keeps_what_the_destination_has_of_it(
    tmp_path: Path, job: str
) -> None:
    (tmp_path / "share").mkdir()
    agent = AgentProcess(
        tmp_path / "agent", {"tree": (tmp_path / "share", "write")}, through=WITHOUT_PRIVILEGE
    )
    jobs = both_ways(tmp_path, agent)
    source = tree(source_of(tmp_path, job), {"shut": {"a": b"1", "b": {"c": b"2"}}, "open": {"d": b"3"}})
    destination = destination_of(tmp_path, job)
    with agent:
        assert ended([*WITHOUT_PRIVILEGE, *argv(jobs, "--job", job)]).outcome == (0, "succeeded")
        (source / "open/d").unlink()
        (source / "shut/b").chmod(0)
        (source / "shut/a").unlink()
        (source / "open/e").write_bytes(b"4")

        result = ended([*WITHOUT_PRIVILEGE, *argv(jobs, "--job", job)])

    assert result.outcome == (3, "partial"), result.stdout
    assert result.paths("failure") == {"shut/b"}
    assert "Permission denied" in result.stdout
    assert (destination / "shut/b/c").read_bytes() == b"2"
    assert sorted(os.listdir(destination / "open")) == ["e"]
    assert not (destination / "shut/a").exists()


# What arrived of files that fail


@pytest.mark.parametrize("job", ["pull", "push"])
def test_file_that_does_not_fit_takes_no_room_from_those_that_do(
    tmp_path: Path, agent: AgentProcess, job: str
) -> None:
    jobs = both_ways(tmp_path, agent)
    wanted: Children = {"a": b"1", "b": os.urandom(5 << 20), "c": os.urandom(9 << 20), "d": b"2"}
    tree(source_of(tmp_path, job), wanted)
    destination = destination_of(tmp_path, job)
    destination.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", destination], check=True)
    try:
        result = ended(argv(jobs, "--job", job))

        assert result.outcome == (3, "partial"), result.stdout
        assert result.paths("failure") == {"b", "c"}
        assert (destination / "d").read_bytes() == b"2"
        assert not [path for path in snapshot(destination) if path.endswith(b".tmp")]
    finally:
        subprocess.run(["umount", destination], check=True)


def test_file_that_never_comes_to_rest_is_not_kept_in_parts(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "share/out", {"a": b"1", "bad": os.urandom(9 << 20)})
    job = pull_job(up, tmp_path / "in", beneath=b"out")
    with unreadable_from(monkeypatch, source / "bad", 8 << 20):
        for _ in range(3):
            assert run(job, state=tmp_path / "state").outcome is Outcome.PARTIAL

    assert not [path for path in snapshot(tmp_path / "in") if path.endswith(b".tmp")]


# Names that are not text


@pytest.mark.parametrize("pushes", [False, True])
def test_attribute_whose_name_is_not_text_is_carried_over(tmp_path: Path, up: Served, pushes: bool) -> None:
    source = tree(tmp_path / ("out" if pushes else "share/out"), {"a": b"1", "b": b"2" * 100_000, "d": {}})
    destination = tmp_path / ("share/in" if pushes else "in")
    for name in ("a", "b", "d"):
        os.setxattr(source / name, b"user.\xff", b"value")
    job = push_job(up, source, b"in") if pushes else pull_job(up, destination, beneath=b"out")

    result = run(job, state=tmp_path / "state")

    assert result.outcome is Outcome.SUCCEEDED, result
    assert not differences(snapshot(source), without_area(snapshot(destination)))
    assert os.getxattr(destination / "b", b"user.\xff") == b"value"


# Figures


class Boasting:
    """Answers as an agent would, but for how much there is of what agrees."""

    def __init__(self, place: LocalPlace) -> None:
        self._answerer = Answerer(place, access=Access.READ, check=lambda: None)

    @contextlib.contextmanager
    def ask(self, question: Question) -> Iterator[Frames]:
        said = b"".join(self._answerer.answer(question))
        if isinstance(question.ask, AskSurvey):
            answers = answers_of(Frames(io.BytesIO(said)))
            said = frames.messages(*(structs.replace(each, entries=2**47, rows=2**46) for each in answers))
            said += frames.END
        yield Frames(io.BytesIO(said))

    def close(self) -> None:
        """Nothing is open."""


def test_what_agrees_is_counted_where_it_can_be_believed(tmp_path: Path) -> None:
    many: Children = {f"d{n}": {"a": b"1", "e": {"f": b"2"}} for n in range(10)}
    tree(tmp_path / "share", many)
    subprocess.run(["cp", "-a", tmp_path / "share", tmp_path / "in"], check=True)
    (tmp_path / "share/d3/a").write_bytes(b"another")
    place = FarPlace(address="test:", share="boasting")
    asking = Boasting(LocalPlace(path=os.fsencode(tmp_path / "share")))

    with connected(FarConnection(place, asking)) as tied:
        job = structs.replace(sync_job(tmp_path / "share", tmp_path / "in"), source=tied)
        result = run(job, state=tmp_path / "state")

    assert result.outcome is Outcome.SUCCEEDED, result
    assert result.counts.scanned == 40

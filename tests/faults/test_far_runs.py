"""Runs whose one end is far are as true as local ones: what is equal, absent, excluded, held and approved."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.errors import RunError
from dirsync.model.job import MirrorJob
from dirsync.model.result import Outcome, RunResult
from dirsync.trees.far.connection import FarConnection, connected
from dirsync.trees.far.http import HttpAsking
from dirsync.trees.far.tree import FarTree
from tests.agents import AgentProcess, Served, far_jobs, served
from tests.jobs import run, sync_job
from tests.program import CHECKOUT, Ended, argv, ended
from tests.trees import differences, snapshot, tree


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

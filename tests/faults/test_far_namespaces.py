"""Two ends in network namespaces of their own, and a link between them that loses a tenth of all packets."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.agents import AgentProcess, far_jobs, wait_until
from tests.program import Ended as Program
from tests.program import argv, checked, ended
from tests.trees import differences, snapshot, tree

FAR = "10.77.31.1"
NEAR = "10.77.31.2"


class Link(Struct, frozen=True):
    """Two namespaces, and what is between them."""

    near: str
    far: str

    def run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    def set(self, state: str) -> None:
        """Pull the cable, or put it back."""
        self.run("ip", "-n", self.near, "link", "set", "near0", state)

    def lose(self, percent: int) -> None:
        """Lose so many of a hundred packets, each way."""
        rules = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; "
            f"meta {which} near0 numgen random mod 100 < {percent} drop; }}\n"
            for hook, which in (("input", "iifname"), ("output", "oifname"))
        )
        self.run("ip", "netns", "exec", self.near, "nft", f"table inet loss {{ {rules} }}")


@pytest.fixture
def link() -> Iterator[Link]:
    """Give two namespaces with a link, and take them away."""
    mark = os.urandom(3).hex()
    made = Link(f"near-{mark}", f"far-{mark}")
    try:
        for name in (made.near, made.far):
            made.run("ip", "netns", "add", name)
        made.run(
            *("ip", "link", "add", "near0", "netns", made.near),
            *("type", "veth", "peer", "name", "far0", "netns", made.far),
        )
        for name, device, address in ((made.near, "near0", NEAR), (made.far, "far0", FAR)):
            made.run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
            made.run("ip", "-n", name, "link", "set", device, "up")
        yield made
    finally:
        for name in (made.near, made.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def files(*, seed: int, size: int) -> dict[str, object]:
    drawn = random.Random(seed)
    small = {f"f{number}": drawn.randbytes(drawn.randrange(400)) for number in range(100)}
    return {"small": small, "large": drawn.randbytes(size)}


def both_jobs(place: Path, agent: AgentProcess) -> Path:
    return far_jobs(
        place / "jobs.yaml",
        agent,
        {
            "pull": {"source": "far:/out", "destination": str(place / "in")},
            "push": {"source": str(place / "out"), "destination": "far:/in"},
        },
    )


def agent_beyond(link: Link, place: Path) -> AgentProcess:
    (place / "far").mkdir()
    through = ("ip", "netns", "exec", link.far)
    return AgentProcess(
        place / "agent", {"tree": (place / "far", "write")}, host=FAR, port=8443, through=through
    )


def run_through(link: Link, jobs: Path, *more: str) -> Program:
    return ended(["ip", "netns", "exec", link.near, *argv(jobs, *more)])


def test_trees_are_equal_over_a_link_that_loses_a_tenth(link: Link, tmp_path: Path) -> None:
    with agent_beyond(link, tmp_path) as agent:
        jobs = both_jobs(tmp_path, agent)
        wanted = {
            "pull": snapshot(tree(tmp_path / "far/out", files(seed=1, size=300_000))),  # type: ignore[arg-type]
            "push": snapshot(tree(tmp_path / "out", files(seed=2, size=300_000))),  # type: ignore[arg-type]
        }
        link.lose(10)

        for job, destination in (("pull", tmp_path / "in"), ("push", tmp_path / "far/in")):
            result = run_through(link, jobs, "--job", job)

            assert result.outcome == (0, "succeeded"), result.stderr
            assert not differences(wanted[job], snapshot(destination))


@pytest.mark.parametrize("job", ["pull", "push"])
def test_run_goes_on_when_the_cable_is_put_back(link: Link, tmp_path: Path, job: str) -> None:
    with agent_beyond(link, tmp_path) as agent:
        jobs = both_jobs(tmp_path, agent)
        ends = {
            "pull": (tmp_path / "far/out", tmp_path / "in"),
            "push": (tmp_path / "out", tmp_path / "far/in"),
        }
        source, destination = ends[job]
        wanted = snapshot(tree(source, files(seed=3, size=60_000_000)))  # type: ignore[arg-type]
        command = ["ip", "netns", "exec", link.near, *argv(jobs, "--job", job)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(destination.exists)
        time.sleep(0.1)

        link.set("down")
        time.sleep(3)
        link.set("up")
        stdout, stderr = process.communicate(timeout=120)

        result = checked(Program(process.returncode, stdout, stderr))
        assert result.outcome == (0, "succeeded"), stderr
        assert not differences(wanted, snapshot(destination))

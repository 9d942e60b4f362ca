"""Two ends, and what comes between them: a connection that is cut, an end that is killed, a slow wire."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agents import TOKEN, AgentProcess, far_jobs, wait_until
from tests.program import Ended, argv, ended
from tests.trees import File, Snapshot, differences, snapshot, tree
from tests.wire import Cutting

KILLS = int(os.environ.get("DIRSYNC_KILLS", "3"))  # of each end
SEED = int(os.environ.get("DIRSYNC_SEED", "6"))
BIG = 24 << 20


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a folder with `far/tree`, which an agent may serve, and `near`."""
    for name in ("far/tree", "near"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def agent_of(place: Path, *, host: str = "127.0.0.1") -> AgentProcess:
    return AgentProcess(place / "agent", {"tree": (place / "far/tree", "write")}, host=host)


def run_now(jobs: Path, *more: str) -> Ended:
    os.environ["FAR_TEST_TOKEN"] = TOKEN
    return ended(argv(jobs, *more))


def pull_and_push(place: Path, agent: AgentProcess) -> Path:
    """Declare a pull of `far/tree/out` to `near/in`, and a push of `near/out` to `far/tree/in`."""
    return far_jobs(
        place / "near/jobs.yaml",
        agent,
        {
            "pull": {"source": "far:/out", "destination": str(place / "near/in")},
            "push": {"source": str(place / "near/out"), "destination": "far:/in"},
        },
    )


def ends_of(place: Path, job: str) -> tuple[Path, Path]:
    """Give a job's source and destination."""
    if job == "pull":
        return place / "far/tree/out", place / "near/in"
    return place / "near/out", place / "far/tree/in"


def random_bytes(count: int, *, seed: int) -> bytes:
    return random.Random(seed).randbytes(count)


def many_files(*, seed: int) -> dict[str, object]:
    """Give a tree of small and of large files."""
    drawn = random.Random(seed)
    small = {f"d{number % 7}/f{number}": drawn.randbytes(drawn.randrange(3000)) for number in range(400)}
    folders: dict[str, dict[str, object]] = {}
    for path, data in small.items():
        folder, name = path.split("/")
        folders.setdefault(folder, {})[name] = data
    return {**folders, "big": drawn.randbytes(BIG), "middle": drawn.randbytes(300_000)}


@pytest.mark.parametrize("job", ["pull", "push"])
def test_connection_cut_in_mid_transfer_sends_nothing_twice(place: Path, job: str) -> None:
    with agent_of(place) as agent, Cutting(agent.port, every=5_000_000) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        source, destination = ends_of(place, job)
        wanted = snapshot(tree(source, many_files(seed=1)))  # type: ignore[arg-type]
        size = sum(seen.size for seen in wanted.values() if seen.kind == "file")

        result = run_now(jobs, "--job", job)

        assert result.outcome == (0, "succeeded"), result.stderr
        assert not differences(wanted, snapshot(destination))
        assert wire.cuts >= 3
        assert wire.carried < 1.1 * size + wire.cuts * 1_200_000  # what was on its way when it was cut


@pytest.mark.parametrize("job", ["pull", "push"])
def test_run_that_is_killed_leaves_old_or_new_and_the_next_one_converges(place: Path, job: str) -> None:
    drawn = random.Random(SEED)
    with agent_of(place) as agent:
        jobs = pull_and_push(place, agent)
        source, destination = ends_of(place, job)
        for attempt in range(2 * KILLS):
            old = snapshot(destination) if destination.exists() else {}
            subprocess.run(["rm", "-rf", source], check=True)
            wanted = snapshot(tree(source, many_files(seed=attempt)))  # type: ignore[arg-type]
            kills_agent = attempt % 2 == 1
            process = subprocess.Popen(
                argv(jobs, "--job", job), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(drawn.uniform(0.1, 1.2))
            if kills_agent:
                agent.kill()
            process.send_signal(signal.SIGKILL)
            process.wait()
            if kills_agent:
                agent.start()
            assert torn(destination, old, wanted) == []

            result = run_now(jobs, "--job", job)

            assert result.outcome == (0, "succeeded"), (attempt, result.stdout[-500:], result.stderr)
            assert not differences(wanted, without_area(destination)), attempt


def torn(destination: Path, old: Snapshot, new: Snapshot) -> list[bytes]:
    """Give the files that are neither old nor new; an agent that was left alone may still be writing."""
    if not destination.exists():
        return []
    for _ in range(50):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return [
                path
                for path, seen in snapshot(destination).items()
                if seen.kind == "file"
                and b".dirsync" not in path
                and seen.content not in {side[path].content for side in (old, new) if path in side}
            ]
        time.sleep(0.1)
    raise AssertionError(f"{destination} does not stand still")


def without_area(destination: Path) -> Snapshot:
    """See a destination without dirsync's own directory at its top."""
    return {path: seen for path, seen in snapshot(destination).items() if not path.startswith(b".dirsync")}


def test_large_file_that_was_cut_off_by_a_kill_is_not_sent_again(place: Path) -> None:
    """What had arrived of it is found by its content in the next run."""
    with agent_of(place) as agent, Cutting(agent.port, every=None, bytes_a_second=12_000_000) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        source, destination = ends_of(place, "pull")
        tree(source, {"big": random_bytes(BIG, seed=3)})
        process = subprocess.Popen(argv(jobs, "--job", "pull"), stdout=subprocess.DEVNULL)
        while wire.carried < BIG * 0.6:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = wire.carried

        result = run_now(jobs, "--job", "pull")

        assert result.outcome == (0, "succeeded")
        assert not differences(snapshot(source), without_area(destination))
        assert wire.carried - before < BIG * 0.6
        assert not list((destination / ".dirsync/partial").iterdir())


@pytest.mark.parametrize("job", ["pull", "push"])
def test_insertion_at_the_front_of_a_large_file_sends_little(place: Path, job: str) -> None:
    with agent_of(place) as agent, Cutting(agent.port, every=None) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        source, destination = ends_of(place, job)
        content = random_bytes(64 << 20, seed=4)
        tree(source, {"big": File(content, mtime_ns=1)})
        assert run_now(jobs, "--job", job).outcome == (0, "succeeded")
        before = wire.carried
        (source / "big").write_bytes(random_bytes(1 << 20, seed=5) + content)

        result = run_now(jobs, "--job", job)

        assert result.outcome == (0, "succeeded")
        assert not differences(snapshot(source), without_area(destination))
        assert wire.carried - before < 2 << 20


def test_agent_that_is_not_there_is_75_and_one_that_goes_away_is_5(place: Path) -> None:
    agent = agent_of(place)
    jobs = pull_and_push(place, agent)
    tree(place / "near/out", {"a": b"1"})
    (place / "near/in").mkdir()

    for job in ("pull", "push"):
        result = run_now(jobs, "--job", job)
        assert result.outcome == (75, "skipped")
        assert "does not answer: Connection refused; is the agent running?" in result.result["error"]


def test_signal_ends_a_push_in_order(place: Path) -> None:
    with agent_of(place) as agent, Cutting(agent.port, every=None, bytes_a_second=3_000_000) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        tree(place / "near/out", {"big": random_bytes(BIG, seed=6)})
        process = subprocess.Popen(argv(jobs, "--job", "push"), stdout=subprocess.PIPE, text=True)
        while wire.carried < 1_000_000:
            time.sleep(0.01)

        process.terminate()
        stdout, _ = process.communicate(timeout=40)

        assert process.returncode == 128 + signal.SIGTERM
        assert '"outcome":"cancelled"' in stdout
        assert agent.stop() == 128 + signal.SIGTERM


def test_second_run_over_equal_trees_costs_next_to_nothing_on_the_wire(place: Path) -> None:
    with agent_of(place) as agent, Cutting(agent.port, every=None) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        tree(place / "far/tree/out", many_files(seed=7))  # type: ignore[arg-type]
        tree(place / "near/out", many_files(seed=8))  # type: ignore[arg-type]
        run_now(jobs)
        for job in ("pull", "push"):
            before = wire.carried

            result = run_now(jobs, "--job", job)

            assert result.result["counts"]["created"] == 0
            assert result.result["counts"]["scanned"] == 409
            assert wire.carried - before < 20_000


def test_signal_ends_a_pull_that_waits_for_a_far_end_that_says_nothing(place: Path) -> None:
    with agent_of(place) as agent, Cutting(agent.port, every=None, bytes_a_second=2_000_000) as wire:
        agent.port = wire.port
        jobs = pull_and_push(place, agent)
        tree(place / "far/tree/out", {"big": random_bytes(BIG, seed=9)})
        process = subprocess.Popen(argv(jobs, "--job", "pull"), stdout=subprocess.PIPE, text=True)
        wait_until(lambda: wire.carried > 1_000_000)
        os.kill(agent.pid, signal.SIGSTOP)
        time.sleep(0.5)

        process.terminate()
        stdout, _ = process.communicate(timeout=10)

        assert process.returncode == 128 + signal.SIGTERM
        assert '"outcome":"cancelled"' in stdout

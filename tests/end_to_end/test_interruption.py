"""Runs that are stopped, killed, or that meet another run.

strace(1) makes a run slow where it matters, so that nothing here depends on luck.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import Ended, argv, checked, jobs_file, run_now, running
from tests.trees import differences, snapshot, tree

MIB = 1 << 20
SLOW_RENAMES = "inject=rename,renameat,renameat2:delay_enter=300000"
SLOW_DATA = "inject=copy_file_range,sendfile,read,pread64:delay_enter=500000"


def slowed(command: list[str], *, by: str, on: Path | None = None) -> list[str]:
    """Run a command in which some system calls, or those on one file alone, take long (microseconds)."""
    only = ["-P", str(on)] if on else []
    trace = by.replace("inject", "trace").split(":")[0]
    return ["strace", "-f", "-qq", "-o", "/dev/null", *only, "-e", trace, "-e", by, *command]


def until(happened: Callable[[], bool]) -> None:
    """Wait until something is seen."""
    ends_at = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def program_of(tracer: subprocess.Popen[str]) -> int:
    """Give the process that a tracer watches."""
    return int(Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()[0])


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process to end by itself."""
    stdout, stderr = process.communicate(timeout=60)
    return checked(Ended(process.returncode, stdout, stderr))


def outcomes(folder: Path) -> list[str]:
    """Read the ledger."""
    with sqlite3.connect(next((folder / "state").glob("*.db"))) as ledger:
        return [outcome for (outcome,) in ledger.execute("SELECT outcome FROM runs ORDER BY run_id")]


def replicas(folder: Path) -> int:
    """Count what stands under its own name at the destination."""
    return len([name for name in os.listdir(folder / "d") if name.startswith("file")])


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A source of 60 small files, and an empty destination."""
    tree(tmp_path / "s", {f"file{number}": b"x" * number for number in range(60)})
    tree(tmp_path / "d", {})
    return tmp_path


def test_second_run_is_refused_at_once_while_the_first_holds_the_lock(many: Path) -> None:
    jobs = jobs_file(many)
    with running(slowed(argv(jobs), by=SLOW_RENAMES)) as first:
        until(lambda: replicas(many) > 0)
        os.kill(program_of(first), signal.SIGSTOP)
        began_at = time.monotonic()

        same = run_now(jobs)
        elapsed = time.monotonic() - began_at
        (many / "else").mkdir()
        other = run_now(jobs_file(many / "else", source=str(many / "s"), destination=str(many / "d")))

        assert same.outcome == (75, "skipped")
        assert other.outcome == (75, "skipped")
        assert elapsed < 5

    after = run_now(jobs)
    assert after.outcome == (0, "succeeded")
    assert not differences(snapshot(many / "s"), snapshot(many / "d"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_run_in_order(many: Path, number: signal.Signals) -> None:
    jobs = jobs_file(many)
    with running(slowed(argv(jobs), by=SLOW_RENAMES)) as process:
        until(lambda: replicas(many) > 1)
        os.kill(program_of(process), number)
        began_at = time.monotonic()
        run = finish(process)

    assert time.monotonic() - began_at < 5
    assert run.outcome == (128 + number, "cancelled")
    assert 0 < replicas(many) < 60
    assert snapshot(many / "d").keys() <= snapshot(many / "s").keys()
    assert run_now(jobs).outcome == (0, "succeeded")
    assert outcomes(many) == ["cancelled", "succeeded"]
    assert not differences(snapshot(many / "s"), snapshot(many / "d"))


def test_signal_drops_the_long_copy_at_hand(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"big": os.urandom(MIB) * 512})
    tree(tmp_path / "d", {"big": b"old"})
    jobs = jobs_file(tmp_path)
    with running(slowed(argv(jobs), by=SLOW_DATA, on=tmp_path / "s/big")) as process:
        until(lambda: len(os.listdir(tmp_path / "d")) > 1)
        os.kill(program_of(process), signal.SIGTERM)
        began_at = time.monotonic()
        run = finish(process)

    assert time.monotonic() - began_at < 5
    assert run.outcome == (143, "cancelled")
    assert (tmp_path / "d/big").read_bytes() == b"old"
    assert os.listdir(tmp_path / "d") == ["big"]


def test_killed_run_is_closed_by_the_next_which_converges(many: Path) -> None:
    jobs = jobs_file(many)
    with running(slowed(argv(jobs), by=SLOW_RENAMES)) as process:
        until(lambda: replicas(many) > 1)
        os.kill(program_of(process), signal.SIGKILL)
        process.wait(timeout=60)

    assert run_now(jobs).outcome == (0, "succeeded")
    assert outcomes(many) == ["crashed", "succeeded"]
    assert not differences(snapshot(many / "s"), snapshot(many / "d"))


def test_long_copy_that_was_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"deep": {"big": os.urandom(MIB) * 256}})
    tree(tmp_path / "d", {"deep": {"big": b"old"}})
    jobs = jobs_file(tmp_path)
    with running(slowed(argv(jobs), by=SLOW_DATA, on=tmp_path / "s/deep/big")) as process:
        until(lambda: len(os.listdir(tmp_path / "d/deep")) > 1)
        os.kill(program_of(process), signal.SIGKILL)
        process.wait(timeout=60)
    assert (tmp_path / "d/deep/big").read_bytes() == b"old"
    assert len(os.listdir(tmp_path / "d/deep")) == 2

    assert run_now(jobs).outcome == (0, "succeeded")
    assert not differences(snapshot(tmp_path / "s"), snapshot(tmp_path / "d"))

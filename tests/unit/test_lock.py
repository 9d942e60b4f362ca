"""Locks exclude, say who holds them, and die with their holder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.errors import Busy, RunError
from dirsync.runner import lock
from dirsync.runner.lock import locked_directory, locked_job

HOLD_JOB = """
import sys, time
from dirsync.runner import lock
from dirsync.runner.lock import locked_job
if sys.argv[3:]:
    lock.fcntl = None
with locked_job(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""

HOLD_DIRECTORY = """
import os, sys, time
from dirsync.runner.lock import locked_directory
with locked_directory(os.open(sys.argv[1], os.O_RDONLY), shown="there"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Give a process that holds a lock."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def directory_handle(path: Path) -> Iterator[int]:
    """Give a directory's handle."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture(params=["flock", "no flock"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lock as this system does, or as one without `flock`; give what a holder has to be told."""
    if request.param == "flock":
        return []
    monkeypatch.setattr(lock, "fcntl", None)
    return ["without"]


def test_second_run_of_a_job_is_refused_and_told_who_runs(tmp_path: Path, way: list[str]) -> None:
    """The lock of a job is held by one process, which is named."""
    with holder(HOLD_JOB, str(tmp_path), "photos", *way) as process:
        expected = rf"'photos'.*\(process {process.pid}\)"
        with pytest.raises(Busy, match=expected), locked_job(str(tmp_path), "photos"):
            pass
        with locked_job(str(tmp_path), "etc"):
            pass


def test_lock_of_a_killed_run_is_free_at_once(tmp_path: Path, way: list[str]) -> None:
    """Nothing is left to remove when the holder is killed."""
    with holder(HOLD_JOB, str(tmp_path), "photos", *way) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        with locked_job(str(tmp_path), "photos"):
            pass


@pytest.mark.usefixtures("way")
def test_job_is_locked_within_one_process_too(tmp_path: Path) -> None:
    """Two threads, or one twice, cannot run a job at once; then it is free again."""
    with locked_job(str(tmp_path), "photos"), pytest.raises(Busy), locked_job(str(tmp_path), "photos"):
        pass

    with locked_job(str(tmp_path), "photos"):
        pass


@pytest.mark.parametrize("job", ["x" * 200, "ü" * 100, "ü" * 200, "a/b", ".", "..", "a b\n", "*"])
def test_any_job_name_can_be_locked(tmp_path: Path, job: str) -> None:
    """Long and odd names have locks of their own, all in one directory."""
    with locked_job(str(tmp_path), job), locked_job(str(tmp_path), "photos"):
        pass

    assert len(os.listdir(tmp_path / "locks")) == 2


def test_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A directory in the lock file's place ends the run with its name."""
    (tmp_path / "locks" / "photos.lock").mkdir(parents=True)

    with pytest.raises(RunError, match=r"photos\.lock' cannot be taken"), locked_job(str(tmp_path), "photos"):
        pass


def test_directory_is_held_by_one_process_and_left_as_it_was(tmp_path: Path) -> None:
    """A destination is locked through its handle, without a file in it."""
    with holder(HOLD_DIRECTORY, str(tmp_path)) as process, directory_handle(tmp_path) as fd:
        with pytest.raises(Busy, match="'there': another run"), locked_directory(fd, shown="there"):
            pass
        process.kill()
        process.wait()
        with locked_directory(fd, shown="there"):
            pass

    assert os.listdir(tmp_path) == []


def test_directory_is_held_against_another_handle_of_this_process(tmp_path: Path) -> None:
    """Two jobs of one process with one destination exclude each other."""
    with directory_handle(tmp_path) as one, directory_handle(tmp_path) as two:
        with locked_directory(one, shown="d"), pytest.raises(Busy), locked_directory(two, shown="d"):
            pass
        with locked_directory(two, shown="d"):
            pass


def test_directory_that_cannot_be_locked_is_used_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the kernel refuses locks, the run goes on and says so at debug level."""
    caplog.set_level("DEBUG")
    fd = os.open(tmp_path, os.O_PATH)  # flock on such a handle fails with EBADF, as on some NFS mounts

    with locked_directory(fd, shown="there"):
        pass
    os.close(fd)

    assert "no directory locks" in caplog.text

"""With `durability: full` a name never leads to data that a power cut could take away."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.job import Durability, MirrorJob, Retries
from dirsync.model.result import Outcome
from dirsync.trees import fsops, kernel
from tests.jobs import run, sync_job
from tests.program import mounted
from tests.trees import File, Link, Snapshot, snapshot, tree

T = 1_600_000_000_000_000_000


def durable_job(place: Path, count: int) -> MirrorJob:
    names = [f"{number:04}" for number in range(count)]
    tree(place / "s", {name: File(b"new", mtime_ns=T) for name in names})
    tree(place / "d", {name: File(b"older", mtime_ns=T - 1) for name in names})
    job = sync_job(place / "s", place / "d")
    return structs.replace(job, durability=Durability.FULL, retries=Retries(wait_seconds=0))


def files(root: Path) -> Snapshot:
    return {path: seen for path, seen in snapshot(root).items() if seen.kind == "file"}


class Gate:
    """Notes every operation, and refuses some."""

    def __init__(self, refuse: str | None = None) -> None:
        self.passed: list[str] = []
        self.refuse = refuse

    def __call__(self, operation: str) -> None:
        self.passed.append(operation)
        if operation == self.refuse:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(("count", "barrier"), [(2, "sync_file"), (200, "sync_file_system")])
def test_the_data_of_a_batch_is_durable_before_the_first_of_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, barrier: str
) -> None:
    job, gate = durable_job(tmp_path, count), Gate()
    monkeypatch.setattr(fsops, "gate", gate)
    run(job, state=tmp_path / "state")

    last_written = len(gate.passed) - gate.passed[::-1].index("create_file")
    between = gate.passed[last_written : gate.passed.index("rename")]
    assert gate.passed.count("create_file") == gate.passed.count("rename") == count
    assert between.count(barrier) == (count if barrier == "sync_file" else 1)


@pytest.mark.parametrize(("count", "barrier"), [(2, "sync_file"), (200, "sync_file_system")])
def test_a_batch_that_cannot_be_made_durable_fails_and_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, barrier: str
) -> None:
    job, gate = durable_job(tmp_path, count), Gate(refuse=barrier)
    before = files(tmp_path / "d")
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "gate", gate)
        result = run(job, state=tmp_path / "state")

    assert result.outcome in (Outcome.PARTIAL, Outcome.FAILED)
    assert result.counts.failed == count
    assert result.counts.modified == 0
    assert files(tmp_path / "d") == before
    assert run(job, state=tmp_path / "state").counts.modified == count


def test_a_failed_flush_is_never_tried_again_as_if_it_could_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, gate = durable_job(tmp_path, 1), Gate(refuse="sync_file")
    monkeypatch.setattr(fsops, "gate", gate)
    run(job, state=tmp_path / "state")

    assert gate.passed.count("sync_file") == 1


def test_a_disk_mounted_within_the_destination_is_made_durable_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies make no barrier here: what is left is the one at the end."""
    tree(tmp_path / "s", {"m": {"l": Link("x")}})
    tree(tmp_path / "d", {"m": {}, "other": {}})
    job = structs.replace(sync_job(tmp_path / "s", tmp_path / "d"), durability=Durability.FULL)
    synced: list[int] = []
    monkeypatch.setattr(kernel, "sync_file_system", lambda fd: synced.append(os.fstat(fd).st_dev))
    with mounted(tmp_path / "d/m") as inner, mounted(tmp_path / "d/other"):
        assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
        assert synced == [os.stat(tmp_path).st_dev, os.stat(inner).st_dev]

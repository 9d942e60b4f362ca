"""Files that another process writes while a run copies them.

The writer is a real process. A file that keeps changing is tried again, then given up;
its old replica stays. Giving a file back its size and mtime does not hide an edit.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.job import Retries
from dirsync.model.result import Outcome
from tests.jobs import run, sync_job, watched_run
from tests.trees import tree

SIZE = 128 << 20  # copied in longer than a busy machine keeps the writer waiting
OPEN_ENDED = """
import os, sys
path = sys.argv[1]
with open(path, "r+b", buffering=0) as file:
    number = 0
    while True:
        {edit}
        number += 1
        if number == 1:
            print(flush=True)
"""
GROWS = "file.seek(0, 2); file.write(b'x' * 64)"
OVERWRITES = "file.seek(0); file.write(b'%08d' % number)"
HIDES = "before = os.fstat(file.fileno()); file.seek(0); file.write(b'%08d' % number); " + (
    "os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))"
)


@contextlib.contextmanager
def written_all_the_time(path: Path, edit: str) -> Iterator[None]:
    """Have another process edit a file again and again while the block runs."""
    command = [sys.executable, "-c", OPEN_ENDED.format(edit=edit), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        try:
            writer.stdout.readline()
            yield
        finally:
            writer.kill()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory on tmpfs, which clones nothing: the file is read while it is written."""
    with tempfile.TemporaryDirectory(prefix="live-", dir="/dev/shm") as place:
        yield Path(place)


@pytest.mark.parametrize("edit", [GROWS, OVERWRITES, HIDES], ids=["grows", "overwrites", "hides its edits"])
def test_a_file_that_keeps_changing_is_unstable_and_its_old_replica_stays(memory: Path, edit: str) -> None:
    source = tree(memory / "s", {"live": b"-" * SIZE, "calm": b"1"})
    job = structs.replace(sync_job(source, memory / "d"), retries=Retries(attempts=3, wait_seconds=0.01))
    assert run(job, state=memory / "state").outcome is Outcome.SUCCEEDED
    old = (memory / "d/live").read_bytes()
    (source / "live").write_bytes(b"+" * (SIZE + 1))
    (source / "calm").write_bytes(b"2")

    with written_all_the_time(source / "live", edit):
        result, watched = watched_run(job, memory)

    assert result.outcome is Outcome.PARTIAL
    assert [(failure.path, failure.reason) for failure in watched.failures] == [
        (b"live", "unstable: it kept changing while it was read")
    ]
    assert (memory / "d/live").read_bytes() == old
    assert (memory / "d/calm").read_bytes() == b"2"

    assert run(job, state=memory / "state").outcome is Outcome.SUCCEEDED
    assert (memory / "d/live").read_bytes() == (source / "live").read_bytes()


def test_a_file_that_comes_to_rest_between_two_tries_is_copied(memory: Path) -> None:
    source = tree(memory / "s", {"live": b"-" * SIZE})
    job = structs.replace(sync_job(source, memory / "d"), retries=Retries(attempts=50, wait_seconds=0.1))
    brief = OPEN_ENDED.format(edit=OVERWRITES).replace("while True", "while number < 50_000")

    with subprocess.Popen(
        [sys.executable, "-c", brief, str(source / "live")], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        result, _ = watched_run(job, memory)

    assert result.outcome is Outcome.SUCCEEDED
    assert (memory / "d/live").read_bytes() == (source / "live").read_bytes()

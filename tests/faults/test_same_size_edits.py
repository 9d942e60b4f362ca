"""No edit that keeps a file's size goes unseen, however soon it follows a run.

A quick check sees such an edit by its mtime alone. The kernel takes an mtime from a
clock that moves every 1 to 4 ms, so an edit within the same tick as the edit before it
may keep the mtime. Two things save the mirror: a file is read only once the tick in
which it was last changed is over, and Linux 6.13 and later give a file a finer time if
anybody has asked for its times since it was last written.
`DIRSYNC_EXAMPLES=10000` for a long run.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dirsync.model.result import Outcome
from tests.jobs import run, sync_job
from tests.trees import tree

EDITS = int(os.environ.get("DIRSYNC_EXAMPLES", "300"))
SIZE = 64


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory on tmpfs, then one on the disk: their clocks differ."""
    if request.param == "disk":
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        yield Path(memory)


def write_in_place(path: Path, number: int) -> bytes:
    """Give a file other bytes of the same number, through the same inode."""
    data = b"%0*d" % (SIZE, number)
    with open(path, "r+b") as file:
        file.write(data)
    return data


def test_every_same_size_edit_is_seen_by_the_run_that_follows_it(place: Path) -> None:
    job = sync_job(tree(place / "s", {"f": b"-" * SIZE}), place / "d")
    assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED

    missed = []
    for number in range(EDITS):
        data = write_in_place(place / "s/f", number)
        run(job, state=place / "state")
        if (place / "d/f").read_bytes() != data:
            missed.append(number)

    assert missed == []


def test_file_edited_during_a_run_is_right_after_the_next(place: Path) -> None:
    """Whatever a run caught half way, the first run after the last edit sees."""
    job = sync_job(tree(place / "s", {"f": b"-" * SIZE}), place / "d")
    missed = []
    for number in range(0, 100 * (EDITS // 10), 100):
        with edited(place / "s/f", range(number, number + 100)) as last:
            run(job, state=place / "state")
        run(job, state=place / "state")
        if (place / "d/f").read_bytes() != last():
            missed.append(number)

    assert missed == []


@contextmanager
def edited(path: Path, numbers: range) -> Iterator[Callable[[], bytes]]:
    """Edit a file again and again while the block runs; all edits are done when it is left."""
    editor = threading.Thread(target=lambda: [write_in_place(path, number) for number in numbers])
    editor.start()
    try:
        yield path.read_bytes
    finally:
        editor.join()

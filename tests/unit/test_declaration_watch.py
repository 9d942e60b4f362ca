"""A changed declaration is read when it holds still, once, and kept only if valid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dirsync.errors import ConfigError
from dirsync.scheduler.declaration import Declaration, DeclarationWatch


class Reader:
    """Reads `jobs.yaml` and `extra.yaml` of a directory; the word `bad` is not valid."""

    def __init__(self, directory: Path) -> None:
        self.files = (str(directory / "jobs.yaml"), str(directory / "extra.yaml"))
        self.directory = directory
        self.state = "state"
        self.times_read = 0

    def __call__(self) -> Declaration:
        self.times_read += 1
        if "bad" in (self.directory / "jobs.yaml").read_text():
            raise ConfigError(("jobs.yaml:1: bad",))
        return Declaration(jobs=(), state=self.state, files=self.files)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "jobs.yaml").write_text("good")
    (tmp_path / "extra.yaml").write_text("good")
    return Reader(tmp_path)


def test_nothing_changed_is_not_read_again(reader: Reader) -> None:
    """Looking costs no reading."""
    watch = DeclarationWatch(reader, reader())

    assert [watch.poll() for _ in range(5)] == [None] * 5
    assert reader.times_read == 1


@pytest.mark.parametrize("file", ["jobs.yaml", "extra.yaml"])
def test_change_is_read_once_it_holds_still(reader: Reader, file: str) -> None:
    """A file half written at one look is read at a later one."""
    watch = DeclarationWatch(reader, reader())

    (reader.directory / file).write_text("half")
    assert watch.poll() is None
    (reader.directory / file).write_text("half and half")
    assert watch.poll() is None
    assert watch.poll() is not None
    assert [watch.poll() for _ in range(3)] == [None] * 3


def test_file_replaced_by_rename_is_noticed(reader: Reader) -> None:
    """Same size and time do not hide another inode."""
    watch = DeclarationWatch(reader, reader())
    old = reader.directory / "jobs.yaml"
    new = reader.directory / "new"
    new.write_text("doog")
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))

    new.rename(old)
    watch.poll()

    assert watch.poll() is not None


def test_invalid_change_is_refused_and_said_once(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    """The old declaration stays, the error is logged once, and a mended file is taken."""
    watch = DeclarationWatch(reader, reader())

    (reader.directory / "jobs.yaml").write_text("bad")
    assert [watch.poll() for _ in range(6)] == [None] * 6
    assert caplog.text.count("refused, the old one stays in force: jobs.yaml:1: bad") == 1
    (reader.directory / "jobs.yaml").write_text("mended")
    watch.poll()

    assert watch.poll() is not None


def test_file_that_vanishes_and_returns_is_read_then(reader: Reader) -> None:
    """A missing included file is a change like any other."""
    watch = DeclarationWatch(reader, reader())

    (reader.directory / "extra.yaml").unlink()
    assert [watch.poll() is not None for _ in range(3)] == [False, True, False]
    (reader.directory / "extra.yaml").write_text("back")

    assert [watch.poll() is not None for _ in range(3)] == [False, True, False]


def test_state_directory_cannot_move_under_running_jobs(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    """Another `state` needs a restart."""
    watch = DeclarationWatch(reader, reader())

    reader.state = "elsewhere"
    (reader.directory / "jobs.yaml").write_text("other")
    watch.poll()

    assert watch.poll() is None
    assert "'state' changed; restart" in caplog.text

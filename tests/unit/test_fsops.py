"""The one place that changes a tree, where the kernel can do less."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.trees import fsops, kernel
from tests.trees import Link, tree


@pytest.fixture(params=["in one step", "step by step"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A directory with a file, a link and a directory, on a kernel that can, then on one that cannot."""
    tree(tmp_path, {"new": b"new", "old": b"old", "link": Link("old"), "dir": {}})
    if request.param == "step by step":
        monkeypatch.setattr(kernel, "exchange", refuse)
        monkeypatch.setattr(kernel, "rename_to_free_name", refuse)
        monkeypatch.setattr(kernel, "move_to_free_name", refuse)
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def refuse(*_: object) -> None:
    raise OSError(errno.EINVAL, "not here")


def test_a_free_name_is_taken(folder: int, tmp_path: Path) -> None:
    fsops.rename_to_free_name(folder, b"new", b"free")

    assert (tmp_path / "free").read_bytes() == b"new"


@pytest.mark.parametrize("name", [b"old", b"link", b"dir"])
def test_a_name_that_is_taken_is_left_alone(folder: int, tmp_path: Path, name: bytes) -> None:
    with pytest.raises(FileExistsError):
        fsops.rename_to_free_name(folder, b"new", name)

    assert (tmp_path / "old").read_bytes() == b"old"
    assert (tmp_path / "new").read_bytes() == b"new"


def test_a_move_to_another_directory_takes_a_free_name_only(folder: int, tmp_path: Path) -> None:
    tree(tmp_path / "dir", {"taken": b"taken"})
    inner = os.open(tmp_path / "dir", os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(FileExistsError):
        fsops.move_to_free_name(folder, b"new", inner, b"taken")
    fsops.move_to_free_name(folder, b"new", inner, b"free")
    os.close(inner)

    assert (tmp_path / "dir/free").read_bytes() == b"new"
    assert (tmp_path / "dir/taken").read_bytes() == b"taken"


def test_two_names_change_places(folder: int, tmp_path: Path) -> None:
    fsops.exchange(folder, b"new", folder, b"dir")

    assert (tmp_path / "new").is_dir()
    assert (tmp_path / "dir").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["dir", "link", "new", "old"]


def test_a_mode_is_never_set_through_a_symlink(folder: int, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        fsops.set_mode(folder, b"link", mode=0o600)

    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o644


def test_every_operation_passes_the_gate(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(fsops, "gate", passed.append)
    fsops.make_directory(folder, b"a")
    fsops.remove_directory(folder, b"a")
    os.close(fsops.create_file(folder, b"f"))
    fsops.set_mtime(folder, b"f", mtime_ns=1)
    fsops.unlink(folder, b"f")

    assert passed == ["make_directory", "remove_directory", "create_file", "set_mtime", "unlink"]

"""Bytes arrive as they left, holes stay holes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dirsync.trees import fsops, kernel
from dirsync.trees.data import DataCopier, data_extents
from tests.trees import File, tree

MIB = 1 << 20


def copied(tmp_path: Path, *, sparse: bool = True, told: list[int] | None = None) -> os.stat_result:
    """Copy `tmp_path/from` to `tmp_path/to`, and look at the copy."""
    with open(tmp_path / "from", "rb") as source, open(tmp_path / "to", "wb") as destination:
        status = os.fstat(source.fileno())
        DataCopier(sparse=sparse).copy(
            source.fileno(),
            destination.fileno(),
            size=status.st_size,
            allocated=status.st_blocks * 512,
            told=(told if told is not None else []).append,
        )
    assert (tmp_path / "from").read_bytes() == (tmp_path / "to").read_bytes()
    return os.stat(tmp_path / "to")


@pytest.mark.parametrize("size", [0, 1, 4096, 100_000, 3 * MIB + 1])
def test_every_byte_arrives_and_is_told(tmp_path: Path, size: int) -> None:
    (tmp_path / "from").write_bytes(os.urandom(size))
    told: list[int] = []
    copied(tmp_path, told=told)

    assert sum(told) == size


def test_holes_stay_holes(tmp_path: Path) -> None:
    tree(tmp_path, {"from": File(b"x" * 4096, offset=8 * MIB, size=32 * MIB)})

    assert copied(tmp_path).st_blocks * 512 < MIB


def test_a_file_that_is_one_hole_stays_one(tmp_path: Path) -> None:
    tree(tmp_path, {"from": File(size=64 * MIB)})

    assert copied(tmp_path).st_blocks == 0


def test_holes_are_filled_where_sparse_is_not_preserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "clone", refuse)
    tree(tmp_path, {"from": File(b"x", offset=MIB, size=2 * MIB)})

    assert copied(tmp_path, sparse=False).st_blocks * 512 >= 2 * MIB


def refuse(*_: object) -> int:
    raise OSError(errno.EOPNOTSUPP, "not here")


def test_bytes_pass_through_here_where_the_kernel_cannot_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "clone", refuse)
    monkeypatch.setattr(os, "copy_file_range", refuse)
    tree(tmp_path, {"from": File(os.urandom(3 * MIB + 5), offset=MIB)})

    copied(tmp_path)


def test_a_file_of_procfs_that_the_kernel_calls_empty_does_not_loop_forever(tmp_path: Path) -> None:
    with open("/proc/self/status", "rb") as source, open(tmp_path / "to", "wb") as destination:
        DataCopier(sparse=True).copy(
            source.fileno(), destination.fileno(), size=100, allocated=0, told=lambda _: None
        )

    assert os.stat(tmp_path / "to").st_size <= 100


def test_an_error_that_is_no_inability_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(kernel, "clone", fail)
    (tmp_path / "from").write_bytes(b"x" * 100_000)

    with pytest.raises(OSError, match="full"):
        copied(tmp_path)


def test_extents_of_a_file_are_its_data(tmp_path: Path) -> None:
    tree(tmp_path, {"file": File(b"x" * 4096, offset=4 * MIB, size=16 * MIB)})
    with open(tmp_path / "file", "rb") as file:
        extents = list(data_extents(file.fileno(), 16 * MIB))

    assert extents
    assert extents[0][0] <= 4 * MIB < extents[-1][1] <= 16 * MIB
    assert sum(end - start for start, end in extents) < MIB


def test_temporary_names_are_short_and_recognised() -> None:
    names = {fsops.temporary_name() for _ in range(100)}

    assert len(names) == 100
    assert all(fsops.is_temporary(name) and len(name) <= 32 for name in names)
    assert not any(map(fsops.is_temporary, [b".dirsync", b".dirsync-", b".dirsync-1.tmp", b"x.tmp"]))

"""What is mounted where."""

from __future__ import annotations

import os
from pathlib import Path

from dirsync.trees.mounts import (
    Mount,
    MountTable,
    file_system_identity,
    is_beneath,
    mount_holding,
    mounted_beneath,
    mounts,
)


def test_the_root_is_a_mount_and_holds_every_path(tmp_path: Path) -> None:
    holding = mount_holding(os.fsencode(tmp_path))

    assert holding is not None
    assert holding.dev == os.stat(tmp_path).st_dev
    assert any(mount.point == b"/" for mount in mounts())


def test_mount_points_beneath_a_directory_are_relative_to_it() -> None:
    assert b"proc" in mounted_beneath(b"/")
    assert mounted_beneath(b"/proc/self/fd") == frozenset()


def test_a_file_system_is_named_the_same_from_anywhere_on_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    assert file_system_identity(os.fsencode(tmp_path / "a")) == file_system_identity(os.fsencode(tmp_path))
    assert file_system_identity(b"/proc") != file_system_identity(os.fsencode(tmp_path))


def test_beneath_is_by_component() -> None:
    assert is_beneath(b"/a/b", b"/a")
    assert is_beneath(b"/a", b"/")
    assert not is_beneath(b"/ab", b"/a")


def test_the_nearest_mount_holds_a_path_and_of_several_on_one_point_the_last() -> None:
    points = [b"/", b"/a", b"/a/b/c", b"/a", b"/ab"]
    mounted = [Mount(point, b"/", "ext4", b"/dev/sda", dev) for dev, point in enumerate(points)]
    table = MountTable(mounted)
    asked = [b"/", b"/x/y", b"/a", b"/a/b", b"/a/b/c", b"/a/b/c/d", b"/ab/c", b"/abc"]

    assert [mount.dev for path in asked if (mount := table.holding(path))] == [0, 0, 3, 3, 2, 2, 4, 0]
    assert [[mount.dev for mount in table.beneath(path)] for path in asked] == [
        [1, 2, 3, 4],
        [],
        [2],
        [2],
        [],
        [],
        [],
        [],
    ]


def test_where_nothing_is_known_to_be_mounted_nothing_holds_a_path() -> None:
    table = MountTable([])

    assert table.holding(b"/a") is None
    assert list(table.beneath(b"/")) == []

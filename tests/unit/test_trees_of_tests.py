"""The judge is judged: literal trees and the observer that reads them back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.trees import Directory, Fifo, File, HardLink, Link, chain, differences, snapshot, tree


def test_snapshot_reads_back_what_tree_built(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "t",
        Directory(
            {
                b"\xff\n": File(b"x", mode=0o640, mtime_ns=-1),
                b"hole": File(b"x", offset=1 << 20, size=1 << 21),
                b"d": Directory({b"l": Link(b"\xfe", mtime_ns=7), b"p": Fifo()}, mode=0o700, mtime_ns=5),
                b"other": HardLink("hole"),
            },
            mtime_ns=9,
        ),
    )
    seen = snapshot(root)

    assert {path: (at.kind, at.mtime_ns) for path, at in seen.items() if path != b"hole"} == {
        b"": ("directory", 9),
        b"\xff\n": ("file", -1),
        b"d": ("directory", 5),
        b"d/l": ("symlink", 7),
        b"d/p": ("special", seen[b"d/p"].mtime_ns),
        b"other": ("file", seen[b"hole"].mtime_ns),
    }
    assert (seen[b"\xff\n"].mode, seen[b"d"].mode, seen[b"d/l"].target) == (0o640, 0o700, b"\xfe")
    assert seen[b"hole"] == seen[b"other"]
    assert os.stat(root / "hole").st_blocks * 512 < 1 << 20


def test_snapshots_differ_where_the_trees_do(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", {"a": File(b"x", mtime_ns=1), "b": Link("x", mtime_ns=1), "c": Fifo()})
    other = tree(tmp_path / "two", {"a": File(b"y", mtime_ns=1), "b": Link("y", mtime_ns=1)})

    assert differences(snapshot(one), snapshot(other)).keys() - {b""} == {b"a", b"b", b"c"}
    assert not differences(snapshot(one), snapshot(one))


def test_snapshot_reaches_below_the_longest_path_of_the_kernel(tmp_path: Path) -> None:
    root = chain(tmp_path / "deep", [b"d" * 200] * 30 + [b"d"] * 1200, b"x")
    seen = snapshot(root)
    subprocess.run(["rm", "-rf", root], check=True)

    assert len(seen) == 1 + 30 + 1200 + 1
    assert max(map(len, seen)) > 4096

"""A tree with every kind of object, mirrored by the program and judged by rsync."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import jobs_file, run_now
from tests.trees import Children, Directory, File, HardLink, Link, differences, snapshot, tree

T = 1_600_000_000_123_456_789
SECOND_NS = 10**9
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
TIMES_NS = {
    "1905": -2_051_222_399 * SECOND_NS + 999_999_999,
    "1969": -1,
    "1970": 0,
    "2038": (2**31) * SECOND_NS + 1,
    "2262": (2**63) + 1,
    "2400": 13_569_465_600 * SECOND_NS + 123_456_789,
}


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory on disk (ext4, as a rule), and one on tmpfs."""
    if request.param == "disk":
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="fidelity-", dir="/dev/shm") as memory:
        yield Path(memory)


def every_kind_of_object(root: Path) -> Path:
    """Build a tree that holds one of each."""
    attributes = {"user.note": b"n\0", "trusted.t": b"", "security.s": b"s" * 100}
    names: list[str | bytes] = ["-rf", "two  words ", "new\nline", b"\xff\xfe", "*[x]?", "é", "...", "\\"]
    odd: Children = {name: File(os.fsencode(name), mtime_ns=T) for name in [*names, "n" * 255]}
    tree(
        root,
        {
            "files": {"empty": b"", "small": b"x", "large": os.urandom(300_000)},
            "holes": {
                "all": File(b"", size=10 << 20),
                "front": File(b"x", offset=5 << 20),
                "end": File(b"x", size=7 << 20),
            },
            "links": {"to": Link("../files/small", T, 1, 2), "dangling": Link(b"\xff/nowhere", -1)},
            "hard": {"a": b"shared", "b": HardLink("a"), "d": {"c": HardLink("../../files/small")}},
            "odd": odd,
            "modes": {f"{m:o}": File(b"x", m, uid=3, gid=4) for m in (0, 0o444, 0o4755, 0o2755, 0o7777)},
            "attributes": {
                "file": File(b"x", mode=0o644, xattrs=attributes),
                "program": File(b"x", 0o755, uid=5, gid=6, xattrs={"security.capability": CAPABILITY}),
                "link": Link("file", xattrs={"trusted.l": b"1"}),
                "directory": Directory({"in": b"x"}, mode=0o3775, xattrs=attributes),
            },
            "times": {
                **{f"file {year}": File(b"x", mtime_ns=ns) for year, ns in TIMES_NS.items()},
                **{f"directory {year}": Directory({}, mtime_ns=ns) for year, ns in TIMES_NS.items()},
                **{f"link {year}": Link("x", mtime_ns=ns) for year, ns in TIMES_NS.items()},
            },
        },
    )
    for path, acl in {"file": "u:1:rwx,g:2:r", "directory": "u:1:rx,d:u:3:rwx,d:g:4:r"}.items():
        subprocess.run(["setfacl", "-m", acl, path], cwd=root / "attributes", check=True)
    return root


def told_by_rsync(source: Path, destination: Path) -> str:
    """Ask rsync what it would still do, holes aside."""
    command = ["rsync", "-aHAXn", "--delete", "--itemize-changes", f"{source}/", f"{destination}/"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_rsync_finds_nothing_to_do_after_a_run(folder: Path) -> None:
    source = every_kind_of_object(folder / "s")
    assert told_by_rsync(source, tree(folder / "d", {})) != ""  # the judge is awake

    first = run_now(jobs_file(folder))
    assert first.outcome == (0, "succeeded")
    assert told_by_rsync(source, folder / "d") == ""
    assert not differences(snapshot(source), snapshot(folder / "d"))
    blocks = [os.stat(folder / side / "holes/all").st_blocks for side in "sd"]
    assert blocks[1] <= blocks[0]

    second = run_now(jobs_file(folder, compare=["size", "mtime", "mode", "ownership", "hash", "xattrs"]))
    assert second.outcome == (0, "succeeded")
    assert second.counts.keys() == {"scanned"}


def test_times_from_1905_to_2400_are_kept_to_the_nanosecond(folder: Path) -> None:
    source = every_kind_of_object(folder / "s")
    run_now(jobs_file(folder))

    for name in os.listdir(source / "times"):
        expected = TIMES_NS[name.split()[1]]
        assert os.lstat(source / "times" / name).st_mtime_ns == expected, name
        assert os.lstat(folder / "d" / "times" / name).st_mtime_ns == expected, name


def test_a_time_that_alone_differs_is_mended_whatever_the_century(folder: Path) -> None:
    source = every_kind_of_object(folder / "s")
    jobs = jobs_file(folder)
    run_now(jobs)
    for name in os.listdir(source / "times"):
        ns = TIMES_NS[name.split()[1]] + 1
        os.utime(source / "times" / name, ns=(ns, ns), follow_symlinks=False)

    run = run_now(jobs)
    assert run.outcome == (0, "succeeded")
    assert told_by_rsync(source, folder / "d") == ""
    assert not differences(snapshot(source), snapshot(folder / "d"))

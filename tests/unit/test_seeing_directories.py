"""A directory as it is now, as snapshots see it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import blake3
import pytest

from dirsync.cli.main import main
from dirsync.errors import RunError
from dirsync.model.change import Failure
from dirsync.model.listing import Listing, Unknown
from dirsync.model.snapshot import Seen, State, path_key
from dirsync.scan.lister import list_directory
from dirsync.snapshot.reading import open_snapshot
from dirsync.trees import local
from tests.states import now, paths_not_seen
from tests.trees import Children, Fifo, Link, tree

pytestmark = pytest.mark.usefixtures("restored_logging")

PLAIN: Children = {"a": {"b": b"x", "c": {}}, "a-b": b"", "link": Link("a"), "pipe": Fifo()}


def paths(state: State) -> list[bytes]:
    return [found.path for found in state.sightings()]


def test_entries_come_in_path_order_and_nothing_is_followed(tmp_path: Path) -> None:
    state = now(tree(tmp_path / "s", PLAIN))

    assert paths(state) == [b"a", b"a/b", b"a/c", b"a-b", b"link", b"pipe"]
    assert paths(state) == sorted(paths(state), key=path_key)


def test_what_is_dirsyncs_own_is_no_part_of_the_tree(tmp_path: Path) -> None:
    temporary = ".dirsync-0123456789abcdef.tmp"
    root = tree(
        tmp_path / "s", {".dirsync": {"versions": {}}, temporary: b"", "a": {temporary: b"", ".dirsync": b""}}
    )

    assert paths(now(root)) == [b"a", b"a/.dirsync"]


def test_what_is_excluded_is_not_entered(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "s",
        {"cache": {"x": b""}, "a": {"cache": {"y": b""}, "b.tmp": b"", "c": b""}, "b.tmp": b""},
    )

    assert paths(now(root, exclude=[b"/cache/", b"*.tmp", b"!/b.tmp"])) == [
        b"a",
        b"a/c",
        b"a/cache",
        b"a/cache/y",
        b"b.tmp",
    ]


def test_files_are_hashed_in_order_and_nothing_else_is(tmp_path: Path) -> None:
    files = {f"{number:03}": b"x" * number for number in range(300)}
    state = now(tree(tmp_path / "s", {**PLAIN, "many": files}), hashes=True)

    sightings = [found for found in state.sightings() if isinstance(found, Seen)]

    assert [found.path for found in sightings] == paths(now(tmp_path / "s"))
    hashes = {found.path: found.hash for found in sightings}
    assert hashes[b"a/b"] == blake3.blake3(b"x").digest()
    assert hashes[b"many/299"] == blake3.blake3(b"x" * 299).digest()
    assert {hashes[path] for path in (b"a", b"link", b"pipe")} == {None}


def test_a_directory_that_cannot_be_listed_is_unknown_and_the_rest_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "s", PLAIN)
    inode = (root / "a").stat().st_ino

    def troubled(fd: int) -> Listing:
        if os.fstat(fd).st_ino == inode:
            raise OSError(errno.EIO, "Input/output error")
        return list_directory(fd)

    monkeypatch.setattr("dirsync.scan.sources.list_directory", troubled)
    sightings = list(now(root).sightings())

    assert sightings[1] == Failure(b"a", "the directory cannot be listed: Input/output error")
    assert [found.path for found in sightings] == [b"a", b"a", b"a-b", b"link", b"pipe"]


def test_a_snapshot_that_is_partial_is_written_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, file = tree(tmp_path / "s", {"a": b"", "c": b""}), tmp_path / "s.json"
    unknown = (Unknown(b"b", "could not be seen: Input/output error"),)
    monkeypatch.setattr(
        "dirsync.scan.sources.list_directory", lambda fd: list_directory(fd)._replace(unknown=unknown)
    )

    assert main(["snap", str(root), "-o", str(file)]) == 3
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{file}  2 entries of {root}, 1 path failed (")
    assert printed.err == f"{root}: b: could not be seen: Input/output error\n"
    with open_snapshot(str(file)) as snapshot:
        assert [found.path for found in snapshot.sightings()] == [b"a", b"b", b"c"]


def test_a_name_that_cannot_be_seen_is_unknown_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "s", {"a": b"", "c": b""})
    unknown = (Unknown(b"b", "could not be seen: Input/output error"), Unknown(b"b.tmp", "the same"))
    monkeypatch.setattr(
        "dirsync.scan.sources.list_directory", lambda fd: list_directory(fd)._replace(unknown=unknown)
    )

    assert paths(now(root, exclude=[b"*.tmp"])) == [b"a", b"b", b"c"]
    assert paths_not_seen(now(root, exclude=[b"*.tmp"])) == [b"b"]


@pytest.mark.parametrize(("restless_for", "unknown"), [(2, []), (100, [b"a"])])
def test_a_directory_that_does_not_stand_still_may_hide_a_name(
    restless_for: int, unknown: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "s", {"a": {"b": b""}})
    inode = (root / "a").stat().st_ino
    listings: list[Listing] = []

    def troubled(fd: int) -> Listing:
        listing = list_directory(fd)
        if os.fstat(fd).st_ino == inode and len(listings) < restless_for:
            listings.append(listing)
            time.sleep(0.02)  # more than a tick of the clock that stamps files
            (root / "a" / "b").rename(root / "a" / "c")
            (root / "a" / "c").rename(root / "a" / "b")
        return listing

    monkeypatch.setattr("dirsync.scan.sources.list_directory", troubled)

    assert paths_not_seen(now(root)) == unknown


def test_a_file_that_cannot_be_hashed_is_seen_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "s", {"a": b"x", "b": b"y"})
    opened = local.LocalTree.open_file

    def open_file(self: local.LocalTree, path: bytes) -> int:
        if path == b"a":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, path)

    monkeypatch.setattr(local.LocalTree, "open_file", open_file)
    sightings = list(now(root, hashes=True).sightings())

    assert [found.path for found in sightings] == [b"a", b"a", b"b"]
    assert isinstance(sightings[0], Seen)
    assert sightings[0].hash is None
    assert sightings[1] == Failure(b"a", "cannot be hashed: Permission denied")


def test_a_root_that_is_gone_ends_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be listed: No such file or directory"):
        list(now(tmp_path / "nothing").sightings())

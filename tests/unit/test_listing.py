"""A directory in columns: what goes in comes out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dirsync.model.entry import Kind
from dirsync.model.listing import EPOCH_NS, Listing, column, ctime_column, mtime_column, numbers
from dirsync.scan.lister import list_directory
from tests.trees import Fifo, File, Link, tree


def listing_of(path: Path) -> Listing:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return list_directory(fd)
    finally:
        os.close(fd)


def test_names_are_sorted_by_their_bytes_not_by_their_characters(tmp_path: Path) -> None:
    names = [b"a", b"Z", b"\xff", b"\xf0\x9f\x98\x80", b"caf\xc3\xa9", b"new\nline", b"\x80"]
    tree(tmp_path, dict.fromkeys(names, b""))

    assert listing_of(tmp_path).name_list() == sorted(names)


def test_entries_say_what_lstat_says(tmp_path: Path) -> None:
    tree(tmp_path, {"file": File(b"12345", mode=0o4640, mtime_ns=-1), "dir": {}, "link": Link("file")})

    seen = {entry.path: entry for entry in listing_of(tmp_path).entries(b"top")}

    assert sorted(seen) == [b"top/dir", b"top/file", b"top/link"]
    for entry in seen.values():
        status = os.lstat(tmp_path / os.fsdecode(entry.path.removeprefix(b"top/")))
        assert (entry.mode, entry.mtime_ns, entry.ctime_ns) == (
            status.st_mode,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        assert (entry.uid, entry.gid, entry.ino, entry.dev) == (
            status.st_uid,
            status.st_gid,
            status.st_ino,
            status.st_dev,
        )


def test_directories_have_no_size_and_only_symlinks_a_target(tmp_path: Path) -> None:
    tree(tmp_path, {"a-link": Link("x"), "dir": {}, "file": b"1", "z-link": Link(b"\xff")})

    entries = listing_of(tmp_path).entries(b"")

    assert [(e.path, e.target) for e in entries] == [
        (b"a-link", b"x"),
        (b"dir", None),
        (b"file", None),
        (b"z-link", b"\xff"),
    ]
    assert entries[1].size == 0


def test_directories_are_named_and_links_to_them_are_not(tmp_path: Path) -> None:
    tree(tmp_path, {"b": {}, "a": {}, "file": b"", "link": Link("a"), "pipe": Fifo()})

    assert listing_of(tmp_path).directories() == [b"a", b"b"]


def test_a_file_is_found_by_its_whole_name_and_only_as_a_file(tmp_path: Path) -> None:
    tree(tmp_path, {".ignore": b"", "a.ignore": {}, "link": Link(".ignore")})
    listing = listing_of(tmp_path)

    assert listing.has_file(b".ignore")
    assert not any(map(listing.has_file, [b"ignore", b"a.ignore", b"link", b"z", b""]))


def test_a_fifo_is_special(tmp_path: Path) -> None:
    tree(tmp_path, {"pipe": Fifo()})

    assert listing_of(tmp_path).entries(b"")[0].kind is Kind.SPECIAL


def test_an_empty_directory_lists_as_the_empty_listing(tmp_path: Path) -> None:
    assert listing_of(tmp_path) == Listing()
    assert Listing().name_list() == []


def test_a_handle_can_be_listed_again(tmp_path: Path) -> None:
    tree(tmp_path, {"a": b"", "b": b""})
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

    assert list_directory(fd) == list_directory(fd)
    os.close(fd)


@pytest.mark.parametrize("mtime_ns", [0, -1, EPOCH_NS, 15_000_000_000_999_999_999, EPOCH_NS + 2**64 - 1])
def test_times_from_1901_to_2486_are_kept_to_the_nanosecond(mtime_ns: int) -> None:
    assert numbers("Q", mtime_column([mtime_ns]))[0] + EPOCH_NS == mtime_ns


def test_a_time_no_file_system_keeps_becomes_the_nearest_that_one_does() -> None:
    assert list(numbers("Q", mtime_column([EPOCH_NS - 1, EPOCH_NS + 2**64]))) == [0, 2**64 - 1]


def test_a_ctime_beyond_64_bits_of_nanoseconds_becomes_the_nearest_within() -> None:
    assert list(numbers("q", ctime_column([-(2**70), 7, 2**70]))) == [-(2**63), 7, 2**63 - 1]


def test_columns_are_little_endian() -> None:
    assert column("I", [1, 256]) == b"\1\0\0\0\0\1\0\0"

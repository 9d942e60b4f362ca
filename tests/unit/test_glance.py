"""A glance tells that a directory is as it was, or nothing; by either lister."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dirsync.model.glimpse import Glimpse

from dirsync.model.listing import Listing, numbers
from dirsync.scan import lister as reference
from dirsync.scan.chosen import glance_natively
from dirsync.scan.native import _lister
from tests.trees import File, Link, Node, tree
from tests.unit.test_native_lister import as_nobody, opened

Glance = Callable[..., list[Glimpse | None]]
LONG_AGO = 1_500_000_000_000_000_000
SALT = b"salt"
RECORDED = ("names", "mode", "size", "mtime_ns", "ctime_ns", "uid", "gid", "ino", "targets")

both = pytest.mark.parametrize("glance", [reference.glance, glance_natively], ids=["reference", "native"])


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    """Give the handle of the directory in which there is `d`."""
    entries: dict[str, Node] = {
        "file": File(b"12345", mtime_ns=LONG_AGO),
        "link": Link("to", mtime_ns=LONG_AGO),
        "sub": {},
    }
    tree(tmp_path, {"d": entries})
    with opened(tmp_path) as fd:
        yield fd


def listing_of(parent: int, name: str = "d") -> Listing:
    fd = os.open(name, os.O_RDONLY, dir_fd=parent)
    try:
        return reference.list_directory(fd)
    finally:
        os.close(fd)


def glanced(glance: Glance, parent: int, expected: bytes | None, *, salt: bytes = SALT) -> Glimpse | None:
    (told,) = glance(parent, (b"d",), salts=(salt,), expected=(expected,), most_rows=1000)
    return told


@both
def test_a_directory_that_is_as_it_was_is_told_of(glance: Glance, parent: int, tmp_path: Path) -> None:
    listing = listing_of(parent)
    told = glanced(glance, parent, listing.digest(salt=SALT))

    assert told is not None
    assert told == listing.glimpse()
    assert (told.entries, told.directories) == (3, b"sub")
    status = os.lstat(tmp_path / "d/sub")
    assert list(numbers("Q", told.inodes)) == [status.st_ino]
    assert list(numbers("Q", told.devices)) == [status.st_dev]


@both
@pytest.mark.parametrize("column", RECORDED)
def test_each_column_is_part_of_what_is_compared(glance: Glance, parent: int, column: str) -> None:
    listing = listing_of(parent)
    values: bytes = getattr(listing, column)
    assert values
    for at in range(len(values)):
        other = values[:at] + bytes([values[at] ^ 1]) + values[at + 1 :]
        changed = listing._replace(**{column: other})  # type: ignore[arg-type]
        assert glanced(glance, parent, changed.digest(salt=SALT)) is None


@both
def test_the_salt_is_part_of_what_is_compared(glance: Glance, parent: int) -> None:
    digest = listing_of(parent).digest(salt=SALT)

    assert glanced(glance, parent, digest, salt=SALT) is not None
    assert glanced(glance, parent, digest, salt=SALT + b"\0") is None
    assert glanced(glance, parent, digest, salt=b"") is None


def rename(folder: Path) -> None:
    (folder / "file").rename(folder / "fild")


def change_mode(folder: Path) -> None:
    (folder / "file").chmod(0o4711)


def change_size(folder: Path) -> None:
    os.truncate(folder / "file", 6)
    os.utime(folder / "file", ns=(LONG_AGO, LONG_AGO))


def change_mtime(folder: Path) -> None:
    os.utime(folder / "file", ns=(LONG_AGO, LONG_AGO + 1))


def change_ctime(folder: Path) -> None:
    (folder / "file").chmod((folder / "file").stat().st_mode & 0o7777)


def change_owner(folder: Path) -> None:
    os.chown(folder / "file", 1, -1)


def change_group(folder: Path) -> None:
    os.chown(folder / "file", -1, 1)


def change_inode(folder: Path) -> None:
    tree(folder, {"other": File(b"12345", mtime_ns=LONG_AGO)})
    (folder / "other").rename(folder / "file")


def change_target(folder: Path) -> None:
    (folder / "link").unlink()
    tree(folder, {"link": Link("ot", mtime_ns=LONG_AGO)})


def change_kind(folder: Path) -> None:
    mode = (folder / "file").stat().st_mode & 0o7777
    (folder / "file").unlink()
    os.mkfifo(folder / "file", mode)
    (folder / "file").chmod(mode)


def add_a_name(folder: Path) -> None:
    (folder / "new").touch()


def remove_a_name(folder: Path) -> None:
    (folder / "sub").rmdir()


EDITS = [
    rename,
    change_mode,
    change_size,
    change_mtime,
    change_ctime,
    change_owner,
    change_group,
    change_inode,
    change_target,
    change_kind,
    add_a_name,
    remove_a_name,
]


@both
@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_done_to_an_entry_is_not_as_it_was(
    glance: Glance, edit: Callable[[Path], None], parent: int, tmp_path: Path
) -> None:
    digest = listing_of(parent).digest(salt=SALT)
    assert glanced(glance, parent, digest) is not None
    time.sleep(0.02)  # a tick of the clock that ctimes are read off
    edit(tmp_path / "d")

    assert glanced(glance, parent, digest) is None


@both
def test_what_is_no_directory_or_not_there_or_not_on_record_is_not_told_of(
    glance: Glance, parent: int, tmp_path: Path
) -> None:
    digest = listing_of(parent).digest(salt=SALT)
    tree(tmp_path, {"file": b"", "link": Link("d")})
    names = (b"file", b"link", b"nothing", b"", b"n" * 300, b"d", b"d")
    expected = (digest, digest, digest, digest, digest, None, digest)
    told = glance(parent, names, salts=(SALT,) * 7, expected=expected, most_rows=1000)

    assert told == [None] * 6 + [listing_of(parent).glimpse()]


@both
@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444], ids=["nothing", "search", "read"])
def test_what_may_not_be_seen_is_not_told_of(glance: Glance, mode: int, parent: int, tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    digest = listing_of(parent).digest(salt=SALT)
    (tmp_path / "d").chmod(mode)
    with as_nobody():
        told = glanced(glance, parent, digest)

    assert told is None
    assert glanced(glance, parent, digest) is not None


@both
@pytest.mark.parametrize(
    ("most_rows", "count"), [(-1, 0), (0, 0), (1, 1), (3, 1), (4, 2), (6, 2), (7, 4), (9, 4), (10, 5)]
)
def test_the_list_ends_when_there_are_rows_enough(
    glance: Glance, most_rows: int, count: int, parent: int
) -> None:
    """The second one differs, and was listed; the third is not on record, and was not."""
    digest = listing_of(parent).digest(salt=SALT)
    expected = (digest, bytes(16), None, digest, digest)
    told = glance(parent, (b"d",) * 5, salts=(SALT,) * 5, expected=expected, most_rows=most_rows)

    assert [each is not None for each in told] == [True, False, False, True, True][:count]


@both
def test_no_names_give_no_glimpses(glance: Glance, parent: int) -> None:
    assert glance(parent, (), salts=(), expected=(), most_rows=1000) == []


@both
def test_behind_a_closed_handle_nothing_is_as_it_was(glance: Glance, parent: int, tmp_path: Path) -> None:
    digest = listing_of(parent).digest(salt=SALT)
    with opened(tmp_path) as closed:
        pass

    assert glanced(glance, closed, digest) is None


@both
@pytest.mark.parametrize(
    ("names", "salts", "expected"),
    [
        ((b"d\0",), (b"",), (bytes(16),)),
        ((b"d",), (b"",), (bytes(15),)),
        ((b"d",), (b"",), (bytes(17),)),
        ((b"d",), (b"",), (b"",)),
        ((b"d",), (b"", b""), (bytes(16),)),
        ((b"d",), (b"",), ()),
        ((), (b"",), (bytes(16),)),
    ],
)
def test_values_that_cannot_be_are_refused(
    glance: Glance,
    names: tuple[bytes, ...],
    salts: tuple[bytes, ...],
    expected: tuple[bytes, ...],
    parent: int,
) -> None:
    with pytest.raises(ValueError, match=r"NUL|16 bytes|as many|argument"):
        glance(parent, names, salts=salts, expected=expected, most_rows=1000)


@pytest.mark.parametrize(
    "arguments",
    [
        ("0", (b"d",), (b"",), (None,), 1),
        (0, [b"d"], (b"",), (None,), 1),
        (0, (b"d",), [b""], (None,), 1),
        (0, (b"d",), (b"",), [None], 1),
        (0, (b"d",), (b"",), (None,), 1.0),
        (0, ("d",), (b"",), (None,), 1),
        (0, (b"d",), ("",), (None,), 1),
        (0, (b"d",), (None,), (None,), 1),
        (0, (b"d",), (b"",), ("0" * 16,), 1),
        (0, (b"d",), (b"",), (bytearray(16),), 1),
        (0, (b"d",), (b"",), (None,)),
        (),
    ],
)
def test_other_types_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        _lister.glance(*arguments)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        _lister.glance(1 << 40, (), (), (), 1)


def test_nothing_handed_in_is_kept(parent: int) -> None:
    digest = listing_of(parent).digest(salt=SALT)
    name, salt, wrong = bytes(bytearray(b"d")), bytes(bytearray(SALT)), bytes(bytearray(15))
    everything = (name, salt, digest, wrong)
    before = [sys.getrefcount(each) for each in everything]
    for _ in range(50):
        _lister.glance(parent, (name, name), (salt, salt), (digest, None), 1000)
        with pytest.raises(ValueError, match="16 bytes, not 15"):
            _lister.glance(parent, (name,), (salt,), (wrong,), 1000)

    assert [sys.getrefcount(each) for each in everything] == before


def test_threads_glance_side_by_side(parent: int) -> None:
    """One handle serves them all: nothing is read through it."""
    digest, wanted = listing_of(parent).digest(salt=SALT), listing_of(parent).glimpse()
    told: list[Glimpse | None] = []

    def look() -> None:
        for _ in range(200):
            told.extend(
                glance_natively(
                    parent, (b"d",) * 8, salts=(SALT,) * 8, expected=(digest,) * 8, most_rows=1000
                )
            )

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told == [wanted] * 6400

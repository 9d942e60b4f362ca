"""A glance goes through directories that are as they were, and through no others; by either lister."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.listing import Listing
from dirsync.scan import glance as reference
from dirsync.scan.chosen import glance_natively
from dirsync.scan.digests import Digests, packed_digests
from dirsync.scan.glance import Asked, Glance, Place
from dirsync.scan.lister import list_directory
from dirsync.scan.native import _lister
from tests.trees import File, Link, Node, tree
from tests.unit.test_native_lister import as_nobody, opened

Look = Callable[[int, bytes, tuple[Place, ...], Asked], Glance]
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
        "sub": {"inner": {"file": b""}, "other": {}},
    }
    tree(tmp_path, {"d": entries})
    with opened(tmp_path) as fd:
        yield fd


def listing_of(parent: int, name: str = "d") -> Listing:
    fd = os.open(name, os.O_RDONLY, dir_fd=parent)
    try:
        return list_directory(fd)
    finally:
        os.close(fd)


def inode_of(parent: int, name: str = "d") -> int:
    return os.stat(name, dir_fd=parent).st_ino


def place(parent: int, path: str = "d") -> Place:
    return Place(path.encode(), inode_of(parent, path))


def digest_of(parent: int, path: str = "d", *, salt: bytes = SALT) -> bytes | None:
    """Give what is on record of a directory that is as it is now."""
    return listing_of(parent, path).digest(salt=salt + b"%d" % inode_of(parent, path))


def on_record(*digests: tuple[bytes, bytes | None], salt: bytes = SALT, levels: int = 1) -> Asked:
    return Asked(digests=Digests(packed_digests(digests)), salt=salt, levels=levels, most_rows=1000)


def all_on_record(parent: int, *paths: str, levels: int = 32) -> Asked:
    return on_record(*((path.encode(), digest_of(parent, path)) for path in paths), levels=levels)


def is_as_it_was(glance: Look, parent: int, digest: bytes | None, *, salt: bytes = SALT) -> bool:
    told = glance(parent, b"", (place(parent),), on_record((b"d", digest), salt=salt))
    if told.differing:
        assert told == Glance(0, [place(parent)], [])
        return False
    assert told == Glance(3, [], [place(parent, "d/sub")])
    return True


@both
def test_what_is_as_it_was_is_gone_through(glance: Look, parent: int) -> None:
    paths = ("d", "d/sub", "d/sub/inner", "d/sub/other")

    asked = all_on_record(parent, *paths)
    assert glance(parent, b"", (place(parent),), asked) == Glance(3 + 2 + 1, [], [])
    fewer = all_on_record(parent, "d", "d/sub", "d/sub/other")
    assert glance(parent, b"", (place(parent),), fewer) == Glance(5, [place(parent, "d/sub/inner")], [])
    top = all_on_record(parent, "d", "d/sub/inner")
    assert glance(parent, b"", (place(parent),), top) == Glance(3, [place(parent, "d/sub")], [])


@both
@pytest.mark.parametrize("levels", [-1, 0, 1, 2, 3])
def test_a_glance_goes_as_deep_as_it_is_told_to(glance: Look, levels: int, parent: int) -> None:
    asked = all_on_record(parent, "d", "d/sub", "d/sub/inner", "d/sub/other", levels=levels)
    left = {0: ["d"], 1: ["d/sub"], 2: ["d/sub/inner", "d/sub/other"], 3: []}[max(levels, 0)]
    entries = [0, 3, 5, 6][max(levels, 0)]

    assert glance(parent, b"", (place(parent),), asked) == Glance(
        entries, [], [place(parent, p) for p in left]
    )


@both
def test_the_path_of_the_open_directory_is_part_of_what_is_looked_up(glance: Look, parent: int) -> None:
    asked = on_record((b"some/where/d", digest_of(parent)), levels=1)
    inner = Place(b"some/where/d/sub", inode_of(parent, "d/sub"))

    assert glance(parent, b"some/where", (place(parent),), asked) == Glance(3, [], [inner])
    assert glance(parent, b"some", (place(parent),), asked).differing == [Place(b"some/d", inode_of(parent))]


@both
@pytest.mark.parametrize("column", RECORDED)
def test_each_column_is_part_of_what_is_compared(glance: Look, parent: int, column: str) -> None:
    listing = listing_of(parent)
    values: bytes = getattr(listing, column)
    assert values
    for at in range(len(values)):
        other = values[:at] + bytes([values[at] ^ 1]) + values[at + 1 :]
        changed = listing._replace(**{column: other})  # type: ignore[arg-type]
        assert not is_as_it_was(glance, parent, changed.digest(salt=SALT + b"%d" % inode_of(parent)))


@both
def test_the_salt_and_the_directorys_own_inode_are_part_of_what_is_compared(
    glance: Look, parent: int
) -> None:
    digest = digest_of(parent)

    assert is_as_it_was(glance, parent, digest, salt=SALT)
    assert not is_as_it_was(glance, parent, digest, salt=SALT + b"\0")
    assert not is_as_it_was(glance, parent, digest, salt=b"")
    other = Place(b"d", inode_of(parent) + 1)
    assert glance(parent, b"", (other,), on_record((b"d", digest))) == Glance(0, [other], [])


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
    (folder / "link").unlink()


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
    glance: Look, edit: Callable[[Path], None], parent: int, tmp_path: Path
) -> None:
    digest = digest_of(parent)
    assert is_as_it_was(glance, parent, digest)
    time.sleep(0.02)  # a tick of the clock that ctimes are read off
    edit(tmp_path / "d")

    told = glance(parent, b"", (place(parent),), on_record((b"d", digest)))
    assert told == Glance(0, [place(parent)], [])


@both
def test_what_is_no_directory_or_not_there_or_not_on_record_differs(
    glance: Look, parent: int, tmp_path: Path
) -> None:
    digest = digest_of(parent)
    tree(tmp_path, {"file": b"", "link": Link("d")})
    names = (b"file", b"link", b"nothing", b"", b"n" * 300, b"unknown")
    places = tuple(Place(name, 7) for name in names)
    asked = on_record(*((name, digest) for name in names[:-1]), (b"d", digest))

    assert glance(parent, b"", (*places, place(parent)), asked) == Glance(
        3, list(places), [place(parent, "d/sub")]
    )


@both
@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444], ids=["nothing", "search", "read"])
def test_what_may_not_be_seen_differs(glance: Look, mode: int, parent: int, tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    digest = digest_of(parent)
    (tmp_path / "d").chmod(mode)
    with as_nobody():
        assert not is_as_it_was(glance, parent, digest)

    assert is_as_it_was(glance, parent, digest)


@both
@pytest.mark.parametrize(
    ("most_rows", "seen"), [(-1, 0), (0, 0), (1, 1), (3, 1), (4, 2), (6, 2), (7, 4), (9, 4), (10, 5)]
)
def test_nothing_is_listed_any_more_when_there_are_rows_enough(
    glance: Look, most_rows: int, seen: int, parent: int, tmp_path: Path
) -> None:
    """The second one differs, and was listed; the third is not on record, and was not."""
    for name in "bcef":
        tree(tmp_path, {name: {"1": b"", "2": b"", "3": b""}})
    names = ("b", "c", "d", "e", "f")
    digests = [(name.encode(), digest_of(parent, name)) for name in "bef"]
    asked = structs.replace(on_record(*digests, (b"c", bytes(16))), most_rows=most_rows)
    places = [place(parent, name) for name in names]
    told = glance(parent, b"", tuple(places), asked)

    assert told.left == places[seen:]
    assert told.differing == [each for each in places[1:3] if each in places[:seen]]
    assert told.entries == 3 * len([name for name in names[:seen] if name in "bef"])


@both
def test_other_devices_are_not_gone_to(glance: Look, parent: int) -> None:
    asked = all_on_record(parent, "d", "d/sub", "d/sub/inner", "d/sub/other")
    here = os.fstat(parent).st_dev

    assert glance(parent, b"", (place(parent),), structs.replace(asked, device=here)).entries == 6
    assert glance(parent, b"", (place(parent),), structs.replace(asked, device=here + 1)) == Glance(3, [], [])


@both
def test_nothing_asked_is_nothing_told(glance: Look, parent: int) -> None:
    assert glance(parent, b"", (), on_record()) == Glance(0, [], [])


@both
def test_behind_a_closed_handle_nothing_is_as_it_was(glance: Look, parent: int, tmp_path: Path) -> None:
    asked = on_record((b"d", digest_of(parent)))
    with opened(tmp_path) as closed:
        pass

    assert glance(closed, b"", (place(parent),), asked) == Glance(0, [place(parent)], [])


@both
def test_names_that_hold_nul_are_refused(glance: Look, parent: int) -> None:
    with pytest.raises(ValueError, match="holds NUL"):
        glance(parent, b"", (Place(b"d\0", 1),), on_record())


@pytest.mark.parametrize("cut", [0, 1, 5, 8, 30, -1])
@pytest.mark.parametrize("shift", [None, 0, 16, 33, 255])
def test_digests_that_are_never_packed_are_refused(parent: int, cut: int, shift: int | None) -> None:
    packed = packed_digests([(b"d", digest_of(parent)), (b"e", bytes(16)), (b"f", bytes(16))])
    damaged = (packed if shift is None else bytes([shift]) + packed[1:])[: cut or None]
    arguments = (parent, b"", ((b"d", 1),), b"", damaged, None, 1, 1000)
    if cut == 0 and shift is None:
        _lister.glance(*arguments)
        return
    with pytest.raises(ValueError, match="never packed"):
        _lister.glance(*arguments)


@pytest.mark.parametrize("at", range(1, 60))
def test_digests_whose_numbers_are_wrong_are_never_read_beyond(parent: int, at: int) -> None:
    packed = packed_digests([(b"d", digest_of(parent)), (b"e", bytes(16))])
    damaged = packed[:at] + b"\xff" * min(4, len(packed) - at) + packed[at + 4 :]
    entries, differing, left = _lister.glance(
        parent, b"", ((b"d", inode_of(parent)),), SALT, damaged[: len(packed)], None, 1, 1000
    )

    assert (entries, len(differing), len(left)) in [(3, 0, 1), (0, 1, 0)]


PACKED = packed_digests([])


@pytest.mark.parametrize(
    "arguments",
    [
        ("0", b"", (), b"", PACKED, None, 1, 1),
        (0, "", (), b"", PACKED, None, 1, 1),
        (0, b"", [], b"", PACKED, None, 1, 1),
        (0, b"", ([b"d", 1],), b"", PACKED, None, 1, 1),
        (0, b"", (("d", 1),), b"", PACKED, None, 1, 1),
        (0, b"", ((b"d", "1"),), b"", PACKED, None, 1, 1),
        (0, b"", ((b"d",),), b"", PACKED, None, 1, 1),
        (0, b"", (), "", PACKED, None, 1, 1),
        (0, b"", (), b"", "", None, 1, 1),
        (0, b"", (), b"", PACKED, "1", 1, 1),
        (0, b"", (), b"", PACKED, None, 1.0, 1),
        (0, b"", (), b"", PACKED, None, 1, 1.0),
        (0, b"", (), b"", PACKED, None, 1),
        (),
    ],
)
def test_other_types_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        _lister.glance(*arguments)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        _lister.glance(1 << 40, b"", (), b"", PACKED, None, 1, 1)


def test_nothing_handed_in_is_kept(parent: int) -> None:
    name, salt, path = bytes(bytearray(b"d")), bytes(bytearray(SALT)), bytes(bytearray(b"x/"))
    packed = packed_digests([(b"x/d", digest_of(parent))])
    everything = (name, salt, path, packed)
    before = [sys.getrefcount(each) for each in everything]
    for _ in range(50):
        _lister.glance(parent, path, ((name, 1), (name, 2)), salt, packed, None, 2, 1000)
        with pytest.raises(ValueError, match="never packed"):
            _lister.glance(parent, path, ((name, 1),), salt, b"", None, 2, 1000)

    assert [sys.getrefcount(each) for each in everything] == before


def test_threads_glance_side_by_side(parent: int) -> None:
    """One handle serves them all: nothing is read through it."""
    asked = all_on_record(parent, "d", "d/sub", "d/sub/inner", "d/sub/other")
    told: list[Glance] = []

    def look() -> None:
        for _ in range(200):
            told.append(glance_natively(parent, b"", (place(parent),) * 8, asked))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told == [Glance(8 * 6, [], [])] * 800

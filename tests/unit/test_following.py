"""Where links lead: to what the kernel says, as long as that is in the tree; nowhere else."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.model.place import LocalPlace
from dirsync.scan.lister import list_directory
from dirsync.trees.following import FollowingTree
from dirsync.trees.links import MOST_LINKS
from dirsync.trees.local import open_tree
from tests.trees import Link, chain, tree

OUTSIDE = "points outside the source"
LOOP = r"\(a loop\)"
DANGLING = "dangling link"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree beside a file and a directory that are none of its business."""
    (tmp_path / "secret").write_bytes(b"secret")
    tree(tmp_path / "beside", {"secret": b"secret"})
    return tree(tmp_path / "root", {"f": b"f", "a": {"f": b"af", "b": {"f": b"abf"}}})


def opened(root: Path) -> FollowingTree:
    found = open_tree(LocalPlace(path=os.fsencode(root), follows_links=True))
    assert isinstance(found, FollowingTree)
    return found


def content(root: Path, path: bytes) -> bytes:
    with opened(root) as followed:
        return followed.read_file(path)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("f", b"f"),
        ("./f", b"f"),
        ("a/f", b"af"),
        ("a/./b//f", b"abf"),
        ("a/b/../f", b"af"),
        ("a/../f", b"f"),
        ("../root/f", b"f"),
        ("../root/a/../../root/f", b"f"),
        ("{root}/a/f", b"af"),
        ("{root}/../root/f", b"f"),
        ("/{root}//a/f", b"af"),
    ],
)
def test_link_in_the_tree_is_what_it_points_to(root: Path, target: str, expected: bytes) -> None:
    (root / "l").symlink_to(target.format(root=root))

    assert content(root, b"l") == expected


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("../secret", OUTSIDE),
        ("a/../../secret", OUTSIDE),
        ("..", OUTSIDE),
        ("../..", OUTSIDE),
        ("/", OUTSIDE),
        ("/etc/passwd", OUTSIDE),
        ("../beside", OUTSIDE),
        ("../beside/../root/f", OUTSIDE),
        ("{root}x", OUTSIDE),
        ("{root}/../secret", OUTSIDE),
        (".dirsync/ledger.db", OUTSIDE),
        (".", LOOP),
        ("../root", LOOP),
        ("{root}", LOOP),
        ("a/..", LOOP),
        ("missing", DANGLING),
        ("a/missing/f", DANGLING),
        ("f/", DANGLING),
        ("f/..", DANGLING),
        ("l", f"more than {MOST_LINKS} links"),
    ],
)
def test_link_that_leads_out_or_nowhere_is_unknown_and_never_absent(
    root: Path, target: str, reason: str
) -> None:
    tree(root / ".dirsync", {"ledger.db": b"x"})
    (root / "l").symlink_to(target.format(root=root))
    with opened(root) as followed:
        listing = followed.followed(b"", list_directory(followed.handles.handle(b"")))
        with pytest.raises(OSError, match=reason):
            followed.entry(b"l")
        with pytest.raises(OSError, match=reason):
            followed.open_file(b"l")

    assert [unknown.name for unknown in listing.unknown] == [b"l"]
    assert re.search(reason, listing.unknown[0].reason)
    assert b"l" not in listing.name_list()


def test_root_that_is_reached_through_links_is_known_by_both_its_names(root: Path) -> None:
    (root.parent / "alias").symlink_to("root")
    (root / "real").symlink_to(root / "f")
    (root / "declared").symlink_to(root.parent / "alias" / "a" / "f")

    assert content(root.parent / "alias", b"real") == b"f"
    assert content(root.parent / "alias", b"declared") == b"af"


@pytest.mark.parametrize(("links", "followed"), [(MOST_LINKS, True), (MOST_LINKS + 1, False)])
def test_chain_of_links_may_have_forty(root: Path, links: int, followed: bool) -> None:
    (root / "0").symlink_to("f")
    for number in range(1, links):
        (root / str(number)).symlink_to(str(number - 1))
    last = os.fsencode(str(links - 1))

    if followed:
        assert content(root, last) == b"f"
        return
    with pytest.raises(OSError, match="chain of more than 40 links"):
        content(root, last)


def test_directories_are_entered_by_every_way_but_in_circles(root: Path) -> None:
    (root / "again").symlink_to("a")
    (root / "a" / "b" / "up").symlink_to("..")
    (root / "a" / "b" / "over").symlink_to("../../again/b")
    (root / "a" / "side").symlink_to("../x")
    tree(root / "x", {"g": b"g"})

    assert content(root, b"again/b/f") == b"abf"
    assert content(root, b"again/side/g") == b"g"
    with opened(root) as followed:
        for path in (b"a/b/up", b"again/b/up", b"a/b/over"):
            with pytest.raises(OSError, match=LOOP):
                followed.entry(path)


def test_two_directories_that_lead_into_each_other_end(root: Path) -> None:
    tree(root, {"p": {"to_q": Link("../q")}, "q": {"to_p": Link("../p")}})
    with opened(root) as followed:
        assert followed.entry(b"p/to_q") is not None
        with pytest.raises(OSError, match=LOOP):
            followed.entry(b"p/to_q/to_p")


def test_name_that_is_missing_is_absent_and_beneath_a_dangling_link_unknown(root: Path) -> None:
    (root / "l").symlink_to("missing")
    with opened(root) as followed:
        assert followed.entry(b"nothing") is None
        with pytest.raises(OSError, match=DANGLING):
            followed.entry(b"l/f")


def test_listing_holds_the_attributes_of_what_links_lead_to(root: Path) -> None:
    tree(root, {"dir": Link("a"), "file": Link("a/f"), "z": b"zz"})
    with opened(root) as followed:
        listing = followed.followed(b"", list_directory(followed.handles.handle(b"")))
        entries = {entry.path: entry for entry in listing.entries(b"")}
        same = all(followed.entry(path) == entry for path, entry in entries.items())

    assert same
    assert listing.name_list() == [b"a", b"dir", b"f", b"file", b"z"]
    assert listing.directories() == [b"a", b"dir"]
    assert entries[b"file"].ino == os.stat(root / "a" / "f").st_ino
    assert listing.targets == b""


def test_tree_deeper_than_any_path_is_followed(tmp_path: Path) -> None:
    names = [b"d" * 200] * 40
    root = chain(tmp_path / "root", names, b"deep")
    (root / "l").symlink_to(b"/".join(names[:15]).decode())

    assert content(root, b"/".join([b"l", *names[15:], b"leaf"])) == b"deep"


def test_links_lead_where_the_kernel_says(tmp_path: Path) -> None:
    """In random trees of links, every path is read as the kernel reads it, or refused."""
    chance = random.Random(7)
    for number in range(25):
        root = _tangle(tmp_path / str(number) / "root", chance)
        with opened(root) as followed:
            for path in _paths(chance):
                place = os.path.join(os.fsencode(root), path)
                try:
                    found = followed.entry(path)
                except OSError as error:
                    refused = str(error)
                    if "dangling" in refused and os.path.exists(place):
                        pytest.fail(f"{place!r} is there: {refused}")
                    continue
                if found is None:
                    assert not os.path.lexists(place)
                else:
                    status = os.stat(place)
                    assert (found.ino, found.mode) == (status.st_ino, status.st_mode)
                    assert os.path.realpath(place).startswith(os.fsencode(root))


def _tangle(root: Path, chance: random.Random) -> Path:
    root.mkdir(parents=True)
    directories = [root, root / "a", root / "b", root / "a" / "c"]
    for directory in directories:
        directory.mkdir(exist_ok=True)
        (directory / "f").write_bytes(b"x")
    for directory in directories:
        for name in "lmn":
            parts = [chance.choice(["a", "b", "c", "f", "l", "m", "n", "..", ".", "root"]) for _ in range(3)]
            start = chance.choice(["", "", f"{root}/"])
            (directory / name).symlink_to(start + "/".join(parts[: chance.randint(1, 3)]))
    return root


def _paths(chance: random.Random) -> Iterator[bytes]:
    for _ in range(100):
        yield b"/".join(
            chance.choice([b"a", b"b", b"c", b"f", b"l", b"m", b"n"]) for _ in range(chance.randint(1, 4))
        )

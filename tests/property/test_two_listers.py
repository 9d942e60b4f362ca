"""The native lister gives for any directory, byte for byte, the Listing that the reference gives.

And a glance by it tells of any directories what one by the reference tells.

`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirsync.model.listing import Listing, listing_of
from dirsync.scan.chosen import glance_natively
from dirsync.scan.digests import Digests, packed_digests
from dirsync.scan.glance import Asked, Place, glance
from dirsync.scan.lister import list_directory
from dirsync.scan.native import _lister
from dirsync.trees.handles import join
from tests.trees import Directory, Fifo, File, Link, Node, tree
from tests.unit.test_native_lister import as_nobody

EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "150"))
DEVICE, SOCKET = b"device", b"socket"  # what trees as literals do not have is made beside them


def without(*forbidden: bytes, longest: int) -> st.SearchStrategy[bytes]:
    """Draw bytes that a name, or a target, may consist of."""
    drawn = st.binary(min_size=1, max_size=longest)
    beginnings = st.sampled_from([b"", b"same beginning", b"caf\xc3", b"\xff\xff\xff\xff\xff\xff\xff\xff"])
    joined = st.builds(lambda beginning, rest: (beginning + rest)[:longest], beginnings, drawn)
    return joined.filter(lambda text: not any(byte in text for byte in forbidden))


names = without(b"\0", b"/", longest=255).filter(lambda name: name not in (b".", b"..", DEVICE, SOCKET))
targets = st.one_of(
    without(b"\0", longest=40), st.integers(1, 4095).map(lambda length: b"t" * length), st.just(b"t" * 4095)
)
nanoseconds = st.integers(0, 999_999_999)
usual_seconds = st.integers(-(2**31), 13_569_465_600)  # from 1901 to 2400
far_seconds = st.integers(-(2**62), 2**62)  # a tmpfs keeps any
times = st.builds(
    lambda seconds, ns: seconds * 10**9 + ns,
    st.one_of(usual_seconds, usual_seconds, far_seconds),
    nanoseconds,
)
owners = st.integers(0, 2**32 - 2)
modes = st.integers(0, 0o7777)
files = st.builds(
    File, st.binary(max_size=20), modes, times, owners, owners, st.just(0), st.integers(20, 1 << 40)
)
links = st.builds(Link, targets, times, owners, owners)
directories = st.builds(Directory, st.just({}), modes, times, owners, owners)
nodes: st.SearchStrategy[Node] = st.one_of(files, links, directories, st.builds(Fifo, modes))


parents = st.recursive(
    st.builds(Directory, st.dictionaries(names, nodes, max_size=4), modes, times, owners, owners),
    lambda inner: st.builds(
        Directory,
        st.dictionaries(names, st.one_of(inner, inner, nodes), max_size=4),
        modes,
        times,
        owners,
        owners,
    ),
    max_leaves=8,
)
Expectation = Literal["right", "wrong", "none"]
expectations: st.SearchStrategy[list[Expectation]] = st.lists(
    st.sampled_from([*["right"] * 6, "wrong", "none"]), min_size=1, max_size=5
)


@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    children=st.dictionaries(names, nodes, max_size=12),
    device=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    has_socket=st.booleans(),
)
def test_both_listers_give_the_same_bytes(
    place: str | None, children: dict[bytes, Node], device: int | None, has_socket: bool
) -> None:
    root = Path(tempfile.mkdtemp(prefix="listers-", dir=place))
    try:
        tree(root, children)
        _add_specials(root, device=device, has_socket=has_socket)
        fd = os.open(root, os.O_RDONLY)
        try:
            wanted, columns = list_directory(fd), _lister.list_directory(fd)
        finally:
            os.close(fd)

        assert columns is not None
        assert Listing(*columns) == wanted
        assert wanted.name_list() == sorted(os.listdir(os.fsencode(root)))
        assert wanted.directories() == [e.path for e in wanted.entries(b"") if e.is_directory]
        assert listing_of(wanted.entries(b"")) == wanted
    finally:
        shutil.rmtree(root)


def _add_specials(root: Path, *, device: int | None, has_socket: bool) -> None:
    if device is not None:
        os.mknod(os.fsencode(root) + b"/" + DEVICE, 0o060640, device)
    if has_socket:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.fsencode(root) + b"/" + SOCKET)


@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    children=st.dictionaries(names, st.one_of(parents, parents, nodes), max_size=8),
    vanished=names,
    salt=st.binary(max_size=300),
    above=st.sampled_from([b"", b"some/where"]),
    expected=expectations,
    levels=st.sampled_from([-1, 0, 1, 2, 3, 32, 32]),
    most_rows=st.one_of(st.integers(-1, 20), st.just(1000)),
    other_device=st.sampled_from([None, None, 0, 1]),
    is_nobody=st.booleans(),
)
def test_both_glances_tell_the_same(
    place: str | None,
    children: dict[bytes, Node],
    vanished: bytes,
    salt: bytes,
    above: bytes,
    expected: list[Expectation],
    levels: int,
    most_rows: int,
    other_device: int | None,
    is_nobody: bool,
) -> None:
    root = Path(tempfile.mkdtemp(prefix="listers-", dir=place))
    try:
        tree(root, children).chmod(0o755)
        top = os.fsencode(root)
        named = tuple(Place(name, inode_of(join(top, name))) for name in {**children, vanished: b""})
        record = dict(zip(directories_in(top), cycle(expected), strict=False))
        digests = Digests(packed_digests(digests_of(top, record, salt=salt, above=above)))
        device = None if other_device is None else os.stat(root).st_dev + other_device
        asked = Asked(digests=digests, salt=salt, device=device, levels=levels, most_rows=most_rows)
        fd = os.open(root, os.O_RDONLY)
        try:
            with as_nobody() if is_nobody else contextlib.nullcontext():
                wanted = glance(fd, above, named, asked)
                native = glance_natively(fd, above, named, asked)
        finally:
            os.close(fd)

        assert native == wanted
        if not is_nobody and most_rows == 1000:
            told = Oracle(top, record, above=above, levels=levels, enters=other_device != 1)
            for each in named:
                told.glance(each.path, levels)
            assert (wanted.entries, wanted.differing, wanted.left) == (
                told.entries,
                told.differing,
                told.left,
            )
    finally:
        for folder, _, _ in os.walk(os.fsencode(root)):
            os.chmod(folder, 0o700)
        shutil.rmtree(root)


def inode_of(path: bytes) -> int:
    return os.lstat(path).st_ino if os.path.lexists(path) else 7


def directories_in(top: bytes) -> list[bytes]:
    """Give the paths of all directories in a tree, in the order of a walk."""
    found = [os.path.relpath(folder, top) for folder, _, _ in os.walk(top)]
    return sorted(path for path in found if path != b".")


def digests_of(
    top: bytes, record: dict[bytes, Expectation], *, salt: bytes, above: bytes
) -> Iterator[tuple[bytes, bytes | None]]:
    """Give what is on record of each directory."""
    for path, expectation in record.items():
        fd = os.open(join(top, path), os.O_RDONLY)
        try:
            right = list_directory(fd).digest(salt=salt + b"%d" % os.fstat(fd).st_ino)
        finally:
            os.close(fd)
        yield join(above, path), {"right": right, "wrong": bytes(16), "none": None}[expectation]


class Oracle:
    """Says what a glance has to tell, by other means."""

    def __init__(
        self, top: bytes, record: dict[bytes, Expectation], *, above: bytes, levels: int, enters: bool
    ) -> None:
        self._top = top
        self._record = record
        self._above = above
        self._levels = levels
        self._enters = enters
        self.entries = 0
        self.differing: list[Place] = []
        self.left: list[Place] = []

    def glance(self, path: bytes, levels: int) -> None:
        where = join(self._top, path)
        place = Place(join(self._above, path), inode_of(where))
        if levels <= 0:
            self.left.append(place)
        elif not os.path.isdir(where) or os.path.islink(where) or self._record[path] != "right":
            self.differing.append(place)
        else:
            inside = sorted(os.listdir(where))
            self.entries += len(inside)
            for name in inside:
                if self._enters and stat.S_ISDIR(os.lstat(join(where, name)).st_mode):
                    self.glance(join(path, name), levels - 1)

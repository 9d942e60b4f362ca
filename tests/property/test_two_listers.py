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
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest
from dirsync.model.glimpse import Glimpse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirsync.model.listing import Listing, column, listing_of
from dirsync.scan.chosen import glance_natively
from dirsync.scan.lister import glance, list_directory
from dirsync.scan.native import _lister
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


class Looked(NamedTuple):
    """How one directory is glanced at."""

    salt: bytes
    expectation: str  # "right", "wrong", or "none"


parents = st.builds(Directory, st.dictionaries(names, nodes, max_size=5), modes, times, owners, owners)
looks = st.builds(Looked, st.binary(max_size=300), st.sampled_from(["right"] * 4 + ["wrong", "none"]))


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
    looked=st.lists(looks, min_size=9, max_size=9),
    most_rows=st.one_of(st.integers(-1, 20), st.just(1000)),
    is_nobody=st.booleans(),
)
def test_both_glances_tell_the_same(
    place: str | None,
    children: dict[bytes, Node],
    vanished: bytes,
    looked: list[Looked],
    most_rows: int,
    is_nobody: bool,
) -> None:
    root = Path(tempfile.mkdtemp(prefix="listers-", dir=place))
    try:
        tree(root, children).chmod(0o755)
        named = tuple({**children, vanished: b""})
        looked = looked[: len(named)]
        paths = [os.fsencode(root) + b"/" + name for name in named]
        salts = tuple(look.salt for look in looked)
        digests = tuple(map(expected_digest, paths, looked))
        fd = os.open(root, os.O_RDONLY)
        try:
            with as_nobody() if is_nobody else contextlib.nullcontext():
                wanted = glance(fd, named, salts=salts, expected=digests, most_rows=most_rows)
                native = glance_natively(fd, named, salts=salts, expected=digests, most_rows=most_rows)
        finally:
            os.close(fd)

        assert native == wanted
        if not is_nobody:
            rows = list(accumulate(map(rows_of, paths, looked), initial=0))
            assert wanted == list(map(told_of, paths, looked))[: len(wanted)]
            assert len(wanted) == next(
                (n for n, so_far in enumerate(rows) if so_far >= most_rows), len(named)
            )
    finally:
        shutil.rmtree(root)


def expected_digest(path: bytes, look: Looked) -> bytes | None:
    """Give the digest that is expected of a path: of what is no directory, one that is as long."""
    if look.expectation == "none":
        return None
    if look.expectation == "wrong" or not is_directory(path):
        return bytes(16)
    fd = os.open(path, os.O_RDONLY)
    try:
        return list_directory(fd).digest(salt=look.salt)
    finally:
        os.close(fd)


def is_directory(path: bytes) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def told_of(path: bytes, look: Looked) -> Glimpse | None:
    """Say what a glance has to tell, by other means."""
    if look.expectation != "right" or not is_directory(path):
        return None
    inside = sorted(os.listdir(path))
    stats = [os.lstat(path + b"/" + name) for name in inside]
    inner = [each for each in zip(inside, stats, strict=True) if stat.S_ISDIR(each[1].st_mode)]
    return Glimpse(
        len(inside),
        b"\0".join(name for name, _ in inner),
        column("Q", (status.st_ino for _, status in inner)),
        column("Q", (status.st_dev for _, status in inner)),
    )


def rows_of(path: bytes, look: Looked) -> int:
    """Count the rows that a glance had to list."""
    return len(os.listdir(path)) if look.expectation != "none" and is_directory(path) else 0

"""The native lister gives for any directory, byte for byte, the Listing that the reference gives.

`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirsync.model.listing import Listing, listing_of
from dirsync.scan.lister import list_directory
from dirsync.scan.native import _lister
from tests.trees import Directory, Fifo, File, Link, Node, tree

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

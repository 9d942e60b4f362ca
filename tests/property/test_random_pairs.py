"""Any tree becomes any other tree, exactly; and then there is nothing left to do.

Source and destination are drawn from the same few names, sizes, times and modes, so
that most pairs agree at some paths, differ in one respect at others, and hold different
kinds of object at others still. A file's content follows from its size and mtime: two
files that a quick check must call equal are equal. `DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from dirsync.model.result import Outcome
from tests.jobs import run, sync_job
from tests.trees import (
    Directory,
    Fifo,
    File,
    HardLink,
    Link,
    Node,
    Snapshot,
    ctimes,
    differences,
    snapshot,
    tree,
)

EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "150"))

NAMES = [
    *(
        b"a",
        b"b",
        b"A",
        b"-rf",
        b"two words",
        b" ",
        b"new\nline",
        b"\xff\xfe",
        b"caf\xc3\xa9",
        b"cafe\xcc\x81",
    ),
    *(
        b"back\\slash",
        b"*[x]?",
        b"!a",
        b"#a",
        b"...",
        b"~",
        b"$HOME",
        b"\x1b[31m",
        b"a.tmp",
        b"\x01",
        b"\x7f",
    ),
    *(b"n" * 255, b"\xf0" * 255, b"n" * 254),
]
TIMES_NS = [
    *(0, 1, -1, -1_000_000_000_000_000_007, -1_999_999_999),
    *(1_600_000_000_123_456_789, 1_600_000_000_123_456_788, 1_600_000_000_000_000_000),
    *(4_102_444_800_000_000_001, 15_000_000_000_999_999_999),
]
OWNERS = [0, 0, 0, 65534, 1000, 123_456]
FILE_MODES = [0o644, 0o644, 0o600, 0o000, 0o444, 0o755, 0o4755, 0o2755, 0o6711, 0o1644, 0o7777, 0o222]
DIRECTORY_MODES = [0o755, 0o755, 0o700, 0o555, 0o000, 0o1777, 0o2775, 0o3755, 0o7777, 0o311]
TARGETS = [
    b"a",
    b"b",
    b".",
    b"..",
    b"../a",
    b"nowhere",
    b"/etc/hostname",
    b"/",
    b"\xff",
    b"t" * 300,
    b"new\nline",
]
SIZES = [0, 1, 2, 4096, 5000]
HOLE_BYTES = 1 << 20


def file_of(*, size: int, hole: bool, mode: int, mtime_ns: int, uid: int, gid: int) -> File:
    """Make a file whose content follows from its size and mtime, and from nothing else."""
    data = bytes([65 + mtime_ns % 2]) * size
    if hole:
        return File(
            data, mode, mtime_ns, uid, gid, offset=HOLE_BYTES if size % 2 else 0, size=2 * HOLE_BYTES + size
        )
    return File(data, mode, mtime_ns, uid, gid)


class Pair(NamedTuple):
    """What stands at one path on both sides."""

    source: Node | None  # None, here and below: nothing
    destination: Node | None


times = st.sampled_from(TIMES_NS)
owners = st.sampled_from(OWNERS)
names = st.sampled_from(NAMES)
files = st.builds(
    file_of,
    size=st.sampled_from(SIZES),
    hole=st.sampled_from([False, False, False, True]),
    mode=st.sampled_from(FILE_MODES),
    mtime_ns=times,
    uid=owners,
    gid=owners,
)
links = st.builds(Link, st.sampled_from(TARGETS), times, owners, owners)
bare_directories = st.builds(Directory, st.just({}), st.sampled_from(DIRECTORY_MODES), times, owners, owners)


@st.composite
def varied(draw: st.DrawFn, nodes: st.SearchStrategy[File | Link | Directory]) -> Pair:
    """Draw a node and the same again, often with one attribute of another."""
    one, other = draw(nodes), draw(nodes)
    attributes = ["uid", "gid", "mode"] + ["mtime_ns"] * (not isinstance(one, File))
    attribute = draw(st.sampled_from([None, *attributes]))
    if attribute is None or not hasattr(one, attribute):
        return Pair(one, one)
    return Pair(one, dataclasses.replace(one, **{attribute: getattr(other, attribute)}))


def pairs(depth: int) -> st.SearchStrategy[Pair]:
    """Draw what stands at one path: alike, nearly alike, of two kinds, or on one side alone."""
    sources = st.one_of(st.none(), files, links, sides(depth, 0))
    destinations = st.one_of(
        st.none(), files, links, st.builds(Fifo), st.builds(HardLink, names), sides(depth, 1)
    )
    mixed = st.builds(Pair, sources, destinations)
    shapes = [*[mixed] * 5, varied(files), st.builds(Pair, files, files), varied(links)]
    if depth:
        shapes += [paired_directories(depth - 1)] * 4
    return st.one_of(shapes)


def sides(depth: int, side: int) -> st.SearchStrategy[Node | None]:
    """Draw a directory that stands on one side alone."""
    if not depth:
        return bare_directories
    return paired_directories(depth - 1).map(lambda pair: pair[side])


@functools.cache
def paired_directories(depth: int) -> st.SearchStrategy[Pair]:
    """Draw two directories with the same few names in both."""
    children = st.dictionaries(names, st.deferred(lambda: pairs(depth)), max_size=5)
    return st.builds(directories, varied(bare_directories), children)


def directories(attributes: Pair, children: dict[bytes, Pair]) -> Pair:
    """Fill two bare directories with the two sides of what was drawn."""
    source = {name: pair.source for name, pair in children.items() if pair.source is not None}
    old = {name: pair.destination for name, pair in children.items() if pair.destination is not None}
    return Pair(filled(attributes.source, source), filled(attributes.destination, linkable(old)))


def whole(side: Node | None) -> Directory:
    assert isinstance(side, Directory)
    return side


def filled(bare: Node | None, children: dict[bytes, Node]) -> Directory:
    return dataclasses.replace(whole(bare), children=children)


def linkable(children: dict[bytes, Node]) -> dict[bytes, Node]:
    """Turn each hard link to what is no file made before it into one to the last file that is."""
    kept: dict[bytes, Node] = {}
    last: bytes | None = None
    for name, node in children.items():
        if isinstance(node, File):
            last = name
        if not isinstance(node, HardLink):
            kept[name] = node
        elif last is not None:
            kept[name] = HardLink(last)
    return kept


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a directory on the fastest file system there is, and take it away."""
    memory = "/dev/shm"
    place = Path(tempfile.mkdtemp(prefix="pairs-", dir=memory if os.path.isdir(memory) else None))
    try:
        yield place
    finally:
        shutil.rmtree(place)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(pair=paired_directories(3))
@example(
    pair=Pair(  # a replica with another name gets another mode, which must not move its directory's mtime
        Directory({b"a": File(b"x", mode=0o644, mtime_ns=0)}, mtime_ns=0),
        Directory({b"a": File(b"x", mode=0o600, mtime_ns=0)}, mtime_ns=0),
    )
)
def test_any_tree_becomes_any_other_and_a_second_run_does_nothing(pair: Pair) -> None:
    with workplace() as place:
        wanted = snapshot(tree(place / "source", whole(pair.source)))
        tree(place / "destination", whole(pair.destination))
        kept = keep_bytes(place / "destination", place / "kept")
        job = sync_job(place / "source", place / "destination")

        first = run(job, state=place / "state")
        assert first.outcome is Outcome.SUCCEEDED, first
        assert not differences(wanted, snapshot(place / "source"))
        assert not differences(wanted, snapshot(place / "destination"))
        assert contents(snapshot(place / "kept")) == contents(kept)

        touched = ctimes(place / "destination")
        second = run(job, state=place / "state")
        assert second.outcome is Outcome.SUCCEEDED, second
        assert second.counts.changes == 0, second.counts
        assert ctimes(place / "destination") == touched


def keep_bytes(destination: Path, kept: Path) -> Snapshot:
    """Hard-link every file of the destination elsewhere, as a snapshot by links would."""
    kept.mkdir()
    for number, (path, seen) in enumerate(snapshot(destination).items()):
        if seen.kind == "file":
            os.link(os.fsencode(destination) + b"/" + path, kept / str(number))
    return snapshot(kept)


def contents(files: Snapshot) -> dict[bytes, tuple[int, str | None]]:
    """Give what the files hold, whatever became of their metadata."""
    return {path: (seen.size, seen.content) for path, seen in files.items() if path}

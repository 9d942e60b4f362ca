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
from msgspec import structs

from dirsync.model.job import Compare, Comparison
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
MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)

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
ATTRIBUTES = ["user.a", "trusted.a", "security.a", "user.b"]
VALUES = [b"", b"1", b"\0" * 200]
SIZES = [0, 1, 2, 4096, 5000]
HOLE_BYTES = 1 << 20


def file_of(
    *, size: int, hole: bool, mode: int, mtime_ns: int, uid: int, gid: int, xattrs: dict[str, bytes]
) -> File:
    """Make a file whose content follows from its size and mtime, and from nothing else."""
    data = bytes([65 + mtime_ns % 2]) * size
    if not hole:
        return File(data, mode, mtime_ns, uid, gid, xattrs=xattrs)
    offset = HOLE_BYTES if size % 2 else 0
    return File(data, mode, mtime_ns, uid, gid, offset=offset, size=2 * HOLE_BYTES + size, xattrs=xattrs)


class Pair(NamedTuple):
    """What stands at one path on both sides."""

    source: Node | None  # None, here and below: nothing
    destination: Node | None


times = st.sampled_from(TIMES_NS)
owners = st.sampled_from(OWNERS)
names = st.sampled_from(NAMES)
values = st.sampled_from(VALUES)
xattrs: st.SearchStrategy[dict[str, bytes]] = st.one_of(
    st.just({}), st.dictionaries(st.sampled_from(ATTRIBUTES), values, max_size=2)
)
link_xattrs: st.SearchStrategy[dict[str, bytes]] = st.one_of(
    st.just({}), st.dictionaries(st.sampled_from(ATTRIBUTES[1:3]), values, max_size=1)
)
files = st.builds(
    file_of,
    size=st.sampled_from(SIZES),
    hole=st.sampled_from([False, False, False, True]),
    mode=st.sampled_from(FILE_MODES),
    mtime_ns=times,
    uid=owners,
    gid=owners,
    xattrs=xattrs,
)
links = st.builds(Link, st.sampled_from(TARGETS), times, owners, owners, link_xattrs)
hard_links = st.builds(HardLink, names)  # to what, is decided when the whole tree is drawn
bare_directories = st.builds(
    Directory, st.just({}), st.sampled_from(DIRECTORY_MODES), times, owners, owners, xattrs
)


@st.composite
def varied(draw: st.DrawFn, nodes: st.SearchStrategy[File | Link | Directory]) -> Pair:
    """Draw a node and the same again, often with one attribute of another."""
    one, other = draw(nodes), draw(nodes)
    attributes = ["uid", "gid", "mode", "xattrs"] + ["mtime_ns"] * (not isinstance(one, File))
    attribute = draw(st.sampled_from([None, *attributes]))
    if attribute is None or not hasattr(one, attribute):
        return Pair(one, one)
    return Pair(one, dataclasses.replace(one, **{attribute: getattr(other, attribute)}))


def pairs(depth: int) -> st.SearchStrategy[Pair]:
    """Draw what stands at one path: alike, nearly alike, of two kinds, or on one side alone."""
    sources = st.one_of(st.none(), files, links, hard_links, sides(depth, 0))
    destinations = st.one_of(st.none(), files, links, st.builds(Fifo), hard_links, sides(depth, 1))
    mixed = st.builds(Pair, sources, destinations)
    shapes = [*[mixed] * 5, varied(files), st.builds(Pair, files, files), varied(links)]
    shapes += [st.builds(Pair, hard_links, files), st.builds(Pair, hard_links, hard_links)]
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
    return Pair(filled(attributes.source, source), filled(attributes.destination, old))


def whole(side: Node | None) -> Directory:
    assert isinstance(side, Directory)
    return side


def filled(bare: Node | None, children: dict[bytes, Node]) -> Directory:
    return dataclasses.replace(whole(bare), children=children)


def linked(node: Directory, *, made: list[bytes], depth: int = 0, above: bytes = b"") -> Directory:
    """Turn each hard link into one to a file made before it, anywhere in the tree; `made` collects these."""
    children: dict[bytes, Node] = {}
    for name, child in node.children.items():
        match child:
            case HardLink() if made:
                children[name] = HardLink(b"../" * depth + made[len(child.name) % len(made)])
            case HardLink():
                continue
            case Directory():
                children[name] = linked(child, made=made, depth=depth + 1, above=above + name + b"/")
            case _:
                children[name] = child
                if isinstance(child, File):
                    made.append(above + name)
    return dataclasses.replace(node, children=children)


def bare(node: Directory) -> Directory:
    """Take all attributes away, which a quick comparison does not see."""
    children: dict[bytes, Node] = {}
    for name, child in node.children.items():
        match child:
            case Directory():
                children[name] = bare(child)
            case File() | Link():
                children[name] = dataclasses.replace(child, xattrs={})
            case _:
                children[name] = child
    return dataclasses.replace(node, children=children, xattrs={})


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a directory on the fastest file system there is, and take it away."""
    memory = "/dev/shm"
    place = Path(tempfile.mkdtemp(prefix="pairs-", dir=memory if os.path.isdir(memory) else None))
    try:
        yield place
    finally:
        shutil.rmtree(place)


@MANY
@given(pair=paired_directories(3), compares_xattrs=st.booleans(), keeps_a_snapshot=st.booleans())
@example(
    pair=Pair(  # a replica with another name gets another mode, which must not move its directory's mtime
        Directory({b"a": File(b"x", mode=0o644, mtime_ns=0)}, mtime_ns=0),
        Directory({b"a": File(b"x", mode=0o600, mtime_ns=0)}, mtime_ns=0),
    ),
    compares_xattrs=False,
    keeps_a_snapshot=True,
)
def test_any_tree_becomes_any_other_and_a_second_run_does_nothing(
    pair: Pair, compares_xattrs: bool, keeps_a_snapshot: bool
) -> None:
    source, destination = (linked(whole(side), made=[]) for side in pair)
    if not compares_xattrs:
        source, destination = bare(source), bare(destination)
    with workplace() as place:
        wanted = snapshot(tree(place / "source", source))
        tree(place / "destination", destination)
        kept = keep_bytes(place / "destination", place / "kept", files=keeps_a_snapshot)
        job = sync_job(place / "source", place / "destination")
        if compares_xattrs:
            job = structs.replace(job, comparison=Comparison(by=job.comparison.by | {Compare.XATTRS}))

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


def keep_bytes(destination: Path, kept: Path, *, files: bool) -> Snapshot:
    """Hard-link every file of the destination elsewhere, as a snapshot by links would, if asked to."""
    kept.mkdir()
    for number, (path, seen) in enumerate(snapshot(destination).items()):
        if files and seen.kind == "file":
            os.link(os.fsencode(destination) + b"/" + path, kept / str(number))
    return snapshot(kept)


def contents(files: Snapshot) -> dict[bytes, tuple[int, str | None]]:
    """Give what the files hold, whatever became of their metadata."""
    return {path: (seen.size, seen.content) for path, seen in files.items() if path}

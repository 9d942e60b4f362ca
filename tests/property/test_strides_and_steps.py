"""Strides come to what steps alone come to: the same facts about any two trees.

`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirsync.compare.rules import rules_for
from dirsync.filters import scope_of
from dirsync.march import strider
from dirsync.march.driver import march_tree
from dirsync.march.found import Context, Found, Sides
from dirsync.march.found import Directory as MarchedDirectory
from dirsync.march.march import march
from dirsync.march.marching import Piece
from dirsync.model.capabilities import Capabilities
from dirsync.model.job import PatternLine
from dirsync.scan import stride
from tests.jobs import sync_job
from tests.property.test_random_pairs import (
    FILE_MODES,
    MANY,
    TARGETS,
    Pair,
    bare,
    files,
    linked,
    links,
    names,
    owners,
    paired_directories,
    times,
    whole,
    workplace,
)
from tests.trees import Directory, Fifo, File, Node, tree


class Filters(NamedTuple):
    """What a job leaves out."""

    exclude: tuple[bytes, ...]
    ignore_file: bytes | None  # what is in it; None: there is none, and none is looked for
    skip_symlinks: bool
    delete_excluded: bool


class Reach(NamedTuple):
    """How far a stride goes."""

    most_rows: int
    levels: int


patterns = st.one_of(
    st.sampled_from([b"*", b"*/", b"a/", b"/a", b"b/*", b"**/a", b"!a", b"*.tmp", b"nothing"]),
    names.filter(lambda name: b"\n" not in name),
)
filters = st.builds(
    Filters,
    st.one_of(st.just(()), st.tuples(patterns), st.tuples(patterns, patterns)),
    st.one_of(st.none(), st.none(), st.just(b""), patterns),
    st.booleans(),
    st.sampled_from([False, False, True]),
)
reaches = st.builds(Reach, st.sampled_from([1, 2, 5, 20, 10_000]), st.sampled_from([1, 2, 3, 32]))


TEMPORARY = b".dirsync-0123456789abcdef.tmp"
others = st.one_of(files, links, st.builds(Fifo))


@st.composite
def edited(draw: st.DrawFn, directory: Directory) -> Directory:
    """Draw the same directory again with one thing in it, or beneath it, edited; its own metadata stays."""
    children = dict(directory.children)
    inner = [name for name, child in children.items() if isinstance(child, Directory)]
    if inner and draw(st.sampled_from([True, True, True, False])):
        name = draw(st.sampled_from(inner))
        children[name] = draw(edited(whole(children[name])))
        return dataclasses.replace(directory, children=children)
    match draw(st.sampled_from(["attribute", "attribute", "attribute", "remove", "put", "temporary"])):
        case "attribute" if children:
            name = draw(st.sampled_from(sorted(children)))
            children[name] = draw(with_another_attribute(children[name]))
        case "remove" if children:
            del children[draw(st.sampled_from(sorted(children)))]
        case "temporary":
            children[TEMPORARY] = File(b"")
        case _:
            children[draw(names)] = draw(others)
    return dataclasses.replace(directory, children=children)


@st.composite
def with_another_attribute(draw: st.DrawFn, node: Node) -> Node:
    attribute = draw(st.sampled_from(["uid", "gid", "mode", "mtime_ns", "data", "target"]))
    if not hasattr(node, attribute) or getattr(node, attribute) is None:
        return node
    wishes: dict[str, st.SearchStrategy[object]] = {
        "uid": owners,
        "gid": owners,
        "mode": st.sampled_from(FILE_MODES),
        "mtime_ns": times,
        "data": st.sampled_from([b"", b"A", b"BB"]),
        "target": st.sampled_from(TARGETS),
    }
    return dataclasses.replace(node, **{attribute: draw(wishes[attribute])})  # type: ignore[type-var]


@st.composite
def nearly_alike(draw: st.DrawFn) -> Pair:
    """Draw two trees that differ in a few places alone."""
    one = whole(draw(paired_directories(4)).source)
    other = one
    for _ in range(draw(st.integers(0, 3))):
        other = draw(edited(other))
    return Pair(one, other)


@MANY
@given(
    pair=st.one_of(nearly_alike(), nearly_alike(), paired_directories(3)),
    left_out=filters,
    reach=reaches,
    hard_links=st.booleans(),
    stays=st.booleans(),
    in_threads=st.booleans(),
)
def test_strides_come_to_what_steps_come_to(
    pair: Pair, left_out: Filters, reach: Reach, hard_links: bool, stays: bool, in_threads: bool
) -> None:
    with workplace() as place:
        for name, side in zip("sd", pair, strict=True):
            tree(place / name, bare(linked(whole(side), made=[])))
        if left_out.ignore_file is not None:
            put_ignore_files([place / "s", place / "d"], left_out.ignore_file)
        context = context_of(place, left_out, hard_links=hard_links, stays=stays)
        with steps_alone():
            stepped = facts_of(marched(context, root_of(left_out)))
        with strides_of(reach):
            strode = facts_of(marched(context, root_of(left_out), in_threads=in_threads))

    assert strode["facts"] == stepped["facts"]
    assert strode["kept"] <= stepped["kept"]  # what is equal on both sides needs no keeping
    for path in (stepped["kept"] - strode["kept"]).elements():
        assert isinstance(path, bytes)
        assert alike_at(pair, path), path


def put_ignore_files(sides: Sequence[Path], content: bytes) -> None:
    """Put an ignore file into every other directory of some trees; all directories get one mtime."""
    for side in sides:
        folders = sorted(folder for folder, _, _ in os.walk(os.fsencode(side)))
        for folder in folders[1::2]:
            tree(Path(os.fsdecode(folder)), {".ignore": File(content, mtime_ns=0)})
        for folder in folders:
            os.utime(folder, ns=(0, 0))


def context_of(place: Path, left_out: Filters, *, hard_links: bool, stays: bool) -> Context:
    job = sync_job(place / "s", place / "d")
    return Context(
        source=job.source,
        destination=job.destination,
        rules=rules_for(job, source=Capabilities(), destination=Capabilities()),
        destination_device=os.stat(place / "d").st_dev,
        delete_excluded=left_out.delete_excluded,
        skip_symlinks=left_out.skip_symlinks,
        hard_links=hard_links,
        source_device=os.stat(place / "s").st_dev if stays else None,
    )


def root_of(left_out: Filters) -> MarchedDirectory:
    lines = tuple(PatternLine(text, "test", number) for number, text in enumerate(left_out.exclude, 1))
    ignore_files = () if left_out.ignore_file is None else (b".ignore",)
    return MarchedDirectory(b"", Sides.BOTH, scope_of(include=(), exclude=lines, ignore_files=ignore_files))


@contextmanager
def steps_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strider, "IS_POSSIBLE", False)
        yield


@contextmanager
def strides_of(reach: Reach) -> Iterator[None]:
    assert stride.IS_POSSIBLE
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strider, "MOST_ROWS", reach.most_rows)
        patched.setattr(strider, "LEVELS", reach.levels)
        yield


def marched(context: Context, root: MarchedDirectory, *, in_threads: bool = False) -> list[Found]:
    def task(directories: list[MarchedDirectory], enough: object, check: object) -> Found:
        return march(context, directories, _soon, _go_on)

    return list(march_tree(task, [root], workers=2, check=_go_on, in_threads=in_threads))


def _soon(found: Piece) -> bool:
    return found.seen >= 10


def _go_on() -> None: ...


def facts_of(pieces: list[Found]) -> dict[str, Counter[Hashable]]:
    """Gather what all pieces say, each thing as often as it is said; beside it, what they keep."""
    facts: Counter[Hashable] = Counter()
    kept: Counter[Hashable] = Counter()
    for found in pieces:
        for name in ("changes", "linked", "touched", "strays", "failures", "mounts_kept"):
            facts.update((name, each) for each in getattr(found, name))
        facts["scanned"] += found.scanned
        facts["destination"] += found.destination_entries
        kept.update(found.kept)
    return {"facts": facts, "kept": kept}


def alike_at(pair: Pair, path: bytes) -> bool:
    """Whether both trees have something of one kind at a path."""
    here, there = pair
    for name in path.split(b"/"):
        here, there = whole(here).children.get(name), whole(there).children.get(name)
    return here is not None and type(here) is type(there)

"""A run whose one end is far comes to what a local run comes to: trees, changes, failures and counts.

Whatever is included, excluded, ignored, skipped and compared. `DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.change import Change
from dirsync.model.job import (
    Compare,
    Comparison,
    DeletePolicy,
    MirrorJob,
    PatternLine,
    PushJob,
    SymlinkPolicy,
)
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts
from tests.agents import Served, served
from tests.jobs import sync_job, watched_run
from tests.property.test_random_pairs import MANY, Pair, bare, linked, paired_directories, whole, workplace
from tests.property.test_strides_and_steps import nearly_alike, patterns, put_ignore_files
from tests.trees import Directory, File, Snapshot, differences, snapshot, tree

Comparing = frozenset[Compare]


class Declared(NamedTuple):
    """What a job says besides its ends."""

    include: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    ignore_file: bytes | None  # what is in it; None: there is none, and none is looked for
    symlinks: SymlinkPolicy
    delete: DeletePolicy
    delete_excluded: bool
    one_file_system: bool
    by: Comparing


some_patterns = st.one_of(st.just(()), st.tuples(patterns), st.tuples(patterns, patterns))
_QUICK = frozenset({Compare.SIZE, Compare.MTIME})
declarations = st.builds(
    Declared,
    st.one_of(st.just(()), some_patterns),
    some_patterns,
    st.one_of(st.none(), st.none(), patterns),
    st.sampled_from([SymlinkPolicy.PRESERVE, SymlinkPolicy.SKIP]),
    st.sampled_from([DeletePolicy.REMOVE, DeletePolicy.KEEP, DeletePolicy.TRASH]),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]),
    st.sampled_from(
        [
            Comparison().by,
            _QUICK,
            frozenset({Compare.SIZE}),
            frozenset({Compare.SIZE, Compare.HASH}),
            Comparison().by | {Compare.HASH},
        ]
    ),
)


@pytest.fixture(scope="module")
def agent() -> Iterator[tuple[Served, Path]]:
    """Serve a directory in which every example makes its own."""
    with workplace() as root, served(root, state=root / ".dirsync") as up:
        yield up, root


def ends(place: Path, up: Served, root: Path) -> Iterator[MirrorJob | PushJob]:
    """Give the same job three times: local, pulled and pushed, each with a destination of its own."""
    beneath = os.fsencode(place.relative_to(root))
    source = LocalPlace(path=os.fsencode(place / "source"))
    local = structs.replace(sync_job(place / "source", place / "local"), workers=2)
    yield structs.replace(local, name="local")
    yield structs.replace(
        sync_job(place / "source", place / "pulled"), name="pulled", source=up.place(beneath + b"/source")
    )
    yield PushJob(
        name=place.name,
        source=source,
        destination=up.place(beneath + b"/pushed"),
        guard=local.guard,
        durability=local.durability,
    )


def as_declared(job: MirrorJob | PushJob, declared: Declared) -> MirrorJob | PushJob:
    def lines(texts: tuple[bytes, ...]) -> tuple[PatternLine, ...]:
        return tuple(PatternLine(text, "test", number) for number, text in enumerate(texts, 1))

    return structs.replace(
        job,
        include=lines(declared.include),
        exclude=lines(declared.exclude),
        ignore_files=() if declared.ignore_file is None else (b".ignore",),
        symlinks=declared.symlinks,
        delete=declared.delete,
        delete_excluded=declared.delete_excluded,
        one_file_system=declared.one_file_system,
        comparison=Comparison(by=declared.by),
    )


class CameTo(NamedTuple):
    """What came of a run, but for how long it took."""

    outcome: str
    counts: Counts
    changes: Counter[tuple[str, bytes, bytes | None, frozenset[str]]]
    failures: Counter[tuple[bytes, str]]


def came_to(job: MirrorJob | PushJob, place: Path) -> CameTo:
    result, watched = watched_run(job, place)
    failures = Counter((failure.path, failure.reason) for failure in watched.failures)
    return CameTo(result.outcome.value, result.counts, Counter(map(_told, watched.changes)), failures)


def _told(change: Change) -> tuple[str, bytes, bytes | None, frozenset[str]]:
    old = None if change.old is None else change.old.path
    return change.kind.value, change.path, old, frozenset(aspect.value for aspect in change.aspects)


def rename_something(source: Path, number: int) -> None:
    """Rename an object of a tree; its directory gets the time that all have."""
    found = sorted(path for path in snapshot(source) if path)
    if not found:
        return
    path = os.path.join(os.fsencode(source), found[number % len(found)])
    folder = os.path.dirname(path)
    before = os.stat(folder)
    os.rename(path, os.path.join(folder, b"renamed"))
    if stat.S_ISDIR(os.lstat(os.path.join(folder, b"renamed")).st_mode):
        tree(Path(os.fsdecode(os.path.join(folder, b"renamed"))), {"new": File(b"new", mtime_ns=7)})
    os.utime(folder, ns=(before.st_mtime_ns, before.st_mtime_ns))


EVERYTHING = Declared(
    (), (), None, SymlinkPolicy.PRESERVE, DeletePolicy.REMOVE, False, False, Comparison().by
)
EMPTY = Pair(Directory({}), Directory({}))


@MANY
@given(
    pair=st.one_of(nearly_alike(), paired_directories(3)),
    declared=declarations,
    renamed=st.integers(0, 1000),
)
@example(pair=EMPTY, declared=EVERYTHING, renamed=0)
def test_far_runs_come_to_what_a_local_run_comes_to(
    agent: tuple[Served, Path], pair: Pair, declared: Declared, renamed: int
) -> None:
    up, root = agent
    began_ns = time.time_ns() - 10**9
    place = root / os.urandom(8).hex()
    place.mkdir()
    source, destination = (bare(linked(whole(side), made=[])) for side in pair)
    tree(place / "source", source)
    for name in ("local", "pulled", "pushed"):
        tree(place / name, destination)
    if declared.ignore_file is not None:
        sides = [place / name for name in ("source", "local", "pulled", "pushed")]
        put_ignore_files(sides, declared.ignore_file)
    jobs = [as_declared(job, declared) for job in ends(place, up, root)]

    for attempt in range(3):
        local, pulled, pushed = (came_to(job, place) for job in jobs)
        assert pulled == local, (attempt, pulled, local)
        assert pushed == local, (attempt, pushed, local)
        trees = [without_area(place / name, since_ns=began_ns) for name in ("local", "pulled", "pushed")]
        assert not differences(trees[0], trees[1])
        assert not differences(trees[0], trees[2])
        if attempt == 0:
            rename_something(place / "source", renamed)


def without_area(destination: Path, *, since_ns: int) -> Snapshot:
    """See a destination without dirsync's own directory at its top, and without the times of just now.

    A directory that the source no longer has, and that is kept for what is excluded in it, has one.
    """
    return {
        path: seen._replace(mtime_ns=0) if since_ns < seen.mtime_ns < time.time_ns() else seen
        for path, seen in snapshot(destination).items()
        if not path.startswith(b".dirsync")
    }

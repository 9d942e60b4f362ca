"""Any tree becomes any other, over TLS: pulled from an agent, and pushed to one; then nothing is left to do.

The trees are those of `test_random_pairs`. `DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.job import Compare, Comparison, DeletePolicy, Durability, MirrorJob, PushJob
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome
from tests.agents import Served, served
from tests.jobs import UNGUARDED, run
from tests.property.test_random_pairs import MANY, Pair, bare, linked, paired_directories, whole, workplace
from tests.trees import ctimes, differences, snapshot, tree


@pytest.fixture(scope="module")
def agent() -> Iterator[tuple[Served, Path]]:
    """Serve a directory in which every example makes its own."""
    with workplace() as root, served(root, state=root / ".dirsync") as up:
        yield up, root


def far_job(pair: Path, up: Served, root: Path, *, pushes: bool, xattrs: bool) -> MirrorJob | PushJob:
    """Declare a job from `source` to `destination`, one of which is the agent's."""
    beneath = os.fsencode(pair.relative_to(root))
    near = LocalPlace(path=os.fsencode(pair / ("source" if pushes else "destination")))
    far = up.place(beneath + (b"/destination" if pushes else b"/source"))
    common = {
        "name": "mirror",
        "delete": DeletePolicy.REMOVE,
        "guard": UNGUARDED,
        "durability": Durability.NONE,
    }
    if xattrs:
        common["comparison"] = Comparison(by=Comparison().by | {Compare.XATTRS})
    if pushes:
        return PushJob(source=near, destination=far, **common)  # type: ignore[arg-type]
    return MirrorJob(source=far, destination=near, **common)  # type: ignore[arg-type]


@MANY
@given(
    pair=paired_directories(3),
    compares_xattrs=st.booleans(),
    pushes=st.booleans(),
    durability=st.sampled_from(Durability),
)
def test_any_tree_becomes_any_other_over_tls(
    agent: tuple[Served, Path], pair: Pair, compares_xattrs: bool, pushes: bool, durability: Durability
) -> None:
    up, root = agent
    source, destination = (linked(whole(side), made=[]) for side in pair)
    if not compares_xattrs:
        source, destination = bare(source), bare(destination)
    place = root / os.urandom(8).hex()
    place.mkdir()
    wanted = snapshot(tree(place / "source", source))
    tree(place / "destination", destination)
    job = far_job(place, up, root, pushes=pushes, xattrs=compares_xattrs)
    job = structs.replace(job, name=place.name, durability=durability)

    first = run(job, state=place / "state")
    assert first.outcome is Outcome.SUCCEEDED, first
    assert not differences(wanted, snapshot(place / "source"))
    assert not differences(wanted, snapshot(place / "destination"))

    touched = ctimes(place / "destination")
    second = run(job, state=place / "state")
    assert second.outcome is Outcome.SUCCEEDED, second
    assert second.counts.changes == 0, second.counts
    assert ctimes(place / "destination") == touched

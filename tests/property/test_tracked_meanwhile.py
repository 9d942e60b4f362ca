"""Whatever is done to a tree while it is scanned, nothing is told as deleted that is there.

The next run makes right whatever was seen half, and what was on record before can still be told.

`DIRSYNC_EXAMPLES=1000` for a long run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from msgspec import structs

from dirsync.march import tracking
from dirsync.model.change import ChangeKind
from dirsync.model.listing import Listing
from dirsync.model.result import Outcome
from dirsync.scan import sources
from dirsync.scan.lister import list_directory
from tests.catalogs_on_record import flaws, on_record
from tests.faults.test_tracking import all_differ
from tests.jobs import UNGUARDED, Watched, track_job, watched_run
from tests.property.test_random_pairs import MANY, workplace
from tests.property.test_tracked_edits import Deed, do, names, numbers, recorded, seen, seen_as
from tests.trees import Node, tree

KINDS = ["move", "move", "move", "move", "remove", "make", "create"]
_deeds = st.lists(
    st.tuples(st.integers(1, 8), st.tuples(st.sampled_from(KINDS), numbers, numbers, names)),
    min_size=1,
    max_size=6,
)
_directories: st.SearchStrategy[dict[bytes, Node]] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)
_trees = st.dictionaries(names, _directories, min_size=3, max_size=4)


@contextlib.contextmanager
def meanwhile(source: Path, some: list[tuple[int, Deed]]) -> Iterator[set[bytes]]:
    """Do each deed before the listing of its number; give the paths that were there all the time."""
    count = 0
    always = set(seen(source))

    def listing(fd: int) -> Listing:
        nonlocal count
        for at, deed in some:
            if at == count:
                do(os.fsencode(source), deed, count=at)
                always.intersection_update(seen(source))
        count += 1
        return list_directory(fd)

    with (
        mock.patch.object(sources, "list_directory", listing),
        mock.patch.object(tracking, "glance", all_differ),
    ):
        yield always


@settings(MANY, phases=(Phase.generate,))  # where the file system decides, shrinking leads astray
@given(children=_trees, rounds=st.lists(_deeds, min_size=1, max_size=3), renames=st.booleans())
def test_the_run_after_one_over_a_moving_tree_makes_it_right(
    children: dict[bytes, Node], rounds: list[list[tuple[int, Deed]]], renames: bool
) -> None:
    with workplace() as place:
        source = tree(place / "source", children)
        job = structs.replace(track_job(source, place / "state"), moves=renames, guard=UNGUARDED)
        assert watched_run(job, place)[0].outcome is Outcome.SUCCEEDED
        for some in rounds:
            before = recorded(job)
            before.pop(b"")
            with meanwhile(source, some) as always:
                result, watched = watched_run(job, place)
            event(result.outcome.value)
            if result.outcome is Outcome.FAILED:
                assert "was met twice, for it was moved during the scan" in str(result.error)
            assert deleted(watched).isdisjoint(always)
            assert flaws(job, place) == []
            result, watched = watched_run(job, place)
            assert result.outcome is Outcome.SUCCEEDED
            assert deleted(watched).isdisjoint(seen(source))
            assert recorded(job) == seen(source)
            assert flaws(job, place) == []
            earlier = on_record(job, place, run_id=result.run_id - 2)
            assert {path: seen_as(entry) for path, (entry, _) in earlier.items()} == before


def deleted(watched: Watched) -> set[bytes]:
    return {change.path for change in watched.changes if change.kind is ChangeKind.DELETED}

"""Whatever a job selects, and whatever becomes of that and of the tree: its catalog is as one begun anew.

The oracle is a second job that records the same tree for the first time, with the same lists.
What was on record after each run can be told for good.

`DIRSYNC_EXAMPLES=1000` for a long run.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import event, example, given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import PatternLine, TrackJob
from dirsync.model.result import Outcome
from tests.catalogs_on_record import flaws, on_record, recorded_runs
from tests.jobs import UNGUARDED, track_job, watched_run
from tests.property.test_random_pairs import MANY, workplace
from tests.property.test_tracked_edits import OLD_NS, Deed, deeds, do, states, trees
from tests.trees import File, Node, tree

PATTERNS = [b"a", b"b/", b"/a", b"/b/", b"c", b"!c", b"[d-f]", b"a/b", b"/c/*", b"*/d", b"**/e/", b"!/a/f"]
patterns = st.lists(st.sampled_from(PATTERNS), max_size=3)
Lists = tuple[list[bytes], list[bytes]]
lists = st.tuples(patterns, patterns)


@MANY
@given(
    children=trees,
    first=lists,
    rounds=st.lists(st.tuples(deeds, st.one_of(st.none(), lists)), min_size=1, max_size=3),
    renames=st.booleans(),
)
@example(  # of two siblings everything in one is selected, and in the other not
    children={b"a": {b"a": File(b"", mtime_ns=OLD_NS)}, b"b": {}},
    first=([b"a"], []),
    rounds=[([("move", 1, 2, b"b")], None)],
    renames=False,
)
def test_a_catalog_is_as_one_begun_anew(
    children: dict[bytes, Node],
    first: Lists,
    rounds: list[tuple[list[Deed], Lists | None]],
    renames: bool,
) -> None:
    with workplace() as place:
        source = tree(place / "source", children)
        job = structs.replace(track_job(source, place / "state"), moves=renames, guard=UNGUARDED)
        job = selecting(job, first)
        result, _ = watched_run(job, place)
        assert result.outcome is Outcome.SUCCEEDED
        before = checked(job, place, count=0)
        were = states(job, place)
        for count, (some, other_lists) in enumerate(rounds, 1):
            for at, deed in enumerate(some):
                do(os.fsencode(source), deed, count=at)
            if other_lists is not None:
                job = selecting(job, other_lists)
            result, watched = watched_run(job, place)
            assert result.outcome is Outcome.SUCCEEDED
            after = checked(job, place, count=count)
            were.append(states(job, place)[-1])
            if other_lists is None and not renames:
                check_told(before, after, watched.changes)
            before = after
        assert states(job, place) == were


def selecting(job: TrackJob, what: Lists) -> TrackJob:
    include, exclude = (tuple(PatternLine(each, "test", 1) for each in some) for some in what)
    event("an include list" if include else "no include list")
    return structs.replace(job, include=include, exclude=exclude)


def checked(job: TrackJob, place: Path, *, count: int) -> set[bytes]:
    """Check a catalog against one begun anew; give the paths in it."""
    anew = place / f"anew-{count}"
    anew.mkdir()
    other = structs.replace(job, catalog=track_job(place / "source", anew / "state").catalog)
    watched_run(other, anew)

    seen = on_record(job, place)
    assert seen == on_record(other, anew)
    assert recorded_runs(job)[0].entries == recorded_runs(other)[0].entries == len(seen)
    assert recorded_runs(job)[0].bytes_total == recorded_runs(other)[0].bytes_total
    assert flaws(job, place) == []
    return set(seen)


def check_told(before: set[bytes], after: set[bytes], changes: list[Change]) -> None:
    told = {
        kind: {change.path for change in changes if change.kind is kind}
        for kind in (ChangeKind.CREATED, ChangeKind.DELETED)
    }
    assert told[ChangeKind.CREATED] == after - before
    assert told[ChangeKind.DELETED] == before - after

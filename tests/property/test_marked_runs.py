"""Whatever is done to a watched source: a run over what is marked leaves nothing for a complete one.

`DIRSYNC_EXAMPLES=1000` for a long run.
"""

from __future__ import annotations

import os

from hypothesis import event, example, given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.job import PatternLine
from dirsync.model.marks import Marks
from dirsync.model.result import Outcome
from dirsync.model.stop import Stop
from dirsync.runner.run import run_job
from tests.jobs import Watched, run, sync_job, watched_run
from tests.property.test_random_pairs import MANY, workplace
from tests.property.test_tracked_edits import OLD_NS, Deed, deeds, do, trees
from tests.trees import File, Node, tree
from tests.watches import SENTINEL, marks_so_far, watched

patterns = st.lists(
    st.sampled_from([b"a", b"b/", b"/t/a", b"c", b"!c", b"[d-f]", b"a/b", b"/t/c/*", b"*/d", b"**/e/"]),
    max_size=3,
)


@MANY
@given(
    children=trees,
    include=st.one_of(st.just([]), st.just([]), patterns),
    exclude=patterns,
    rounds=st.lists(deeds, min_size=1, max_size=3),
    moves=st.booleans(),
)
@example(  # a directory that is there on one side alone, and is left for another name
    children={b"a": {b"b": File(b"1", mtime_ns=OLD_NS)}, b"c": {}},
    include=[],
    exclude=[],
    rounds=[[("move", 0, 2, b"d")], [("edit", 1, 0, b"e")], [("remove", 1, 0, b"f")]],
    moves=False,
)
def test_a_run_over_what_is_marked_leaves_nothing_to_do(
    children: dict[bytes, Node],
    include: list[bytes],
    exclude: list[bytes],
    rounds: list[list[Deed]],
    moves: bool,
) -> None:
    with workplace() as place:
        source = tree(place / "source", {"t": children, SENTINEL: {}})
        job = structs.replace(
            sync_job(source, place / "destination"),
            include=lines([*include, SENTINEL.encode()] if include else []),
            exclude=lines(exclude),
            moves=moves,
            watch=True,
        )
        with watched(job) as watch:
            assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
            marks_so_far(watch, source)
            for number, some in enumerate(rounds):
                for at, deed in enumerate(some):
                    do(os.fsencode(source / "t"), deed, count=10 * number + at)
                marks = marks_so_far(watch, source)
                assert not watch.is_lost
                event(f"{min(len(marks), 5)} marks")
                result = run_job(
                    job, state=str(place / "state"), observer=Watched(), stop=Stop(), marks=marks
                )
                assert result.outcome is Outcome.SUCCEEDED, result

                left, told = watched_run(job, place, dry_run=True)
                assert (left.counts.changes, told.changes) == (0, []), marks


def lines(patterns: list[bytes]) -> tuple[PatternLine, ...]:
    return tuple(PatternLine(text, "test", number) for number, text in enumerate(patterns, 1))


def test_marks_of_nothing_look_at_the_root_alone() -> None:
    with workplace() as place:
        source = tree(place / "source", {"a": {"b": b"1"}, "c": b"2"})
        job = structs.replace(sync_job(source, place / "destination"), watch=True)
        run(job, state=place / "state")
        result = run_job(
            job, state=str(place / "state"), observer=Watched(), stop=Stop(), marks=Marks(directories={})
        )

    assert (result.outcome, result.counts.scanned) == (Outcome.SUCCEEDED, 2)

"""What `diff` tells of two trees is what differs between them, by an observer of its own.

The pairs are those of `test_random_pairs`. `DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dirsync.compare.states import Unseen, compare_states
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.snapshot import State
from tests.property.test_random_pairs import MANY, Pair, bare, paired_directories, whole, workplace
from tests.property.test_random_pairs import linked as with_links
from tests.states import now, read, written
from tests.trees import Seen, Snapshot, snapshot, tree

CONTENT = {Aspect.KIND, Aspect.SIZE, Aspect.TARGET, Aspect.HASH}


@MANY
@given(pair=paired_directories(3), hashes=st.booleans(), on_record=st.booleans())
def test_differences_of_two_trees_are_what_an_observer_sees(
    pair: Pair, hashes: bool, on_record: bool
) -> None:
    with workplace() as place:
        roots = [
            tree(place / str(number), bare(with_links(whole(side), made=[])))
            for number, side in enumerate(pair)
        ]
        old, new = (snapshot(root) for root in roots)
        states: list[State] = [now(root, hashes=hashes) for root in roots]
        if on_record:
            states = [read(written(state)) for state in states]

        found = list(compare_states(*states))

    told = [difference for difference in found if not isinstance(difference, Unseen)]
    assert len(told) == len(found)
    assert [change.path for change in told] == sorted(
        (change.path for change in told), key=lambda path: path.split(b"/")
    )
    assert {change.path: (change.kind, change.aspects) for change in told} == expected(
        old, new, hashes=hashes
    )


def expected(
    old: Snapshot, new: Snapshot, *, hashes: bool
) -> dict[bytes, tuple[ChangeKind, frozenset[Aspect]]]:
    """Say what is to be told, path by path."""
    told: dict[bytes, tuple[ChangeKind, frozenset[Aspect]]] = {}
    for path in (old.keys() | new.keys()) - {b""}:
        one, other = old.get(path), new.get(path)
        if one is None:
            told[path] = ChangeKind.CREATED, frozenset()
        elif other is None:
            told[path] = ChangeKind.DELETED, frozenset()
        elif aspects := differing(one, other, hashes=hashes):
            told[path] = kind_of(other, aspects, hashes=hashes), aspects
    explained = {
        path.rpartition(b"/")[0] for path, (kind, _) in told.items() if kind is not ChangeKind.METADATA
    }
    return {
        path: (kind, aspects)
        for path, (kind, aspects) in told.items()
        if not (
            path in explained and path in new and new[path].kind == "directory" and aspects == {Aspect.MTIME}
        )
    }


def differing(one: Seen, other: Seen, *, hashes: bool) -> frozenset[Aspect]:
    """Say in what two objects differ."""
    if one.kind != other.kind:
        return frozenset({Aspect.KIND})
    found = {
        Aspect.SIZE: one.kind == "file" and one.size != other.size,
        Aspect.MTIME: one.mtime_ns != other.mtime_ns,
        Aspect.MODE: one.mode != other.mode,
        Aspect.OWNERSHIP: (one.uid, one.gid) != (other.uid, other.gid),
        Aspect.TARGET: one.target != other.target,
        Aspect.HASH: hashes and one.content != other.content,
    }
    return frozenset(aspect for aspect, differs in found.items() if differs)


def kind_of(entry: Seen, aspects: frozenset[Aspect], *, hashes: bool) -> ChangeKind:
    """Say whether an object was modified, or its metadata alone."""
    news = CONTENT | ({Aspect.MTIME} if entry.kind == "file" and not hashes else set())
    return ChangeKind.MODIFIED if aspects & news else ChangeKind.METADATA

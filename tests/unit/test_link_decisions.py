"""Which names share one object: decided from facts alone."""

from __future__ import annotations

from dirsync.model.change import ChangeKind
from dirsync.model.links import Linked
from dirsync.plan.links import Decisions, decide

NEW, EDITED, CHMOD = ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.METADATA


def name(
    path: bytes, source: int, destination: int | None, change: ChangeKind | None = None, *, names: int = 1
) -> Linked:
    there = None if destination is None else (1, destination)
    return Linked(path, (1, source), there, 0 if there is None else names, change)


def decided(
    *facts: Linked, mounts: tuple[bytes, ...] = (), unusable: frozenset[bytes] = frozenset()
) -> Decisions:
    return decide(
        facts,
        part_of=lambda path: next((mount for mount in mounts if path.startswith(mount)), b""),
        unusable=unusable,
    )


def links(decisions: Decisions) -> dict[bytes, bytes]:
    return {path: leader.path for path, leader in decisions.leader_of.items()}


def parted(decisions: Decisions) -> list[bytes]:
    return [linked.path for linked in decisions.parted]


def test_names_that_are_linked_already_are_left_alone() -> None:
    for outside in (0, 3):
        names = 2 + outside
        decisions = decided(name(b"a", 1, 7, names=names), name(b"b", 1, 7, names=names))

        assert decisions == Decisions()


def test_the_first_of_new_names_leads() -> None:
    assert links(decided(name(b"b", 1, None, NEW), name(b"c", 1, None, NEW), name(b"a", 1, None, NEW))) == {
        b"b": b"a",
        b"c": b"a",
    }


def test_a_name_that_is_up_to_date_leads_so_that_nothing_is_copied() -> None:
    decisions = decided(name(b"a", 1, None, NEW), name(b"b", 1, 7), name(b"c", 1, 8, EDITED))

    assert links(decisions) == {b"a": b"b", b"c": b"b"}
    assert parted(decisions) == []


def test_equal_files_are_linked_to_the_object_most_of_them_share() -> None:
    decisions = decided(name(b"a", 1, 7), name(b"b", 1, 8, names=2), name(b"c", 1, 8, names=2))

    assert links(decisions) == {b"a": b"b"}
    assert parted(decisions) == [b"a"]


def test_an_object_that_two_files_share_is_parted() -> None:
    decisions = decided(
        name(b"a", 1, 7, names=3),
        name(b"b", 2, 7, names=3),
        name(b"c", 2, 7, names=3),
        name(b"d", 2, None, NEW),
    )

    assert parted(decisions) == [b"b", b"c"]
    assert links(decisions) == {b"b": b"d", b"c": b"d"}


def test_names_in_other_mounted_parts_are_not_linked() -> None:
    decisions = decided(
        name(b"a", 1, None, NEW), name(b"m/a", 1, None, NEW), name(b"m/b", 1, None, NEW), mounts=(b"m",)
    )

    assert links(decisions) == {b"m/b": b"m/a"}


def test_metadata_is_set_in_place_where_every_name_is_known() -> None:
    known = decided(name(b"a", 1, 7, CHMOD, names=2), name(b"b", 1, 7, CHMOD, names=2))
    snapshot = decided(name(b"a", 1, 7, CHMOD, names=3), name(b"b", 1, 7, CHMOD, names=3))

    assert (known.in_place, links(known)) == ({b"a"}, {b"b": b"a"})
    assert (snapshot.in_place, links(snapshot)) == (set(), {b"b": b"a"})


def test_metadata_in_place_is_better_than_a_copy() -> None:
    decisions = decided(name(b"a", 1, None, NEW), name(b"b", 1, 7, CHMOD))

    assert (decisions.in_place, links(decisions)) == ({b"b"}, {b"a": b"b"})


def test_a_name_that_must_not_be_touched_does_not_lead() -> None:
    decisions = decided(
        *(name(path, 1, None, NEW) for path in (b"a", b"b", b"c")), unusable=frozenset({b"a"})
    )

    assert links(decisions) == {b"c": b"b"}


def test_an_object_with_all_the_names_it_can_have_is_not_tried_again_and_again() -> None:
    decisions = decided(name(b"a", 1, 7, names=65_000), name(b"b", 1, 8, names=2), name(b"c", 1, 8, names=2))

    assert links(decided(name(b"a", 1, 7, names=65_000), name(b"b", 1, None, NEW))) == {b"b": b"a"}
    assert links(decisions) in ({}, {b"a": b"b"})

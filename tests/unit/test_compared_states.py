"""Two states of a tree, compared in step."""

from __future__ import annotations

import stat
from collections.abc import Sequence

import pytest

from dirsync.compare.states import Unseen, compare_states
from dirsync.model.change import Aspect, Change, Failure
from dirsync.model.job import HashAlgorithm
from dirsync.model.snapshot import Sighting
from tests.states import ListedState, directory, seen

BLAKE3 = HashAlgorithm.BLAKE3
ONE, OTHER = b"1" * 32, b"2" * 32


def changes(
    old: Sequence[Sighting],
    new: Sequence[Sighting],
    *,
    algorithms: tuple[HashAlgorithm | None, HashAlgorithm | None] = (None, None),
) -> list[str]:
    """Compare, and give what is told as `kind path aspects`, what is unknown as `unknown path`."""
    one, other = ListedState(*old, algorithm=algorithms[0]), ListedState(*new, algorithm=algorithms[1])
    return [_told(difference) for difference in compare_states(one, other)]


def _told(difference: Change | Unseen) -> str:
    if isinstance(difference, Unseen):
        return f"unknown {difference.failure.path.decode()}"
    aspects = [aspect.value for aspect in Aspect if aspect in difference.aspects]
    return " ".join([difference.kind.value, difference.path.decode(), *aspects])


def test_what_came_and_went_is_told_in_path_order() -> None:
    old = [directory(b"a"), seen(b"a/x"), seen(b"a-b"), seen(b"c")]
    new = [directory(b"a"), seen(b"a/y"), seen(b"a b"), seen(b"c"), seen(b"d")]

    assert changes(old, new) == [
        "deleted a/x",
        "created a/y",
        "created a b",
        "deleted a-b",
        "created d",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (seen(b"a", size=1), seen(b"a", size=2), ["modified a size"]),
        (seen(b"a", mtime_ns=1), seen(b"a", mtime_ns=2), ["modified a mtime"]),
        (seen(b"a", mode=0o644), seen(b"a", mode=0o4644), ["metadata a mode"]),
        (seen(b"a", uid=1), seen(b"a", uid=2), ["metadata a ownership"]),
        (seen(b"a", gid=1), seen(b"a", gid=2), ["metadata a ownership"]),
        (seen(b"a", stat.S_IFLNK, target=b"x"), seen(b"a", stat.S_IFLNK, target=b"y"), ["modified a target"]),
        (seen(b"a", stat.S_IFLNK, mode=0o777), seen(b"a", stat.S_IFLNK, mode=0o700), []),
        (seen(b"a", stat.S_IFLNK, mtime_ns=1), seen(b"a", stat.S_IFLNK), ["metadata a mtime"]),
        (seen(b"a", stat.S_IFIFO), seen(b"a", stat.S_IFSOCK), []),
        (seen(b"a", stat.S_IFIFO, mtime_ns=1), seen(b"a", stat.S_IFIFO), ["metadata a mtime"]),
        (seen(b"a", size=1, mode=0o600), seen(b"a", stat.S_IFIFO), ["modified a kind"]),
        (directory(b"a", mode=0o755), directory(b"a", mode=0o700), ["metadata a mode"]),
        (directory(b"a", mtime_ns=1), directory(b"a", mtime_ns=2), ["metadata a mtime"]),
    ],
)
def test_one_entry_differs_in_what_is_compared(old: Sighting, new: Sighting, told: list[str]) -> None:
    assert changes([old], [new]) == told


def test_hashes_tell_where_both_sides_have_them_by_one_algorithm() -> None:
    old, new = [seen(b"a", hash=ONE)], [seen(b"a", hash=OTHER)]

    assert changes(old, new, algorithms=(BLAKE3, BLAKE3)) == ["modified a hash"]
    assert changes(old, new, algorithms=(BLAKE3, HashAlgorithm.SHA256)) == []
    assert changes(old, [seen(b"a")], algorithms=(BLAKE3, None)) == []
    assert changes(old, [seen(b"a")], algorithms=(BLAKE3, BLAKE3)) == []


def test_an_mtime_is_mere_metadata_of_content_that_is_known_to_be_equal() -> None:
    old, new = [seen(b"a", hash=ONE)], [seen(b"a", hash=ONE, mtime_ns=1)]

    assert changes(old, new, algorithms=(BLAKE3, BLAKE3)) == ["metadata a mtime"]


def test_what_was_beneath_a_directory_that_became_a_file_is_deleted() -> None:
    old = [directory(b"a"), directory(b"a/b"), seen(b"a/b/c")]

    assert changes(old, [seen(b"a")]) == ["modified a kind", "deleted a/b", "deleted a/b/c"]
    assert changes([seen(b"a")], old) == ["modified a kind", "created a/b", "created a/b/c"]


@pytest.mark.parametrize(
    ("children_old", "children_new", "explained"),
    [
        ([], [seen(b"d/a")], True),
        ([seen(b"d/a")], [], True),
        ([seen(b"d/a")], [seen(b"d/a", size=1)], True),
        ([seen(b"d/a")], [seen(b"d/a", stat.S_IFIFO)], True),
        ([seen(b"d/a")], [seen(b"d/a", mode=0o600)], False),
        ([directory(b"d/a")], [directory(b"d/a"), seen(b"d/a/b")], False),
        ([directory(b"d/a", mtime_ns=1)], [directory(b"d/a"), seen(b"d/a/b"), seen(b"d/b")], True),
        ([directory(b"d/a"), seen(b"d/a/b")], [directory(b"d/a", mtime_ns=1)], False),
    ],
)
def test_mtime_of_a_directory_is_news_only_where_nothing_in_it_explains_it(
    children_old: Sequence[Sighting], children_new: Sequence[Sighting], explained: bool
) -> None:
    old, new = [directory(b"d"), *children_old], [directory(b"d", mtime_ns=5), *children_new]

    told = changes(old, new)

    assert ("metadata d mtime" in told) is not explained
    assert told.index("metadata d mtime") == 0 if not explained else True
    assert "metadata d/a mtime" not in told
    assert (
        changes(old, [directory(b"d", mtime_ns=5, mode=0o700), *children_new])[0] == "metadata d mtime mode"
    )


def test_an_open_directory_holds_back_only_what_is_beneath_it() -> None:
    old = [directory(b"a"), directory(b"a/b"), seen(b"a/b/x"), directory(b"c"), seen(b"c/x")]
    new = [directory(b"a", mtime_ns=1), directory(b"a/b", mtime_ns=1), directory(b"c", mtime_ns=1)]

    assert changes(old, new) == ["metadata a mtime", "deleted a/b/x", "deleted c/x"]


@pytest.mark.parametrize("unknown", [b"", b"a", b"a/b"])
def test_beneath_what_is_unknown_nothing_comes_or_goes(unknown: bytes) -> None:
    above = [found for found in (directory(b"a"), directory(b"a/b")) if unknown.startswith(found.path)]
    there = [directory(b"a"), directory(b"a/b"), seen(b"a/b/c"), seen(b"a/b/d", size=1)]
    partial: list[Sighting] = sorted([*above, Failure(unknown, "why")], key=lambda found: found.path)

    told_old, told_new = changes(partial, there), changes(there, partial)

    assert told_old == told_new == [f"unknown {unknown.decode()}"]


def test_unknown_name_is_neither_created_nor_deleted_and_what_is_beside_it_is() -> None:
    old = [seen(b"a"), seen(b"b"), seen(b"b2")]
    new: list[Sighting] = [Failure(b"b", "could not be seen: Input/output error")]

    assert changes(old, new) == ["deleted a", "unknown b", "deleted b2"]
    assert changes(new, old) == ["created a", "unknown b", "created b2"]


def test_what_both_sides_did_see_is_compared_though_more_of_it_is_unknown() -> None:
    old: list[Sighting] = [directory(b"a", mode=0o700), Failure(b"a", "it cannot be listed"), seen(b"f")]
    new: list[Sighting] = [directory(b"a"), seen(b"a/x"), seen(b"f"), Failure(b"f", "cannot be hashed")]

    assert changes(old, new) == ["metadata a mode", "unknown a", "unknown f"]


def test_what_is_gone_as_a_whole_is_deleted_though_its_content_was_unknown() -> None:
    old: list[Sighting] = [directory(b"a"), Failure(b"a", "it cannot be listed"), seen(b"b")]

    assert changes(old, [seen(b"b")]) == ["deleted a", "unknown a"]

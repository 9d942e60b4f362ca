"""A guard trips before the first change, with its figures, or not at all."""

from __future__ import annotations

import os

import pytest

from dirsync.errors import GuardTripped
from dirsync.model.job import Guard, Limit
from dirsync.plan.guards import check_guards
from dirsync.plan.plan import Plan

OFF = Guard(max_delete=None, max_change=None, min_free=None, source_not_empty=False)
SPACE = os.statvfs("/")


def space(*, whole: int, free: int) -> os.statvfs_result:
    return os.statvfs_result((1, 1, whole, free, free, 0, 0, 0, 0, 255))


def plan(
    *,
    scanned: int = 10,
    there: int = 10,
    deleted: int = 0,
    modified: int = 0,
    moved: int = 0,
    copied: int = 0,
    growth: int = 0,
) -> Plan:
    made = Plan()
    made.counts.scanned = scanned
    made.counts.deleted = deleted
    made.counts.modified = modified
    made.counts.moved = moved
    made.counts.bytes_copied = copied
    made.growth_bytes = growth
    made.destination_entries = there
    return made


def check(guard: Guard, made: Plan, *, at: os.statvfs_result = SPACE, allocated: int | None = None) -> None:
    def count() -> int:
        return made.counts.bytes_copied if allocated is None else allocated

    check_guards(guard, made, space=at, allocated=count)


def guard(
    *,
    max_delete: Limit | None = None,
    max_change: Limit | None = None,
    min_free: Limit | None = None,
    source_not_empty: bool = False,
) -> Guard:
    return Guard(
        max_delete=max_delete, max_change=max_change, min_free=min_free, source_not_empty=source_not_empty
    )


def test_guards_that_are_off_let_everything_pass() -> None:
    check(OFF, plan(scanned=0, deleted=10, modified=10, copied=10**18, growth=10**18))


@pytest.mark.parametrize(("limit", "passes"), [(Limit(percent=50), 5), (Limit(absolute=5), 5)])
def test_max_delete_lets_its_bound_pass_and_holds_one_more(limit: Limit, passes: int) -> None:
    check(guard(max_delete=limit), plan(deleted=passes))
    with pytest.raises(GuardTripped, match="guard max_delete: 6 of 10 entries") as tripped:
        check(guard(max_delete=limit), plan(deleted=passes + 1))

    assert "--dry-run" in str(tripped.value)


def test_max_delete_zero_holds_every_deletion() -> None:
    with pytest.raises(GuardTripped, match="max_delete"):
        check(guard(max_delete=Limit(absolute=0)), plan(deleted=1))


def test_max_change_counts_what_is_there_and_would_be_altered() -> None:
    check(guard(max_change=Limit(percent=30)), plan(modified=2, deleted=1))
    with pytest.raises(GuardTripped, match=r"max_change: 4 of 10 .* \(40 %; allowed: 30 %\)"):
        check(guard(max_change=Limit(percent=30)), plan(modified=3, deleted=1))


def test_a_move_is_a_change_and_no_deletion() -> None:
    check(guard(max_delete=Limit(absolute=0)), plan(moved=5))
    with pytest.raises(GuardTripped, match="max_change: 5 of 10"):
        check(guard(max_change=Limit(absolute=4)), plan(moved=5))


def test_an_empty_source_holds_a_destination_that_is_not() -> None:
    check(guard(source_not_empty=True), plan(scanned=0, there=0))
    with pytest.raises(GuardTripped, match="source_not_empty: the source is empty"):
        check(guard(source_not_empty=True), plan(scanned=0, there=3))


def test_min_free_is_what_stays_free_after_the_run() -> None:
    check(guard(min_free=Limit(percent=10)), plan(copied=40, growth=40), at=space(whole=100, free=50))
    with pytest.raises(GuardTripped, match="min_free: 41 bytes are needed and 50 bytes are free"):
        check(guard(min_free=Limit(percent=10)), plan(copied=41, growth=41), at=space(whole=100, free=50))


def test_min_free_does_not_count_holes() -> None:
    sparse = plan(copied=1000, growth=1000)

    check(guard(min_free=Limit(absolute=10)), sparse, at=space(whole=100, free=50), allocated=40)
    with pytest.raises(GuardTripped, match="min_free: 41 bytes"):
        check(guard(min_free=Limit(absolute=10)), sparse, at=space(whole=100, free=50), allocated=41)


def test_a_run_that_writes_nothing_needs_no_space() -> None:
    check(guard(min_free=Limit(percent=10)), plan(deleted=1), at=space(whole=100, free=0))


def test_all_guards_that_trip_are_named() -> None:
    strict = guard(max_delete=Limit(absolute=0), source_not_empty=True)
    with pytest.raises(GuardTripped, match=r"source_not_empty.*max_delete"):
        check(strict, plan(scanned=0, deleted=1))

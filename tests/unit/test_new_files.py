"""New files that are kept together say of each what it would say alone."""

from __future__ import annotations

import stat
import threading
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirsync.errors import Cancelled, RunError
from dirsync.mirror.batch import Done, Limits, batches, carry_out_batch
from dirsync.mirror.steps import Steps
from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.listing import listing_of, other_runs, runs_of
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.plan.plan import Plan

FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777


def entry(
    name: bytes, *, size: int = 1, mode: int = FILE, nlink: int = 1, target: bytes | None = None
) -> Entry:
    return Entry(name, mode, size, 5, 6, 7, 8, 9, 10, nlink, target)


def new_files(*sizes: int, directory: bytes = b"d") -> NewFiles:
    names = [b"%04d" % number for number in range(len(sizes))]
    listing = listing_of([entry(name, size=size) for name, size in zip(names, sizes, strict=True)])
    return NewFiles(directory, listing)


def change_of(path: bytes, *, size: int = 1) -> Change:
    return Change(ChangeKind.CREATED, None, entry(path, size=size))


def test_they_are_what_they_are_one_by_one() -> None:
    files = new_files(1, 0, 3)

    assert (files.entry_count, files.byte_count) == (3, 4)
    assert files.paths() == [b"d/0000", b"d/0001", b"d/0002"]
    assert files.changes() == [
        change_of(b"d/%04d" % number, size=size) for number, size in enumerate((1, 0, 3))
    ]
    assert files.operations() == [Operation(Phase.COPY, change) for change in files.changes()]
    assert NewFiles(b"", files.listing).paths() == [b"0000", b"0001", b"0002"]


def test_plain_files_are_found_among_others() -> None:
    listing = listing_of(
        [
            entry(b"a"),
            entry(b"b", nlink=2),
            entry(b"c", mode=LINK, target=b"x"),
            entry(b"d"),
            entry(b"e"),
            entry(b"f", mode=stat.S_IFDIR | 0o755, size=0),
            entry(b"g", mode=LINK, target=b"y"),
        ]
    )
    runs = listing.plain_files()

    assert listing.rows(runs).entries(b"") == [entry(b"a"), entry(b"d"), entry(b"e")]
    others = other_runs(runs, count=listing.entry_count)
    assert [
        (each.path, each.target) for each in listing.rows(others, targets=listing.targets).entries(b"")
    ] == [
        (b"b", None),
        (b"c", b"x"),
        (b"f", None),
        (b"g", b"y"),
    ]


def test_directory_that_is_empty_has_none() -> None:
    assert list(listing_of([]).plain_files()) == []


@given(st.binary(max_size=12).map(lambda drawn: bytes(byte & 1 for byte in drawn)))
def test_runs_and_the_others_are_all_rows(marks: bytes) -> None:
    runs = runs_of(marks)
    others = other_runs(runs, count=len(marks))

    assert [row for start, end in runs for row in range(start, end)] == [
        at for at, mark in enumerate(marks) if mark
    ]
    assert sorted(row for start, end in [*runs, *others] for row in range(start, end)) == list(
        range(len(marks))
    )
    assert all(start < end for start, end in [*runs, *others])


# Plans


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_plan_gives_them_one_by_one_and_together(batch: int) -> None:
    plan = Plan(batch=batch)
    alone = Operation(Phase.COPY, change_of(b"a"))
    files = new_files(1, 2, 3)
    plan.add(alone)
    plan.add_new_files(files)
    plan.add(Operation(Phase.COPY, change_of(b"z")))

    paths = [b"a", *files.paths(), b"z"]
    assert len(plan) == 5
    assert [step.change.path for step in plan.operations(Phase.COPY)] == paths
    assert [step.change.path for step in plan.steps()] == paths
    assert [change.path for change in plan.changes()] == paths
    assert list(plan.copies())[:2] == [alone, files]
    assert (plan.counts.created, plan.counts.bytes_copied, plan.growth_bytes) == (5, 8, 8)
    other = Plan(batch=batch)
    other.take_over(plan, Phase.COPY, where=lambda path: path.startswith(b"d/"))
    assert [step.change.path for step in other.operations(Phase.COPY)] == files.paths()
    plan.close()


def test_plan_of_which_a_step_was_taken_back_gives_each_by_itself() -> None:
    plan = Plan()
    files = new_files(1, 2)
    plan.add_new_files(files)
    plan.block(files.changes()[0])

    assert list(plan.copies()) == files.operations()[1:]


def test_many_are_planned_in_pieces() -> None:
    plan = Plan()
    plan.add_new_files(new_files(*[1] * 10_000))

    assert [step.entry_count for step in plan.copies() if isinstance(step, NewFiles)] == [4096, 4096, 1808]
    assert len(plan) == plan.counts.created == 10_000


# Batches


@given(
    sizes=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=9), max_size=6),
    most=st.integers(1, 5),
    most_bytes=st.integers(1, 20),
)
def test_batches_hold_all_in_order_and_no_more_than_they_may(
    sizes: list[list[int]], most: int, most_bytes: int
) -> None:
    steps: list[Operation | NewFiles] = []
    for number, each in enumerate(sizes):
        directory = b"%d" % number
        alone = Operation(Phase.COPY, change_of(directory, size=each[0]))
        steps.append(alone if len(each) == 1 else new_files(*each, directory=directory))
    cut = [one_by_one(batch) for batch in batches(iter(steps), Limits(most, most_bytes))]

    assert [step for batch in cut for step in batch] == one_by_one(steps)
    for batch in cut:
        assert 0 < len(batch) <= most
        assert sum(step.change.entry.size for step in batch[:-1]) < most_bytes
    for batch in cut[:-1]:
        full = sum(step.change.entry.size for step in batch) >= most_bytes
        assert full or len(batch) == most


class Carried:
    """Steps of which it is seen how they are carried out: files of one byte go together."""

    def __init__(
        self, *, at_once: int = 100, stops_at: int | None = None, fails_at: bytes | None = None
    ) -> None:
        """`at_once`: so many are tried in one call. `stops_at`: the call that is told to stop.

        `fails_at`: the path at which the run fails.
        """
        self.small = self
        self.ways = ()
        self.alone: list[bytes] = []
        self.tried: list[list[bytes]] = []
        self._at_once = at_once
        self._stops_at = stops_at
        self._fails_at = fails_at

    def foresee(self, together: list[NewFiles], operations: list[Operation]) -> None:
        """Nobody has to be asked."""

    def sorted(self, files: NewFiles) -> tuple[NewFiles, list[Operation]]:
        return files, []

    def made_of(self, files: NewFiles) -> tuple[bytes, int]:
        self.tried.append(files.paths())
        ended = bytes(size == 1 for size in files.sizes()[: self._at_once])
        return ended, sum(ended)

    def told(self, byte_count: int) -> None:
        if len(self.tried) == self._stops_at:
            raise Cancelled("stopped", signal_number=15)

    def stages(self, operation: Operation) -> bool:
        return False

    def attempt(self, operation: Operation) -> None:
        if operation.change.path == self._fails_at:
            raise RunError("the far end is lost")
        self.alone.append(operation.change.path)


def carried(steps: Carried, *batch: Operation | NewFiles) -> Done:
    return carry_out_batch(
        cast(Steps, steps), list(batch), stopping=threading.Event(), stops_on_failure=False
    )


def test_what_is_left_is_not_tried_together_again() -> None:
    steps = Carried(at_once=2)
    files = new_files(1, 2, 2, 1, 1)
    alone = Operation(Phase.COPY, change_of(b"a"))
    done = carried(steps, alone, files)

    assert steps.tried == [files.paths(), files.paths()[2:], files.paths()[4:]]
    assert steps.alone == [b"d/0001", b"d/0002", b"a"]
    assert [path for made in done.made for path in made.paths()] == [b"d/0000", b"d/0003", b"d/0004"]
    assert [ended.operation.change.path for ended in done.ended] == steps.alone


def test_what_was_made_is_told_though_it_is_stopped() -> None:
    files = new_files(1, 1, 1, 1)
    done = carried(Carried(at_once=2, stops_at=1), files)

    assert [path for made in done.made for path in made.paths()] == files.paths()[:2]
    assert not done.ended


def test_what_was_made_is_told_though_the_run_failed() -> None:
    files = new_files(1, 1, 2)
    steps = Carried(fails_at=b"d/0002")
    done = carried(steps, Operation(Phase.COPY, change_of(b"a")), files)

    assert [path for made in done.made for path in made.paths()] == files.paths()[:2]
    assert str(done.error) == "the far end is lost"


def one_by_one(steps: list[Operation | NewFiles]) -> list[Operation]:
    return [
        operation
        for step in steps
        for operation in (step.operations() if isinstance(step, NewFiles) else [step])
    ]

"""From changes to steps: order, and what must not be removed."""

from __future__ import annotations

import stat

from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.job import DeletePolicy
from dirsync.model.operation import Phase
from dirsync.plan.plan import Plan
from dirsync.plan.planner import Planner
from dirsync.trees.handles import ancestors

DIRECTORY = stat.S_IFDIR | 0o755
FILE = stat.S_IFREG | 0o644


def entry(path: bytes, mode: int = FILE, size: int = 10) -> Entry:
    return Entry(path, mode, 0 if mode == DIRECTORY else size, 0, 0, 0, 0, 1, 1, 1, None)


def created(path: bytes, mode: int = FILE, *, selected: bool = True) -> Change:
    return Change(ChangeKind.CREATED, None, entry(path, mode), selected=selected)


def deleted(path: bytes, mode: int = FILE, *, selected: bool = True) -> Change:
    return Change(ChangeKind.DELETED, entry(path, mode), None, selected=selected)


def replaced(path: bytes, old: int, new: int) -> Change:
    return Change(ChangeKind.MODIFIED, entry(path, old), entry(path, new), frozenset({Aspect.KIND}))


def planned(
    *changes: Change, kept: tuple[bytes, ...] = (), delete: DeletePolicy = DeletePolicy.REMOVE
) -> Plan:
    planner = Planner(Plan(batch=2), delete=delete)
    for change in changes:
        planner.add_change(change)
    for path in kept:
        planner.add_kept(path)
    return planner.finish()


def paths(plan: Plan, phase: Phase) -> list[bytes]:
    return [operation.change.path for operation in plan.operations(phase)]


def test_directories_are_made_top_down_and_finished_bottom_up() -> None:
    plan = planned(created(b"a", DIRECTORY), created(b"a/b", DIRECTORY), created(b"a/b/f"))

    assert paths(plan, Phase.MAKE_DIRECTORIES) == [b"a", b"a/b"]
    assert paths(plan, Phase.COPY) == [b"a/b/f"]
    assert paths(plan, Phase.FINISH_DIRECTORIES) == [b"a/b", b"a"]
    assert plan.counts.created == 3


def test_deletion_goes_bottom_up() -> None:
    plan = planned(deleted(b"a", DIRECTORY), deleted(b"a/b", DIRECTORY), deleted(b"a/b/f"))

    assert paths(plan, Phase.DELETE) == [b"a/b/f", b"a/b", b"a"]
    assert plan.counts.deleted == 3


def test_a_directory_that_holds_something_kept_stays_and_so_do_those_above() -> None:
    plan = planned(
        deleted(b"a", DIRECTORY), deleted(b"a/b", DIRECTORY), deleted(b"a/b/f"), kept=(b"a/b/excluded",)
    )

    assert paths(plan, Phase.DELETE) == [b"a/b/f"]
    assert plan.counts.deleted == 1


def test_nothing_is_deleted_where_the_job_says_keep() -> None:
    plan = planned(deleted(b"a", DIRECTORY), deleted(b"a/f"), delete=DeletePolicy.KEEP)

    assert len(plan) == 0
    assert plan.counts.changes == 0


def test_a_directory_is_emptied_before_a_file_replaces_it() -> None:
    plan = planned(
        replaced(b"a", DIRECTORY, FILE), deleted(b"a/b", DIRECTORY), deleted(b"a/b/f"), deleted(b"z")
    )

    assert paths(plan, Phase.MAKE_WAY) == [b"a/b/f", b"a/b"]
    assert paths(plan, Phase.COPY) == [b"a"]
    assert paths(plan, Phase.DELETE) == [b"z"]


def test_a_directory_that_must_keep_something_is_not_replaced_and_that_is_a_failure() -> None:
    plan = planned(replaced(b"a", DIRECTORY, FILE), kept=(b"a/excluded",))

    assert paths(plan, Phase.COPY) == []
    assert [failure.path for failure in plan.failures] == [b"a"]
    assert plan.counts.modified == 0
    assert plan.counts.bytes_copied == 0


def test_a_directory_wanted_for_its_content_is_made_only_with_content() -> None:
    plan = planned(
        created(b"a", DIRECTORY, selected=False),
        created(b"a/b", DIRECTORY, selected=False),
        created(b"a/c", DIRECTORY, selected=False),
        created(b"a/c/f"),
    )

    assert paths(plan, Phase.MAKE_DIRECTORIES) == [b"a", b"a/c"]


def test_a_directory_not_selected_is_deleted_only_with_content() -> None:
    plan = planned(
        deleted(b"a", DIRECTORY, selected=False),
        deleted(b"a/empty", DIRECTORY, selected=False),
        deleted(b"b", DIRECTORY, selected=False),
        deleted(b"b/f"),
        kept=(),
    )

    assert paths(plan, Phase.DELETE) == [b"b/f", b"b"]


def test_a_directory_stays_with_one_in_it_that_is_not_selected() -> None:
    plan = planned(
        deleted(b"b", DIRECTORY, selected=False),
        deleted(b"b/empty", DIRECTORY, selected=False),
        deleted(b"b/f"),
    )

    assert paths(plan, Phase.DELETE) == [b"b/f"]
    assert plan.counts.deleted == 1
    assert b"b" in plan.holding_kept


def test_growth_counts_what_is_freed_and_the_copy_that_is_there_twice() -> None:
    old, new = entry(b"f", size=100), entry(b"f", size=30)
    plan = planned(Change(ChangeKind.MODIFIED, old, new, frozenset({Aspect.SIZE})), created(b"g"))

    assert plan.growth_bytes == -70 + 10
    assert plan.largest_copy_bytes == 30
    assert plan.counts.bytes_copied == 40


def test_ancestors_are_the_nearest_first_without_the_root() -> None:
    assert list(ancestors(b"a/b/c")) == [b"a/b", b"a"]
    assert list(ancestors(b"a")) == []

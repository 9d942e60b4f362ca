"""What is packed comes back as it was."""

from __future__ import annotations

import itertools
import stat

from dirsync.model.change import Aspect, Change, ChangeKind, Leader
from dirsync.model.entry import Entry
from dirsync.model.operation import Operation, Phase
from dirsync.plan.packing import CHANGES, STEPS

FILE = Entry(b"a/\xff\n", stat.S_IFREG | 0o6755, 2**62, -1, 2**63 - 1, 2**32 - 1, 0, 2**64 - 1, 1, 1, None)
LINK = Entry(b"l", stat.S_IFLNK | 0o777, 0, 2**70, 0, 0, 0, 0, 0, 2, b"to")
LEADERS = [None, Leader(b"lead", None), Leader(b"lead", FILE)]
ASPECTS: list[frozenset[Aspect]] = [frozenset(), frozenset(Aspect)]
SIDES = [(None, FILE), (LINK, None), (FILE, LINK)]


def some_changes() -> list[Change]:
    return [
        Change(kind, old, new, aspects, selected, leader, is_whole)
        for kind, (old, new), aspects, selected, leader, is_whole in itertools.product(
            ChangeKind, SIDES, ASPECTS, [True, False], LEADERS, [True, False]
        )
    ]


def test_changes_come_back_as_they_were() -> None:
    changes = some_changes()

    unpacked = CHANGES.unpack(CHANGES.pack(changes))

    assert unpacked == changes
    assert {type(change) for change in unpacked} == {Change}
    assert {type(change.new) for change in unpacked} == {Entry, type(None)}


def test_operations_come_back_as_they_were() -> None:
    operations = [
        Operation(phase, change, counted)
        for phase, change, counted in itertools.product(Phase, some_changes()[:30], [True, False])
    ]

    unpacked = STEPS.unpack(STEPS.pack(operations))

    assert unpacked == operations
    assert all(type(each) is Operation and type(each.phase) is Phase for each in unpacked)

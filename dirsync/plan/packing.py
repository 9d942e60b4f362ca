"""Steps and changes as bytes: what a long plan is kept as, packed and unpacked many at a time.

Plain tuples go through `marshal` in a third of the time that the objects take through `pickle`.
The bytes are read back by the process that wrote them, and by no other.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any, TypeAlias

from dirsync.model.change import Aspect, Change, ChangeKind, Leader
from dirsync.model.entry import Entry
from dirsync.model.listing import Listing
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.plan.spill import Packing

_KINDS = {kind.value: kind for kind in ChangeKind}
_PHASES = tuple(Phase)
Step: TypeAlias = Operation | NewFiles  # of a plan; the latter is several
_new = tuple.__new__  # what the constructor of a NamedTuple comes to, without its detour
_NO_ASPECTS: frozenset[Aspect] = frozenset()


def _pack_steps(steps: Sequence[Step]) -> bytes:
    """Pack steps."""
    return marshal.dumps([_row_of_step(step) for step in steps])


def _row_of_step(step: Step) -> tuple[Any, ...]:
    if isinstance(step, NewFiles):
        return step.directory, tuple(step.listing)
    phase, change, counted = step
    return int(phase), _row_of_change(change), counted


def _unpack_steps(packed: bytes) -> list[Step]:
    """Give the steps that were packed."""
    return [_step_of_row(row) for row in marshal.loads(packed)]


def _step_of_row(row: tuple[Any, ...]) -> Step:
    if len(row) == len(NewFiles._fields):
        directory, columns = row
        return NewFiles(directory, _new(Listing, columns))
    phase, change, counted = row
    return _new(Operation, (_PHASES[phase], _change_of_row(change), counted))


def _pack_changes(changes: Sequence[Change]) -> bytes:
    """Pack changes."""
    return marshal.dumps([_row_of_change(change) for change in changes])


def _unpack_changes(packed: bytes) -> list[Change]:
    """Give the changes that were packed."""
    return [_change_of_row(row) for row in marshal.loads(packed)]


def _row_of_change(change: Change) -> tuple[Any, ...]:
    kind, old, new, aspects, selected, leader, is_whole = change
    return (
        kind._value_,
        None if old is None else tuple(old),
        None if new is None else tuple(new),
        [aspect.value for aspect in aspects] if aspects else None,
        selected,
        None if leader is None else (leader.path, None if leader.entry is None else tuple(leader.entry)),
        is_whole,
    )


def _change_of_row(row: tuple[Any, ...]) -> Change:
    kind, old, new, aspects, selected, leader, is_whole = row
    return _new(
        Change,
        (
            _KINDS[kind],
            None if old is None else _new(Entry, old),
            None if new is None else _new(Entry, new),
            _NO_ASPECTS if aspects is None else frozenset(map(Aspect, aspects)),
            selected,
            None if leader is None else Leader(leader[0], None if leader[1] is None else Entry(*leader[1])),
            is_whole,
        ),
    )


STEPS = Packing(_pack_steps, _unpack_steps)
CHANGES = Packing(_pack_changes, _unpack_changes)

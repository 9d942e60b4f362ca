"""Decisions: one step each, carried out only if the destination still holds what was expected."""

from __future__ import annotations

import enum
from typing import NamedTuple

from dirsync.model.change import Change


class Phase(enum.IntEnum):
    """The steps of a mirror, in the order that cannot hurt."""

    SWEEP = 0  # remove temporary files that a killed run left
    MAKE_WAY = 1  # empty directories that something else replaces; bottom-up
    MAKE_DIRECTORIES = 2  # top-down
    MOVE = 3  # renames, and what makes way and is made within what was renamed, as decided
    COPY = 4  # files, symlinks and metadata; in parallel
    DELETE = 5  # bottom-up
    FINISH_DIRECTORIES = 6  # metadata of directories; bottom-up


BOTTOM_UP = frozenset({Phase.MAKE_WAY, Phase.DELETE, Phase.FINISH_DIRECTORIES})


class Operation(NamedTuple):
    """One step: the phase says what is done, the change to what."""

    phase: Phase
    change: Change
    counted: bool = True  # False: it serves another change that is counted

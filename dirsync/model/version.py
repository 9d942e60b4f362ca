"""What a destination was before a run, path by path: enough to see it as it was."""

from __future__ import annotations

import enum
from typing import NamedTuple

from dirsync.model.entry import Entry


class BeforeKind(enum.Enum):
    """What a run did to a path, as far as going back is concerned."""

    OBJECT = "object"  # what was there was displaced, and is kept
    ABSENT = "absent"  # nothing was there, nor beneath
    METADATA = "metadata"  # the object is the same, and had other metadata
    MOVED = "moved"  # the object was at another path


class Before(NamedTuple):
    """What was at one path before a run."""

    path: bytes
    kind: BeforeKind
    entry: Entry | None  # what was there (of MOVED: with the path where it was); None: ABSENT


class Version(NamedTuple):
    """One object that a run displaced, as it can be restored."""

    run_id: int
    displaced_at: str  # when that run began: ISO 8601, UTC
    path: bytes
    entry: Entry

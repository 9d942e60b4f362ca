"""Figures about changes: what a report is made of."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from msgspec import Struct, field

from dirsync.model.change import ChangeKind
from dirsync.model.result import Counts, Outcome


class Glimpse(NamedTuple):
    """One change, as far as it takes to count it."""

    change_id: int
    run_id: int
    path: bytes
    kind: ChangeKind
    is_directory: bool
    size: int  # bytes of a file, as it is now, or was where it is deleted; else 0


class SubtreeTally(Struct, frozen=True, kw_only=True):
    """What changed in one part of a tree."""

    path: bytes  # a directory; the empty one: the root itself
    counts: Counts
    bytes_grown: int  # by how much its files came to more; negative: to less


class SpanTally(Struct, frozen=True, kw_only=True):
    """What the runs of one span of time recorded."""

    begins_at: datetime.datetime  # aware
    runs: int = 0
    changes: int = 0
    bytes_added: int = 0
    bytes_modified: int = 0
    bytes_deleted: int = 0
    entries: int | None = None  # in the catalog at its end; None: no run was in it
    bytes_total: int | None = None


class RunsTally(Struct, frozen=True, kw_only=True):
    """How the runs of one job ended, as the ledger tells; dry runs do not count."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)  # of runs that have ended
    counts: Counts = field(default_factory=Counts)

    @property
    def total(self) -> int:
        """How many runs ended."""
        return sum(self.outcomes.values())

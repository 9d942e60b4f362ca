"""The answer: what came of a run."""

from __future__ import annotations

import datetime
import enum

from msgspec import Struct, field

from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import JobType


class Outcome(enum.Enum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    HELD = "held"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    CRASHED = "crashed"  # only in the ledger: closed by the run that came after


class Counts(Struct, kw_only=True):
    """What a run saw and did; entries, but for the bytes."""

    scanned: int = 0  # source entries, root excluded
    created: int = 0
    modified: int = 0
    metadata: int = 0
    moved: int = 0
    deleted: int = 0
    failed: int = 0
    bytes_copied: int = 0

    def count(self, change: Change, *, by: int = 1) -> None:
        """Count a change, and the bytes of a file that is copied for it."""
        match change.kind:
            case ChangeKind.CREATED:
                self.created += by
            case ChangeKind.MODIFIED:
                self.modified += by
            case ChangeKind.METADATA:
                self.metadata += by
            case ChangeKind.MOVED:
                self.moved += by
            case ChangeKind.DELETED:
                self.deleted += by
        self.bytes_copied += by * change.bytes_to_copy

    @property
    def changes(self) -> int:
        """How many paths differed."""
        return self.created + self.modified + self.metadata + self.moved + self.deleted


class RunResult(Struct, frozen=True, kw_only=True):
    """What came of one run of one job."""

    job: str
    run_id: int
    type: JobType
    outcome: Outcome
    dry_run: bool
    started_at: datetime.datetime  # aware, UTC
    finished_at: datetime.datetime
    counts: Counts = field(default_factory=Counts)
    error: str | None = None  # None: nothing went wrong as a whole
    signal_number: int | None = None  # of CANCELLED: the signal; None: a time limit or no signal

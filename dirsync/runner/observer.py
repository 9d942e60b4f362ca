"""What a run tells whoever watches it, as it happens.

The runner calls, the command line shows; nothing here is kept. Calls come from
one thread at a time.
"""

from __future__ import annotations

import enum
from typing import Protocol

from msgspec import Struct

from dirsync.model.change import Change, Changes, Failure
from dirsync.model.result import RunResult


class Stage(enum.Enum):
    """The stages a person sees go by."""

    SCAN = "scan"
    MIRROR = "mirror"
    SYNC_DISK = "sync disk"  # making the result durable
    VERIFY = "verify"  # reading it back
    RECORD = "record"  # into the catalog


class Totals(Struct, frozen=True, kw_only=True):
    """What a finished plan will do."""

    operations: int
    bytes_to_copy: int


class Observer(Protocol):
    """Watches one run."""

    def stage(self, stage: Stage) -> None:
        """A stage begins."""

    def scanned(self, entries: int) -> None:
        """So many source entries were seen so far (not since the last call)."""

    def planned(self, totals: Totals) -> None:
        """The plan is complete and passed its guards."""

    def progressed(self, operations: int, bytes_copied: int) -> None:
        """So many operations and bytes are done so far (not since the last call)."""

    def changed(self, change: Change) -> None:
        """One path was changed; in a dry run or a check job: differs."""

    def created(self, many: Changes) -> None:
        """Many paths were changed: what `changed` says, of each of them."""

    def failed(self, failure: Failure) -> None:
        """One path was given up."""

    def noticed(self, text: str) -> None:
        """Something a person should know that is no failure, once a run."""

    def finished(self, result: RunResult) -> None:
        """The run is over; always the last call."""


class Silent:
    """An observer that shows nothing."""

    def stage(self, stage: Stage) -> None: ...
    def scanned(self, entries: int) -> None: ...
    def planned(self, totals: Totals) -> None: ...
    def progressed(self, operations: int, bytes_copied: int) -> None: ...
    def changed(self, change: Change) -> None: ...
    def created(self, many: Changes) -> None:
        for change in many.changes():
            self.changed(change)

    def failed(self, failure: Failure) -> None: ...
    def noticed(self, text: str) -> None: ...
    def finished(self, result: RunResult) -> None: ...

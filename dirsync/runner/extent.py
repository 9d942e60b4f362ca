"""How many entries a destination has, for runs that look at a few directories alone.

Guards set what a run deletes against all that is there. A complete pass knows that, and
remembers it for the runs between it and the next.
"""

from __future__ import annotations

from dirsync.errors import RunError
from dirsync.model.job import MirrorJob
from dirsync.plan.plan import Plan
from dirsync.runner.ledger import Ledger

_ENTRIES = "destination entries"


class Extent:
    """What is known of the extent of one job's destination; every call may raise `RunError`."""

    def __init__(self, job: MirrorJob, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger
        self._entries: int | None = None  # None: this run did not count them

    @property
    def is_known(self) -> bool:
        """Whether a complete pass has counted."""
        return self._recalled() is not None

    def note(self, plan: Plan, *, is_whole: bool) -> None:
        """Take over what a complete pass saw, or tell a plan that was made of less what is known."""
        if is_whole:
            self._entries = plan.destination_entries + plan.counts.created - plan.counts.deleted
            return
        known = self._recalled()
        if known is None:
            raise RunError(f"'{self._job.name}': no complete pass is on record")
        plan.destination_entries = max(known, plan.destination_entries)

    def remember(self) -> None:
        """Remember what a complete pass saw, where runs that see less may follow."""
        if self._entries is not None and self._job.watch:
            self._ledger.remember(self._job.name, _ENTRIES, str(self._entries))

    def _recalled(self) -> int | None:
        text = self._ledger.recall(self._job.name, _ENTRIES)
        return int(text) if text else None

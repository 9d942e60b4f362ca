"""Letting a finished plan pass its guards, or holding it until somebody approves it."""

from __future__ import annotations

import os

from dirsync.errors import GuardTripped
from dirsync.model.job import MirrorJob
from dirsync.plan.guards import check_guards
from dirsync.plan.plan import Plan
from dirsync.runner.ledger import Ledger
from dirsync.runner.places import Places, nearest_destination
from dirsync.runner.scanning import allocated_bytes
from dirsync.runner.source_identity import check_source


class Judging:
    """Judges the plan of one run; a plan that is held goes to the state directory."""

    def __init__(self, job: MirrorJob, places: Places, *, ledger: Ledger, state: str) -> None:
        self._job = job
        self._places = places
        self._ledger = ledger
        self._state = state

    def judge(self, plan: Plan, *, holds: bool, saves: bool) -> str | None:
        """Let a plan pass, or hold it if the run `holds` what trips; tell what was saved, None: nothing.

        `saves`: hold it though it passes.

        Raises:
            GuardTripped: it did not pass; the message says by which guards, and where it is held.
        """
        try:
            self._check_guards(plan)
        except GuardTripped as tripped:
            if not holds:
                raise
            held = self._hold(plan, reason=str(tripped))
            raise GuardTripped(f"{tripped}; {held}") from None
        return self._hold(plan, reason=None) if saves else None

    def _hold(self, plan: Plan, *, reason: str | None) -> str:
        from dirsync.runner.held import hold  # few plans are held

        return hold(self._job, self._places, plan, state=self._state, reason=reason)

    def _check_guards(self, plan: Plan) -> None:
        space = os.statvfs(nearest_destination(self._job, self._places))
        check_guards(self._job.guard, plan, space=space, allocated=lambda: allocated_bytes(self._job, plan))
        if plan.counts.deleted:
            remedy = "run once with 'delete: keep'"
            lost = f"{plan.counts.deleted:,} entries would be deleted"
            check_source(self._job, self._ledger, lost=lost, remedy=remedy)

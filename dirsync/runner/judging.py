"""Letting a finished plan pass its guards, or holding it until somebody approves it."""

from __future__ import annotations

import os

from dirsync.errors import GuardTripped
from dirsync.model.job import Job, MirrorJob
from dirsync.plan.guards import check_guards
from dirsync.plan.plan import Plan
from dirsync.runner.held import hold
from dirsync.runner.ledger import Ledger
from dirsync.runner.places import Places, nearest_destination
from dirsync.runner.scanning import allocated_bytes
from dirsync.trees.mounts import file_system_identity

_SOURCE_IDENTITY = "source file system"


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
            held = hold(self._job, self._places, plan, state=self._state, reason=str(tripped))
            raise GuardTripped(f"{tripped}; {held}") from None
        return hold(self._job, self._places, plan, state=self._state, reason=None) if saves else None

    def _check_guards(self, plan: Plan) -> None:
        space = os.statvfs(nearest_destination(self._job, self._places))
        check_guards(self._job.guard, plan, space=space, allocated=lambda: allocated_bytes(self._job, plan))
        if plan.counts.deleted:
            remedy = "run once with 'delete: keep'"
            check_source(self._job, self._ledger, deleted=plan.counts.deleted, remedy=remedy)


def check_source(job: Job, ledger: Ledger, *, deleted: int, remedy: str) -> None:
    """Check that the source is the one of the last run before anything counts as deleted.

    Raises:
        GuardTripped: it is on another file system.
    """
    before = ledger.recall(job.name, _SOURCE_IDENTITY)
    now = file_system_identity(job.source.path)
    if before and now and before != now:
        raise GuardTripped(
            f"guard source: the source is on another file system than on the last run (it was {before}, "
            f"it is {now}), and {deleted:,} entries would be deleted; "
            f"mount the right one, or, if this one is right, {remedy}"
        )


def remember_source(job: Job, ledger: Ledger) -> None:
    """Keep which file system the source is on, for the next run's guard."""
    identity = file_system_identity(job.source.path)
    if identity is not None:
        ledger.remember(job.name, _SOURCE_IDENTITY, identity)

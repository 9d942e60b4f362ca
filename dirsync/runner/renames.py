"""What moves have to do with each stage of a run: pairing, remembering, and being refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dirsync.march.found import Context
from dirsync.model.change import Change
from dirsync.model.job import DeletePolicy, JobType, MirrorJob
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation
from dirsync.model.stop import Deadline
from dirsync.plan.plan import Plan
from dirsync.runner.identities import Identities
from dirsync.runner.ledger import Ledger
from dirsync.runner.rot import RotSieve

_REFUSED = "a move was refused"


class Renames:
    """The moves of one run, from its plan to its record; every call may raise `RunError`."""

    def __init__(self, job: MirrorJob, ledger: Ledger, *, folder: str) -> None:
        """Serve a job whose places are pinned; `folder` is for what does not fit in memory."""
        self._job = job
        self._ledger = ledger
        self._folder = folder
        self._identities = Identities(job, ledger, folder=folder)
        self._in_force = job.moves and job.type is JobType.SYNC and job.delete is not DeletePolicy.KEEP

    def pair(
        self, plan: Plan, context: Callable[[], Context], *, sieve: RotSieve, deadline: Deadline
    ) -> Plan:
        """Give a plan in which what moved is moved, or the same plan.

        After a run in which the system refused a move nothing is paired: it would be refused again.
        """
        counts = plan.counts
        if not (self._in_force and counts.created and counts.deleted):
            return plan
        if self._ledger.recall(self._job.name, _REFUSED):
            return plan
        from dirsync.runner.moving import find_moves  # few runs have anything to pair

        try:
            return find_moves(
                self._job,
                plan,
                context(),
                self._identities,
                sieve=sieve,
                deadline=deadline,
                folder=self._folder,
            )
        except BaseException:
            plan.close()
            raise

    def before_first_step(self, plan: Plan) -> None:
        """Forget what the run is about to make untrue."""
        if not len(plan):
            return
        if self._in_force:
            self._identities.release(plan)
        else:
            self._identities.clear()

    def note(self, operation: Operation) -> None:
        """Note a step that was carried out."""
        if self._in_force:
            self._identities.note(operation)

    def note_made(self, changes: Sequence[Change]) -> None:
        """Note files and symlinks that were copied to where there was nothing."""
        if self._in_force:
            self._identities.note_made(changes)

    def note_made_files(self, files: NewFiles) -> None:
        """Note files that were planned together, and copied to where there was nothing."""
        if self._in_force:
            self._identities.note_made_files(files)

    def after_last_step(self, *, refused: bool) -> None:
        """Remember whether the system refused a move."""
        if refused or self._ledger.recall(self._job.name, _REFUSED):
            self._ledger.remember(self._job.name, _REFUSED, "1" if refused else "")

    def record(self, plan: Plan) -> None:
        """Remember what was carried out; call it when that is durable."""
        if self._in_force:
            self._identities.record(plan)

"""Having what a run wrote on the disk before the ledger says so."""

from __future__ import annotations

from collections.abc import Set

from dirsync.errors import RunError
from dirsync.model.job import Durability, MirrorJob
from dirsync.model.result import Outcome
from dirsync.plan.plan import Plan
from dirsync.runner.ledger import Ledger
from dirsync.trees import fsops
from dirsync.trees.local import open_tree


def needs_barrier(job: MirrorJob, plan: Plan, ledger: Ledger) -> bool:
    """Whether there may be something to make durable, of this run or of one that was cut off before."""
    if job.durability is Durability.NONE:
        return False
    last = ledger.last_run(job.name, outcomes=frozenset(Outcome))
    return bool(len(plan)) or last is None or last.outcome is not Outcome.SUCCEEDED


def make_durable(job: MirrorJob, *, mounts: Set[bytes]) -> None:
    """Flush the destination's file system, and those at `mounts` within it.

    Raises:
        RunError: some of it could not be written.
        OSError: the root is gone.
    """
    with open_tree(job.destination) as tree:
        try:
            for path in (b"", *sorted(mounts)):
                fsops.sync_file_system(tree.handles.handle(path))
        except OSError as error:
            what = f"'{job.name}': what was written cannot be made durable"
            raise RunError(f"{what}: {error.strerror}") from error

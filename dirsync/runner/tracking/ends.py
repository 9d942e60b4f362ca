"""How each job ended in its catalog, known outside of it: in the ledger.

Without that, a catalog that was cut short, or an older copy of it, would be sound. Before
anything is committed the ledger notes the end that the job has and the one it is about to
have, and after that the new one alone: whenever the program is cut off, the end that the
catalog has is among those noted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from dirsync.catalog.recording import Ending
from dirsync.errors import RunError
from dirsync.model.job import Job
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import Ledger

_ENDS = "catalog ends"


class End(NamedTuple):
    """Where the chains of a job end."""

    run_id: int  # 0: no run was recorded yet
    link: str  # hexadecimal, as the other
    acceptance_link: str

    @classmethod
    def of(cls, known: CatalogJob) -> End:
        """Give the end that a job has in its catalog."""
        return cls(known.last_run or 0, known.link.hex(), known.acceptance_link.hex())


def ending(ledger: Ledger, job: str, *, before: CatalogJob) -> Ending:
    """Give what notes the end of a job around the transaction that alters it."""

    @contextlib.contextmanager
    def noted(after: CatalogJob) -> Iterator[None]:
        note_end(ledger, job, before, after)
        yield
        note_end(ledger, job, after)

    return noted


def note_end(ledger: Ledger, job: str, *known: CatalogJob) -> None:
    """Note how a job ends in its catalog; more than one: in one of these ways."""
    ledger.remember(job, _ENDS, json.dumps([End.of(each) for each in known]))


def forget_end(ledger: Ledger, job: str) -> None:
    """Let it be unknown how a job ends in its catalog."""
    ledger.forget(job, _ENDS)


def noted_ends(ledger: Ledger, job: str) -> list[End]:
    """List how a job may end in its catalog; nothing: that is not known."""
    noted = ledger.recall(job, _ENDS)
    return [] if noted is None else [End(*each) for each in json.loads(noted)]


def check_end(job: Job, known: CatalogJob, ledger: Ledger) -> None:
    """Check that a job ends in its catalog as it was left.

    Raises:
        RunError: it does not: the catalog is an older copy, or was altered.
    """
    fault = fault_of_end(known, noted_ends(ledger, job.name))
    if fault is not None:
        raise RunError(
            f"'{job.name}': {fault}; put the right catalog back, or, if this is a copy that you put back "
            f"yourself, go on with it by 'dirsync catalog init {job.name} --as-is'"
        )


def fault_of_end(known: CatalogJob, noted: list[End]) -> str | None:
    """Say how the end of a job is another than one of those noted; None: it is one."""
    end = End.of(known)
    if not noted or end in noted:
        return None
    left = noted[-1]
    if end.run_id < min(each.run_id for each in noted):
        last = f"ends with run {end.run_id}" if end.run_id else "has no run"
        return (
            f"its catalog {last}, but run {left.run_id} was recorded: it is an older copy, or was cut short"
        )
    if end.run_id > left.run_id:
        return f"its catalog ends with run {end.run_id}, but run {left.run_id} was the last to be recorded"
    if end.link != left.link:
        return f"run {end.run_id} in its catalog is another one than was recorded"
    return "what was accepted is not in its catalog, or more than that"

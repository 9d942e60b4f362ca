"""One job through its stages, from the lock to the ledger.

Look at both ends → scan and compare → plan → guards → mirror → make durable → ledger.
A dry run is the same up to the guards; so is a check job.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator

from dirsync.errors import Cancelled, GuardTripped, RunError, Skipped
from dirsync.model.job import Job
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.context import running, set_run_id
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Observer
from dirsync.runner.stages import Stages
from dirsync.trees.handles import allow_many_handles

logger = logging.getLogger(__name__)

NO_RUN_ID = 0  # of a run that could not be entered in the ledger


def run_job(job: Job, *, state: str, observer: Observer, stop: Stop, dry_run: bool = False) -> RunResult:
    """Run one job once, and tell how it ended; a run that fails raises nothing.

    `state` is the state directory: ledger, locks, long plans.
    """
    started_at = _now()
    allow_many_handles()
    with running(job.name):
        try:
            with open_ledger(state) as ledger:
                result = _run_in_ledger(job, ledger, state, observer, stop, dry_run, started_at)
        except RunError as error:  # the ledger itself
            result = _result(job, NO_RUN_ID, started_at, Counts(), dry_run=dry_run, error=error)
        _log(result)
        observer.finished(result)
    return result


def _run_in_ledger(
    job: Job,
    ledger: Ledger,
    state: str,
    observer: Observer,
    stop: Stop,
    dry_run: bool,  # noqa: FBT001
    started_at: datetime.datetime,
) -> RunResult:
    counts = Counts()
    run_id: int | None = None
    error: RunError | None = None
    try:
        with _lock(job, state, dry_run=dry_run):
            if not dry_run:
                ledger.close_crashed(job.name)
            run_id = _begin(job, ledger, started_at, dry_run=dry_run)
            deadline = Deadline(stop, timeout_seconds=job.timeout_seconds)
            stages = Stages(
                job,
                ledger,
                run_id=run_id,
                started_at=started_at,
                state=state,
                observer=observer,
                deadline=deadline,
                dry_run=dry_run,
                counts=counts,
            )
            try:
                stages.run()
            except RunError as caught:
                error = caught
            result = _result(job, run_id, started_at, counts, dry_run=dry_run, error=error)
            ledger.finish(result)
            return result
    except Skipped as busy:
        run_id = _begin(job, ledger, started_at, dry_run=dry_run)
        result = _result(job, run_id, started_at, counts, dry_run=dry_run, error=busy)
        ledger.finish(result)
        return result


@contextlib.contextmanager
def _lock(job: Job, state: str, *, dry_run: bool) -> Iterator[None]:
    """Hold the job's lock; a dry run changes nothing and needs none."""
    if dry_run:
        yield
        return
    with locked_job(state, job.name):
        yield


def _begin(job: Job, ledger: Ledger, started_at: datetime.datetime, *, dry_run: bool) -> int:
    run_id = ledger.begin(job=job.name, type=job.type, started_at=started_at, dry_run=dry_run)
    set_run_id(run_id)
    return run_id


def _result(
    job: Job,
    run_id: int,
    started_at: datetime.datetime,
    counts: Counts,
    *,
    dry_run: bool,
    error: RunError | None,
) -> RunResult:
    return RunResult(
        job=job.name,
        run_id=run_id,
        type=job.type,
        outcome=_outcome(counts, error),
        dry_run=dry_run,
        started_at=started_at,
        finished_at=_now(),
        counts=counts,
        error=str(error) if error is not None else None,
        signal_number=error.signal_number if isinstance(error, Cancelled) else None,
    )


def _outcome(counts: Counts, error: RunError | None) -> Outcome:
    match error:
        case None:
            return Outcome.PARTIAL if counts.failed else Outcome.SUCCEEDED
        case GuardTripped():
            return Outcome.HELD
        case Skipped():
            return Outcome.SKIPPED
        case Cancelled() if error.signal_number is not None:
            return Outcome.CANCELLED
        case _:
            return Outcome.FAILED


def _log(result: RunResult) -> None:
    level = logging.ERROR if result.outcome is Outcome.FAILED else logging.INFO
    counts = result.counts
    logger.log(
        level,
        "run ended: %s; %d scanned, %d created, %d modified, %d metadata, %d moved, %d deleted, %d failed%s",
        result.outcome.value,
        counts.scanned,
        counts.created,
        counts.modified,
        counts.metadata,
        counts.moved,
        counts.deleted,
        counts.failed,
        f"; {result.error}" if result.error else "",
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

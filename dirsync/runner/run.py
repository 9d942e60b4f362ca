"""One job through its stages, from the lock to the ledger.

Look at both ends → scan and compare → plan → guards → mirror → make durable → ledger.
A dry run is the same up to the guards; so is a check job. An approval is the same, but its
plan is the one that is held, and it asks no guards.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dirsync.errors import Cancelled, GuardTripped, RunError, Skipped
from dirsync.model.job import Hooks, Job, JobType, MirrorJob, PushJob, TrackJob
from dirsync.model.marks import Marks
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.context import running, set_run_id
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Observer
from dirsync.trees.handles import allow_many_handles

if TYPE_CHECKING:
    from dirsync.runner.ledger import Ledger

logger = logging.getLogger(__name__)

Mask = Callable[[str], str]
NO_RUN_ID = 0  # of a run that could not be entered in the ledger


def run_job(
    job: Job,
    *,
    state: str,
    observer: Observer,
    stop: Stop,
    dry_run: bool = False,
    saves_plan: bool = False,
    marks: Marks | None = None,
    mask: Mask = str,
) -> RunResult:
    """Run one job once, and tell how it ended; a run that fails raises nothing.

    `state` is the state directory: ledger, locks, long plans. `saves_plan`: store the
    plan of a dry run, to be approved. `marks`: nothing else has changed in the source since a
    complete pass, so a sync job need not look elsewhere (None: all may have). `mask` masks
    secrets in what hooks are told.
    """
    allow_many_handles()
    deadline = Deadline(stop, timeout_seconds=job.timeout_seconds)
    syncs = job.type is JobType.SYNC
    if saves_plan and not syncs:
        observer.noticed(f"no plan is stored: a {job.type.value} job changes nothing that could be approved")
        saves_plan = False
    orders = _Orders(state, observer, deadline, mask=mask, dry_run=dry_run, locks=not dry_run or saves_plan)
    match job:
        case TrackJob():
            return _track(job, orders)
        case PushJob():
            from dirsync.runner.pushing import PushStages

            return _run(job, orders, partial(PushStages, job, saves_plan=saves_plan))
        case MirrorJob():
            from dirsync.runner.stages import Stages  # each kind of run loads what it needs

            stages = partial(Stages, job, state=state, saves_plan=saves_plan, marks=marks if syncs else None)
            return _run(job, orders, stages)
        case _:
            raise AssertionError(job)


def _track(job: TrackJob, orders: _Orders) -> RunResult:
    """Run a track job once: the scan goes on while all else is loaded and opened.

    With hooks that may mount its source, it begins after these.
    """
    from dirsync.runner.tracking.kept_digests import digests_file
    from dirsync.runner.tracking.scan import TrackScan

    file = digests_file(orders.state, job.name)
    waits = job.hooks is not None and bool(job.hooks.before) and not orders.dry_run
    scan = TrackScan(job, file=file, keeps=not orders.dry_run, check=orders.deadline.check)
    with scan if waits else scan.begun():
        from dirsync.runner.tracking.run import TrackStages

        def open_stages(*given: Any, **more: Any) -> TrackStages:
            return TrackStages(job, scan.begun() if waits else scan, *given, **more)

        return _run(job, orders, open_stages)


def approve_job(
    job: MirrorJob | PushJob,
    *,
    state: str,
    observer: Observer,
    stop: Stop,
    dry_run: bool = False,
    mask: Mask = str,
) -> RunResult:
    """Carry out the plan of a job that is held, and tell how it ended."""
    allow_many_handles()
    deadline = Deadline(stop, timeout_seconds=job.timeout_seconds)
    orders = _Orders(state, observer, deadline, mask=mask, dry_run=dry_run, locks=not dry_run)
    if isinstance(job, PushJob):
        from dirsync.runner.pushing import PushStages

        return _run(job, orders, partial(PushStages, job, approves=True))
    from dirsync.runner.approval import Approval

    return _run(job, orders, partial(Approval, job, state=state))


class _Staged(Protocol):
    """What takes a job through its stages."""

    def run(self) -> None:
        """Go through all of them."""

    def record(self, result: RunResult) -> None:
        """Record what was done elsewhere than in the ledger, where that is not done yet."""


OpenStages = Callable[..., _Staged]


class _Orders(NamedTuple):
    """How one run is to be carried out."""

    state: str
    observer: Observer
    deadline: Deadline
    mask: Mask
    dry_run: bool
    locks: bool  # it changes what only one run of the job at a time may change


def _run(job: Job, orders: _Orders, open_stages: OpenStages) -> RunResult:
    from dirsync.runner.ledger import open_ledger  # a scan goes on meanwhile

    started_at = _now()
    with running(job.name):
        try:
            with open_ledger(orders.state) as ledger:
                result = _run_in_ledger(job, ledger, orders, open_stages, started_at)
        except RunError as error:  # the ledger itself
            result = _result(job, NO_RUN_ID, started_at, Counts(), dry_run=orders.dry_run, error=error)
        _log(result)
        orders.observer.finished(result)
    return result


def _run_in_ledger(
    job: Job,
    ledger: Ledger,
    orders: _Orders,
    open_stages: OpenStages,
    started_at: datetime.datetime,
) -> RunResult:
    dry_run = orders.dry_run
    try:
        with _lock(job, orders):
            if not dry_run:
                ledger.close_crashed(job.name)
            run_id = _begin(job, ledger, started_at, dry_run=dry_run)
            run = _Run(job, ledger, orders, open_stages, run_id, started_at)
            result = run.through_stages() if job.hooks is None else _with_hooks(run, job.hooks)
            ledger.finish(result)
            return result
    except Skipped as busy:
        run_id = _begin(job, ledger, started_at, dry_run=dry_run)
        result = _result(job, run_id, started_at, Counts(), dry_run=dry_run, error=busy)
        ledger.finish(result)
        return result


class _Run(NamedTuple):
    """One run that is entered in the ledger, under its job's lock."""

    job: Job
    ledger: Ledger
    orders: _Orders
    open_stages: OpenStages
    run_id: int
    started_at: datetime.datetime

    def through_stages(self) -> RunResult:
        """Go through all stages; give what came of it, which is not in the ledger yet.

        Raises:
            RunError: it cannot be recorded elsewhere.
        """
        counts = Counts()
        stages = self.open_stages(
            self.ledger,
            run_id=self.run_id,
            started_at=self.started_at,
            observer=self.orders.observer,
            deadline=self.orders.deadline,
            dry_run=self.orders.dry_run,
            counts=counts,
        )
        error: RunError | None = None
        try:
            stages.run()
        except RunError as caught:
            error = caught
        result = self.result(counts, error)
        stages.record(result)
        return result

    def noted(self) -> RunResult:
        """Go through all stages, and note in the ledger what was done by a run that still goes on.

        Raises:
            RunError: it cannot be recorded or noted.
        """
        result = self.through_stages()
        self.ledger.note(result)
        return result

    def result(self, counts: Counts, error: RunError | None) -> RunResult:
        """Make the result of the run."""
        return _result(
            self.job, self.run_id, self.started_at, counts, dry_run=self.orders.dry_run, error=error
        )


def _with_hooks(run: _Run, hooks: Hooks) -> RunResult:
    """Take a run through its stages, with its hooks around it; a dry run has none."""
    if run.orders.dry_run:
        run.orders.observer.noticed("hooks are not run in a dry run")
        return run.through_stages()
    from dirsync.runner.hooks.around import HookedRun

    hooked = HookedRun(
        run.job,
        hooks,
        run_id=run.run_id,
        started_at=run.started_at,
        observer=run.orders.observer,
        deadline=run.orders.deadline,
        mask=run.orders.mask,
    )
    return hooked.run(run.noted, ended=partial(run.result, Counts()))


@contextlib.contextmanager
def _lock(job: Job, orders: _Orders) -> Iterator[None]:
    """Hold the job's lock; a dry run changes nothing and needs none, unless it stores its plan."""
    if not orders.locks:
        yield
        return
    with locked_job(orders.state, job.name):
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
        outcome=outcome_of(counts, error),
        dry_run=dry_run,
        started_at=started_at,
        finished_at=_now(),
        counts=counts,
        error=str(error) if error is not None else None,
        signal_number=error.signal_number if isinstance(error, Cancelled) else None,
    )


def outcome_of(counts: Counts, error: RunError | None) -> Outcome:
    """Name how a run ended: by the error that ended it (None: none did), else by its counts."""
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

"""Show the last and the next run of each job, and which run now."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence

from msgspec import Struct

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import Fields, counts_fields, moment
from dirsync.cli.output.summary import deeds
from dirsync.cli.output.table import table
from dirsync.cli.output.units import human_bytes, human_count, human_seconds, plural
from dirsync.cli.parsing import Options, Parser, add_common, add_json, config_file
from dirsync.config import load
from dirsync.errors import RunError
from dirsync.model.job import Job, Severity, TrackJob
from dirsync.runner.held import held_plan
from dirsync.runner.held_file import HeldPlan
from dirsync.runner.holdings import Holdings, holdings
from dirsync.runner.ledger import Ledger, RecordedRun, open_ledger, outcome_by_now
from dirsync.runner.recorded_jobs import Records, records
from dirsync.scan import chosen
from dirsync.scheduler.due import forecast
from dirsync.scheduler.stale import Stale, in_words, last_success, staleness

_HEADER = ("job", "last run", "outcome", "changes", "took", "next run")
_NOTHING = "-"


class JobStatus(Struct, frozen=True, kw_only=True):
    """One job, as the ledger and the clock see it."""

    job: Job
    last: RecordedRun | None  # None: it never ran
    next_at: datetime.datetime | None  # None: only when asked to
    held: HeldPlan | str | None  # a text: why the plan that is held cannot be read
    last_success_at: datetime.datetime | None
    stale: Stale | None  # None: it is not, or nobody asked
    holds: Holdings | str | None  # of a track job; a text: why its catalog cannot be read; None: no run yet

    @property
    def outcome(self) -> str | None:
        """How the last run ended, or that it still goes on; None: it never ran."""
        if self.last is None:
            return None
        outcome = outcome_by_now(self.last)
        return "running" if outcome is None else outcome.value


def main(arguments: Sequence[str]) -> int:
    """Print one line a job, and what lists directories."""
    parser = Parser(
        usage="dirsync status [-c FILE] [--json]", description="Show the last and the next run of each job."
    )
    add_json(parser)
    add_common(parser)
    options = parser.parse_args(arguments, namespace=Options())
    configuration = load(config_file(options))
    now = datetime.datetime.now(datetime.UTC)
    with open_ledger(configuration.state) as ledger, records(ledger) as found:
        statuses = [
            _status(job, ledger, found, state=configuration.state, now=now) for job in configuration.jobs
        ]
    lines = Lines(mask=configuration.mask)
    if options.json:
        for status in statuses:
            lines.record(_fields(status))
    else:
        lines.line(table(_HEADER, [_row(status, now=now) for status in statuses]))
        for status in statuses:
            if status.stale is not None:
                lines.line(f"{status.job.name}  stale: {in_words(status.stale)}")
            if status.held is not None:
                lines.line(_held_line(status.job, status.held))
            if status.holds is not None:
                lines.line(_holdings_line(status.job, status.holds))
        lines.line(chosen.in_words())
    return Exit.DONE


def _status(job: Job, ledger: Ledger, found: Records, *, state: str, now: datetime.datetime) -> JobStatus:
    return JobStatus(
        job=job,
        last=ledger.last_run(job.name),
        next_at=forecast(job, ledger, now),
        held=_held(job, state=state),
        last_success_at=last_success(ledger, job.name),
        stale=staleness(job, ledger, now=now),
        holds=_holdings(job, found) if isinstance(job, TrackJob) else None,
    )


def _held(job: Job, *, state: str) -> HeldPlan | str | None:
    try:
        return held_plan(state, job.name)
    except RunError as error:
        return str(error)


def _holdings(job: TrackJob, found: Records) -> Holdings | str | None:
    try:
        return holdings(job, found)
    except RunError as error:
        return str(error).removeprefix(f"'{job.name}': ")


def _holdings_line(job: Job, held: Holdings | str) -> str:
    if isinstance(held, str):
        return f"{job.name}  {held}"
    entries = plural(held.entries, "entry", "entries")
    open_ = [f"{human_count(count)} {severity.value}" for severity, count in _by_gravity(held)]
    told = f"to review: {', '.join(open_)}" if open_ else "nothing to review"
    return f"{job.name}  {entries}, {human_bytes(held.byte_count)} in the catalog; {told}"


def _by_gravity(held: Holdings) -> list[tuple[Severity, int]]:
    return [(severity, held.open[severity]) for severity in reversed(Severity) if severity in held.open]


def _held_line(job: Job, held: HeldPlan | str) -> str:
    if isinstance(held, str):
        return held
    would = ", ".join(deeds(held.counts, dry_run=True)) or "would change nothing"
    approve = f"dirsync approve {shlex.quote(job.name)}"
    return f"{job.name}  held since {_local(held.made_at)}: {would}; approve it with: {approve}"


def _row(status: JobStatus, *, now: datetime.datetime) -> tuple[str, ...]:
    last = status.last
    outcome = ", ".join(filter(None, (status.outcome, "stale" if status.stale else None))) or _NOTHING
    if last is None:
        return (status.job.name, "never", outcome, _NOTHING, _NOTHING, _next(status, now=now))
    took = _NOTHING
    if last.finished_at is not None:
        took = human_seconds((last.finished_at - last.started_at).total_seconds())
    return (
        status.job.name,
        f"{_local(last.started_at)} ({human_seconds((now - last.started_at).total_seconds())} ago)",
        outcome,
        human_count(last.counts.changes),
        took,
        _next(status, now=now),
    )


def _next(status: JobStatus, *, now: datetime.datetime) -> str:
    if not status.job.enabled:
        return "disabled"
    if status.next_at is None:
        return "when its source changes" if status.job.watch else "when asked to"
    seconds = (status.next_at - now).total_seconds()
    told = "due now" if seconds <= 0 else f"{_local(status.next_at)} (in {human_seconds(seconds)})"
    return f"{told}, or when its source changes" if status.job.watch else told


def _local(at: datetime.datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def _fields(status: JobStatus) -> Fields:
    return {
        "event": "status",
        "job": status.job.name,
        "enabled": status.job.enabled,
        "last": None if status.last is None else _run_fields(status.last, outcome=status.outcome),
        "next_at": None if status.next_at is None else moment(status.next_at),
        "last_success_at": None if status.last_success_at is None else moment(status.last_success_at),
        "stale": status.stale is not None,
        "held": None if status.held is None else _held_fields(status.held),
        "catalog": None if status.holds is None else _holdings_fields(status.holds),
        "lister": chosen.LISTER.value,
    }


def _holdings_fields(held: Holdings | str) -> Fields:
    if isinstance(held, str):
        return {"entries": None, "bytes": None, "open": None, "error": held}
    return {
        "entries": held.entries,
        "bytes": held.byte_count,
        "open": {severity.value: held.open.get(severity, 0) for severity in reversed(Severity)},
        "error": None,
    }


def _held_fields(held: HeldPlan | str) -> Fields:
    if isinstance(held, str):
        return {"since": None, "reason": None, "counts": None, "error": held}
    return {
        "since": moment(held.made_at),
        "reason": held.reason,
        "counts": counts_fields(held.counts),
        "error": None,
    }


def _run_fields(run: RecordedRun, *, outcome: str | None) -> Fields:
    return {
        "run_id": run.run_id,
        "outcome": outcome,
        "started_at": moment(run.started_at),
        "finished_at": None if run.finished_at is None else moment(run.finished_at),
        "counts": counts_fields(run.counts),
        "error": run.error,
    }

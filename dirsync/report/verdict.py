"""The verdict on a job: whether somebody has to look at it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dirsync.model.job import JobType, Severity
from dirsync.model.result import Outcome
from dirsync.report.report import JobReport, Report, Verdict
from dirsync.report.words import minute

_FAILED = frozenset({Outcome.FAILED, Outcome.CRASHED})
_ORDER = list(Verdict)
_DONE = {JobType.SYNC: "carried over", JobType.TRACK: "recorded", JobType.CHECK: "compared"}


class Judged(NamedTuple):
    """A verdict and its reasons, the gravest first; there is at least one."""

    verdict: Verdict
    reasons: tuple[str, ...]


class _Reason(NamedTuple):
    verdict: Verdict
    text: str


def judged(job: JobReport) -> Judged:
    """Judge a job."""
    reasons = sorted(_reasons(job), key=lambda reason: -_ORDER.index(reason.verdict))
    if not reasons:
        reasons = [_Reason(Verdict.FINE, _all_is_well(job))]
    return Judged(reasons[0].verdict, tuple(reason.text for reason in reasons))


def by_gravity(report: Report) -> list[tuple[JobReport, Judged]]:
    """Give the jobs and the verdicts on them, the gravest first, else in their order."""
    jobs = [(job, judged(job)) for job in report.jobs]
    return sorted(jobs, key=lambda pair: -_ORDER.index(pair[1].verdict))


def headline(report: Report) -> str:
    """Say in one line what the report comes to."""
    verdicts = [judged(job).verdict for job in report.jobs]
    alarms, reviews = verdicts.count(Verdict.ALARM), verdicts.count(Verdict.REVIEW)
    if not verdicts:
        return "No jobs"
    if alarms:
        return f"{_jobs(alarms)} {'needs' if alarms == 1 else 'need'} attention"
    if reviews:
        return f"{_jobs(reviews)} {'has' if reviews == 1 else 'have'} something to review"
    return "All is well"


def worst(report: Report) -> Verdict:
    """Give the gravest verdict."""
    return max((judged(job).verdict for job in report.jobs), key=_ORDER.index, default=Verdict.FINE)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _reasons(job: JobReport) -> Iterator[_Reason]:
    if job.trouble is not None:
        yield _Reason(Verdict.ALARM, job.trouble)
    if job.rot.count:
        files = "1 file has" if job.rot.count == 1 else f"{job.rot.count:,} files have"
        yield _Reason(Verdict.ALARM, f"bit rot: {files} other content under unchanged times")
    for severity, verdict in ((Severity.CRITICAL, Verdict.ALARM), (Severity.WARNING, Verdict.REVIEW)):
        count = job.open_count(severity) - (job.rot.count if severity is Severity.CRITICAL else 0)
        if count > 0:
            word = f"{severity.value} " if severity is Severity.CRITICAL else ""
            yield _Reason(verdict, f"{count:,} {word}{'change' if count == 1 else 'changes'} to review")
    yield from _of_runs(job)


def _of_runs(job: JobReport) -> Iterator[_Reason]:
    last = job.last
    if last is None:
        yield _Reason(Verdict.REVIEW, "it never ran")
        return
    if last.outcome in _FAILED:
        yield _Reason(Verdict.ALARM, f"the last run {_ended(last.outcome)}{_because(last.error)}")
    elif last.outcome is Outcome.HELD:
        yield _Reason(Verdict.REVIEW, f"the last run is held{_because(last.error)}")
    elif last.outcome is Outcome.PARTIAL:
        paths = "1 path" if last.counts.failed == 1 else f"{last.counts.failed:,} paths"
        yield _Reason(Verdict.REVIEW, f"the last run gave up {paths}")
    elif failed := sum(job.runs.outcomes.get(outcome, 0) for outcome in _FAILED):
        yield _Reason(Verdict.REVIEW, f"{failed:,} of {job.runs.total:,} runs failed, the last one did not")
    if last.outcome is Outcome.SKIPPED and not job.runs.total - job.runs.outcomes.get(Outcome.SKIPPED, 0):
        yield _Reason(
            Verdict.REVIEW, f"{_skipped(job)}, so nothing was {_DONE[job.type]}{_because(last.error)}"
        )
    if job.type is JobType.CHECK and job.counts.changes:
        count = job.counts.changes
        yield _Reason(Verdict.REVIEW, f"{count:,} {'path differs' if count == 1 else 'paths differ'}")
    if job.is_scheduled and not job.runs.total and last.outcome is not None:
        yield _Reason(Verdict.REVIEW, "no run in this time, though it has a schedule")


def _skipped(job: JobReport) -> str:
    """Say which runs were skipped of a job of which all were."""
    count = job.runs.total
    return f"all {count:,} runs were skipped" if count > 1 else "the last run was skipped"


def _ended(outcome: Outcome | None) -> str:
    return "was cut off" if outcome is Outcome.CRASHED else "failed"


def _because(error: str | None) -> str:
    return f": {error}" if error else ""


def _all_is_well(job: JobReport) -> str:
    changes = job.counts.changes
    if job.first_recorded is not None and not changes:
        return f"recorded for the first time: {job.first_recorded.entries:,} entries"
    if job.type is JobType.CHECK:
        return "no differences"
    if not changes:
        return (
            "nothing changed" if job.kept_since is None else f"nothing changed since {minute(job.kept_since)}"
        )
    if job.type is JobType.SYNC:
        return f"{changes:,} {'change was' if changes == 1 else 'changes were'} carried over"
    return f"{changes:,} {'change' if changes == 1 else 'changes'}, none of them to review"

"""The parts that a report is made of: verdicts, folds, calendars and charts."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import datetime
import time

import pytest
from msgspec.structs import replace

from dirsync.model.change import ChangeKind
from dirsync.model.job import JobType, Severity
from dirsync.model.result import Counts, Outcome
from dirsync.model.tallies import Glimpse, RunsTally
from dirsync.report.calendar import span_begins
from dirsync.report.charts import columns_of, level
from dirsync.report.folding import Top, folded
from dirsync.report.report import Folds, JobReport, LastRun, OpenChanges, Report, Size, Verdict
from dirsync.report.verdict import by_gravity, headline, judged

NOW = datetime.datetime(2026, 3, 29, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def job(**more: object) -> JobReport:
    last = LastRun(started_at=NOW, outcome=Outcome.SUCCEEDED, error=None, counts=Counts())
    plain = JobReport(
        name="a",
        type=JobType.TRACK,
        source=b"/a",
        is_scheduled=True,
        last=last,
        runs=RunsTally(outcomes={Outcome.SUCCEEDED: 3}),
    )
    return replace(plain, **more)


def open_(severity: Severity, count: int) -> tuple[OpenChanges, ...]:
    return (OpenChanges(severity=severity, folds=Folds(count=count)),)


def last(outcome: Outcome | None, error: str | None = None, **counts: int) -> LastRun:
    return LastRun(started_at=NOW, outcome=outcome, error=error, counts=Counts(**counts))


@pytest.mark.parametrize(
    ("report", "verdict", "reason"),
    [
        (job(), Verdict.FINE, "nothing changed"),
        (job(kept_since=NOW), Verdict.FINE, f"nothing changed since {NOW.astimezone():%Y-%m-%d %H:%M}"),
        (job(counts=Counts(created=2)), Verdict.FINE, "2 changes, none of them to review"),
        (job(first_recorded=Size(entries=1234, byte_count=1)), Verdict.FINE, "recorded for the first time: 1,234 entries"),
        (job(open=open_(Severity.INFO, 9)), Verdict.FINE, "nothing changed"),
        (job(open=open_(Severity.WARNING, 1)), Verdict.REVIEW, "1 change to review"),
        (job(open=open_(Severity.CRITICAL, 1200)), Verdict.ALARM, "1,200 critical changes to review"),
        (job(open=open_(Severity.CRITICAL, 2), rot=Folds(count=2)), Verdict.ALARM, "bit rot: 2 files have other content under unchanged times"),
        (job(trouble="its catalog is gone"), Verdict.ALARM, "its catalog is gone"),
        (job(last=None), Verdict.REVIEW, "it never ran"),
        (job(last=last(Outcome.FAILED, "no source")), Verdict.ALARM, "the last run failed: no source"),
        (job(last=last(Outcome.CRASHED)), Verdict.ALARM, "the last run was cut off"),
        (job(last=last(Outcome.HELD, "guard max_delete")), Verdict.REVIEW, "the last run is held: guard max_delete"),
        (job(last=last(Outcome.PARTIAL, failed=1)), Verdict.REVIEW, "the last run gave up 1 path"),
        (job(runs=RunsTally(outcomes={Outcome.SUCCEEDED: 3, Outcome.FAILED: 1})), Verdict.REVIEW, "1 of 4 runs failed, the last one did not"),
        (job(runs=RunsTally()), Verdict.REVIEW, "no run in this time, though it has a schedule"),
        (job(runs=RunsTally(), is_scheduled=False), Verdict.FINE, "nothing changed"),
        (job(type=JobType.CHECK, counts=Counts(modified=2)), Verdict.REVIEW, "2 paths differ"),
        (job(last=last(Outcome.SKIPPED, "not mounted"), runs=RunsTally(outcomes={Outcome.SKIPPED: 3})), Verdict.REVIEW, "all 3 runs were skipped, so nothing was recorded: not mounted"),
        (job(type=JobType.CHECK, last=last(Outcome.SKIPPED), runs=RunsTally(outcomes={Outcome.SKIPPED: 1})), Verdict.REVIEW, "the last run was skipped, so nothing was compared"),
        (job(type=JobType.SYNC, last=last(Outcome.SKIPPED), runs=RunsTally(), is_scheduled=False), Verdict.REVIEW, "the last run was skipped, so nothing was carried over"),
        (job(last=last(Outcome.SKIPPED), runs=RunsTally(outcomes={Outcome.SKIPPED: 3, Outcome.SUCCEEDED: 1})), Verdict.FINE, "nothing changed"),
    ],
)  # fmt: skip
def test_verdict_and_its_first_reason(report: JobReport, verdict: Verdict, reason: str) -> None:
    assert judged(report)[0] is verdict
    assert judged(report)[1][0] == reason


def test_the_gravest_job_comes_first_and_makes_the_headline() -> None:
    fine, review = job(name="fine"), job(name="review", last=None)
    alarm = job(name="alarm", trouble="lost", last=None)
    report = Report(host="h", made_at=NOW, since=NOW - DAY, jobs=[fine, review, alarm])

    assert [each.name for each, _ in by_gravity(report)] == ["alarm", "review", "fine"]
    assert judged(alarm).reasons == ("lost", "it never ran")
    assert headline(report) == "1 job needs attention"
    assert headline(replace(report, jobs=[fine, review])) == "1 job has something to review"
    assert headline(replace(report, jobs=[fine])) == "All is well"


def glimpse(
    number: int, path: bytes, *, run: int = 1, kind: ChangeKind = ChangeKind.DELETED, size: int = 0
) -> Glimpse:
    return Glimpse(number, run, path, kind, not size, size)


def test_a_directory_stands_for_all_that_went_with_it_and_for_nothing_else() -> None:
    """Whatever their order; what went in another run, or came, is told for itself."""
    changes = [
        glimpse(1, b"a/b/file", size=5),
        glimpse(2, b"a"),
        glimpse(3, b"a/b"),
        glimpse(4, b"ab", size=1),
        glimpse(5, b"a/b/again", run=2, size=7),
        glimpse(6, b"a/new", kind=ChangeKind.CREATED, size=9),
    ]

    assert sorted(folded(changes)) == [Top(2, 2, 5), Top(4, 0, 1), Top(5, 0, 7), Top(6, 0, 9)]


def test_what_stays_in_a_directory_that_stays_is_not_folded() -> None:
    assert folded([glimpse(1, b"a/x", size=1), glimpse(2, b"b/x", size=1)]) == [Top(1, 0, 1), Top(2, 0, 1)]


@pytest.mark.parametrize(
    ("days", "spans"),
    [(0.01, 1), (1, 25), (2, 49), (7, 8), (35, 36), (62, 63), (90, 14), (400, 58), (1000, 34)],
)
def test_a_time_is_cut_as_people_count_it(monkeypatch: pytest.MonkeyPatch, days: float, spans: int) -> None:
    """Also across the change to summer time: days begin at midnight, and none twice."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        until = datetime.datetime(2026, 4, 3, 10, 30, tzinfo=datetime.UTC)
        begins = span_begins(until - days * DAY, until)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert begins == sorted(set(begins))
    assert begins[-1] <= until
    assert abs(len(begins) - spans) <= 1
    if days > 2:
        assert {each.hour for each in begins[1:]} == {0}


def test_columns_stack_on_one_scale_and_hang_from_the_zero_line() -> None:
    drawn = columns_of(
        [[("added", 30), ("modified", 10), ("deleted", 0)], [("added", 0), ("modified", 0), ("deleted", 10)]],
        ["one", "two"],
        below=frozenset({"deleted"}),
    )

    added, modified = drawn.columns[0].bars
    (deleted,) = drawn.columns[1].bars
    assert (drawn.zero, added.y, added.height) == (80, 20, 60)
    assert (modified.y, modified.height) == (0, 20)
    assert (deleted.y, deleted.height) == (80, 20)
    assert deleted.x > added.x + added.width


def test_a_line_needs_two_figures_and_stays_in_its_box() -> None:
    assert level([None, 5], before=None) is None
    line = level([5, None, 7], before=3)
    flat = level([5, 5], before=None)

    assert line is not None
    assert flat is not None
    for each in (line, flat):
        heights = [float(point.split(",")[1]) for point in each.points.split()]
        assert all(0 <= height <= 100 for height in heights)

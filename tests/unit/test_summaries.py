"""The closing summary of a run."""

from __future__ import annotations

import pytest

from dirsync.cli.output.human import HumanObserver, Layout, QuietObserver
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.progress import NoProgress
from dirsync.cli.output.summary import summary_line
from dirsync.model.change import Failure
from dirsync.model.job import JobType, MirrorJob
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts, Outcome, RunResult
from tests.results import created, file_entry, run_result

JOB = MirrorJob(name="photos", source=LocalPlace(path=b"/s"), destination=LocalPlace(path=b"/d"))
CHANGED = Counts(scanned=12_345, created=3, modified=1, metadata=2, deleted=1_000, bytes_copied=3_400_000)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            run_result(counts=CHANGED),
            "photos  done: 3 created, 1 updated, metadata of 2 changed, 1,000 deleted, 3.4 MB copied (2.1 s)",
        ),
        (run_result(counts=Counts(scanned=12_345)), "photos  unchanged: 12,345 entries agree (2.1 s)"),
        (run_result(counts=Counts(scanned=1)), "photos  unchanged: 1 entry agrees (2.1 s)"),
        (
            run_result(counts=CHANGED, dry_run=True),
            "photos  dry run: would create 3, update 1, change metadata of 2, delete 1,000, 3.4 MB to copy"
            " (2.1 s)",
        ),
        (
            run_result(Outcome.PARTIAL, counts=Counts(created=1, failed=2)),
            "photos  partly done: 1 created, 2 paths failed (2.1 s)",
        ),
        (
            run_result(
                type=JobType.CHECK, counts=Counts(scanned=9, created=1, modified=2, deleted=3), dry_run=True
            ),
            "photos  differs: 1 missing at the destination, 2 differ, 3 only at the destination (2.1 s)",
        ),
        (
            run_result(type=JobType.CHECK, counts=Counts(scanned=9), dry_run=True),
            "photos  no differences: 9 entries agree (2.1 s)",
        ),
        (
            run_result(Outcome.HELD, counts=CHANGED, error="guard"),
            "photos  held: nothing was changed (2.1 s)",
        ),
        (run_result(Outcome.FAILED, error="no source"), "photos  failed (2.1 s)"),
        (run_result(Outcome.SKIPPED, error="busy"), "photos  skipped (2.1 s)"),
        (
            run_result(Outcome.CANCELLED, counts=Counts(created=1), signal_number=15),
            "photos  stopped early: 1 created (2.1 s)",
        ),
    ],
)
def test_summary_says_in_one_line_what_came_of_the_run(result: RunResult, line: str) -> None:
    assert summary_line(result) == line


def observer(*, lists_changes: bool = False, names_job: bool = False) -> HumanObserver:
    layout = Layout(lists_changes=lists_changes, names_job=names_job)
    return HumanObserver(JOB, lines=Lines(), progress=NoProgress(), layout=layout)


def test_failures_are_listed_on_stderr_up_to_twenty(capsys: pytest.CaptureFixture[str]) -> None:
    shown = observer()
    for number in range(25):
        shown.failed(Failure(b"[bold]%d\n" % number, "permission denied"))
    shown.finished(run_result(Outcome.PARTIAL, counts=Counts(failed=25)))

    printed = capsys.readouterr()
    errors = printed.err.splitlines()
    assert printed.out == "photos  partly done: 25 paths failed (2.1 s)\n"
    assert errors[0] == "photos: [bold]0\\n: permission denied"
    assert errors[20:] == ["photos: … and 5 more"]


def test_changes_are_listed_before_the_summary_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    shown = observer(lists_changes=True)
    shown.changed(created(file_entry(b"a", size=1)))
    shown.changed(created(file_entry(b"[b]", size=2)))
    shown.noticed("pipes are skipped")
    shown.finished(run_result(counts=Counts(created=2)))

    assert capsys.readouterr().out.splitlines() == [
        "create    a  (1 B)",
        "create    [b]  (2 B)",
        "photos  done: 2 created (2.1 s)",
        "photos  note: pipes are skipped",
    ]


def test_jobs_side_by_side_name_themselves_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = observer(lists_changes=True, names_job=True)
    shown.changed(created(file_entry(b"a", size=1)))
    shown.finished(run_result(counts=Counts(created=1)))

    assert all(line.startswith("photos  ") for line in capsys.readouterr().out.splitlines())


def test_held_run_tells_every_guard_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    observer().finished(run_result(Outcome.HELD, error="guard max_delete: 9 of 10\nguard min_free: 1 B"))

    assert capsys.readouterr().err.splitlines() == [
        "photos: guard max_delete: 9 of 10",
        "photos: guard min_free: 1 B",
    ]


def test_error_names_its_job_once(capsys: pytest.CaptureFixture[str]) -> None:
    observer().finished(run_result(Outcome.FAILED, error="'photos': source '/s' does not exist"))

    assert capsys.readouterr().err == "photos: source '/s' does not exist\n"


def test_quiet_shows_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    shown = QuietObserver(mask=str)
    shown.changed(created(file_entry(b"a")))
    shown.noticed("pipes are skipped")
    shown.failed(Failure(b"b", "permission denied"))
    shown.finished(run_result(Outcome.PARTIAL, counts=Counts(created=1, failed=1)))

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "photos: b: permission denied\n")

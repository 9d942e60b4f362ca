"""The ledger keeps what happened, whoever else writes and whatever breaks."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dirsync.errors import RunError
from dirsync.model.job import JobType
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.runner.ledger import Ledger, open_ledger

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def begin(ledger: Ledger, job: str = "photos", *, dry_run: bool = False) -> int:
    return ledger.begin(job=job, type=JobType.SYNC, started_at=NOON, dry_run=dry_run)


def finish(
    ledger: Ledger, run_id: int, outcome: Outcome = Outcome.SUCCEEDED, *, error: str | None = None
) -> None:
    ledger.finish(
        RunResult(
            job="photos",
            run_id=run_id,
            type=JobType.SYNC,
            outcome=outcome,
            dry_run=False,
            started_at=NOON,
            finished_at=NOON + timedelta(seconds=2),
            counts=Counts(scanned=7, created=1, bytes_copied=2**40),
            error=error,
        )
    )


def test_run_is_recorded_from_begin_to_finish(tmp_path: Path) -> None:
    """A finished run reads back as it was written, in another connection."""
    with open_ledger(str(tmp_path / "state")) as ledger:
        run_id = begin(ledger)
        finish(ledger, run_id, Outcome.PARTIAL, error="one path failed")

    with open_ledger(str(tmp_path / "state")) as ledger:
        (run,) = ledger.runs()
    assert (run.run_id, run.job, run.type, run.outcome) == (run_id, "photos", JobType.SYNC, Outcome.PARTIAL)
    assert (run.started_at, run.finished_at) == (NOON, NOON + timedelta(seconds=2))
    assert run.counts == Counts(scanned=7, created=1, bytes_copied=2**40)
    assert (run.error, run.dry_run, run.pid) == ("one path failed", False, os.getpid())


def test_moments_are_stored_in_utc(tmp_path: Path) -> None:
    """A moment of another zone is written as UTC with microseconds."""
    berlin = timezone(timedelta(hours=2))
    with open_ledger(str(tmp_path)) as ledger:
        ledger.begin(
            job="a", type=JobType.CHECK, started_at=datetime(2026, 7, 1, 2, tzinfo=berlin), dry_run=False
        )

    rows = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT started_at FROM runs").fetchall()
    assert rows == [("2026-07-01T00:00:00.000000+00:00",)]


def test_unfinished_run_has_no_outcome(tmp_path: Path) -> None:
    """A run that goes on is the last run, without end or outcome."""
    with open_ledger(str(tmp_path)) as ledger:
        begin(ledger)
        run = ledger.last_run("photos")

    assert run is not None
    assert (run.outcome, run.finished_at) == (None, None)


def test_crashed_runs_are_closed_for_their_job_only(tmp_path: Path) -> None:
    """Closing names the process that was cut off and leaves other rows alone."""
    with open_ledger(str(tmp_path)) as ledger:
        done, first, second, other = begin(ledger), begin(ledger), begin(ledger), begin(ledger, "etc")
        finish(ledger, done)

        assert ledger.close_crashed("photos") == [first, second]
        assert ledger.close_crashed("photos") == []
        outcomes = {run.run_id: run.outcome for run in ledger.runs()}
        last = ledger.last_run("photos")

    assert outcomes == {
        done: Outcome.SUCCEEDED,
        first: Outcome.CRASHED,
        second: Outcome.CRASHED,
        other: None,
    }
    assert last is not None
    assert last.error == f"cut off: process {os.getpid()} ended before the run did"


def test_last_run_does_not_count_dry_runs(tmp_path: Path) -> None:
    """A dry run is listed but is nobody's last run."""
    with open_ledger(str(tmp_path)) as ledger:
        begin(ledger, dry_run=True)

        assert ledger.last_run("photos") is None
        assert len(ledger.runs("photos")) == 1


def test_skipped_run_does_not_hide_the_one_that_it_was_skipped_for(tmp_path: Path) -> None:
    """A run that goes on, or was cut off, is the last one though others were skipped meanwhile."""
    with open_ledger(str(tmp_path)) as ledger:
        finish(ledger, begin(ledger))
        unfinished = begin(ledger)
        finish(ledger, begin(ledger), Outcome.SKIPPED)
        last = ledger.last_run("photos")
        ledger.close_crashed("photos")
        finish(ledger, begin(ledger), Outcome.SKIPPED)
        later = ledger.last_run("photos")

    assert last is not None
    assert (last.run_id, last.outcome) == (unfinished, None)
    assert later is not None
    assert later.outcome is Outcome.SKIPPED


def test_last_run_can_ask_for_outcomes(tmp_path: Path) -> None:
    """Asked for outcomes, the newest run that ended so is found."""
    with open_ledger(str(tmp_path)) as ledger:
        good, bad = begin(ledger), begin(ledger)
        finish(ledger, good)
        finish(ledger, bad, Outcome.FAILED)
        begin(ledger)
        found = ledger.last_run("photos", outcomes=frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL}))

        assert found is not None
        assert found.run_id == good
        assert ledger.last_run("photos", outcomes=frozenset()) is None


def test_runs_are_listed_newest_first_up_to_a_limit(tmp_path: Path) -> None:
    """The newest runs come first, of one job or of all."""
    with open_ledger(str(tmp_path)) as ledger:
        ids = [begin(ledger, job) for job in ("a", "b", "a", "b", "a")]

        assert [run.run_id for run in ledger.runs(limit=2)] == [ids[4], ids[3]]
        assert [run.run_id for run in ledger.runs("a")] == [ids[4], ids[2], ids[0]]


def test_facts_are_kept_by_job_and_replaced(tmp_path: Path) -> None:
    """What was remembered last is recalled, for its own job only."""
    with open_ledger(str(tmp_path)) as ledger:
        ledger.remember("photos", "source", "1")
        ledger.remember("photos", "source", "2")

    with open_ledger(str(tmp_path)) as ledger:
        assert ledger.recall("photos", "source") == "2"
        assert ledger.recall("etc", "source") is None


def test_error_text_with_undecodable_bytes_is_stored_escaped(tmp_path: Path) -> None:
    """A surrogate in an error text does not cost the row."""
    with open_ledger(str(tmp_path)) as ledger:
        finish(ledger, begin(ledger), Outcome.FAILED, error="'/x/\udcff' is gone")
        (run,) = ledger.runs()

    assert run.error == "'/x/\\udcff' is gone"


def test_finishing_an_unknown_run_is_an_error(tmp_path: Path) -> None:
    """Only what was begun can be finished."""
    with open_ledger(str(tmp_path)) as ledger, pytest.raises(RunError, match="run 99 was never begun"):
        finish(ledger, 99)


def test_state_directory_is_made_private_but_not_its_parent(tmp_path: Path) -> None:
    """The state is the owner's alone; a missing parent is an error, not made."""
    with open_ledger(str(tmp_path / "state")):
        pass

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    with (
        pytest.raises(RunError, match="create its parent directory"),
        open_ledger(str(tmp_path / "no/state")),
    ):
        pass
    assert not (tmp_path / "no").exists()


def test_ledger_is_durable_and_write_ahead(tmp_path: Path) -> None:
    """Rows go through a write-ahead log that is flushed at each commit."""
    with open_ledger(str(tmp_path)) as ledger:
        connection = ledger._connection

        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_schema_from_the_future_is_refused(tmp_path: Path) -> None:
    """A ledger of a later version is left as it is."""
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(RunError, match="is of version 99"), open_ledger(str(tmp_path)):
        pass


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_corrupt_ledger_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    """A corrupt database ends the run in one line that names the file."""
    (tmp_path / "ledger.db").write_bytes(content)

    expected = r"ledger '.*ledger\.db' cannot be used \("
    with pytest.raises(RunError, match=expected) as caught, open_ledger(str(tmp_path)) as ledger:
        ledger.runs()
    assert "\n" not in str(caught.value)


def test_state_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A file in the state directory's place is named."""
    (tmp_path / "state").write_text("")

    with pytest.raises(RunError, match="is not a directory"), open_ledger(str(tmp_path / "state")):
        pass


def test_many_threads_open_and_write_at_once(tmp_path: Path) -> None:
    """Opened by many threads at once, on first use too, no row is lost."""
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with open_ledger(str(tmp_path)) as ledger:
                for _ in range(10):
                    finish(ledger, begin(ledger, f"job {number}"))
        except RunError as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    with open_ledger(str(tmp_path)) as ledger:
        runs = ledger.runs(limit=1000)
    assert len(runs) == 80
    assert {run.outcome for run in runs} == {Outcome.SUCCEEDED}


def test_first_use_waits_for_another_that_writes(tmp_path: Path) -> None:
    """SQLite refuses the switch to a write-ahead log at once while another writes; opening waits."""
    with open_ledger(str(tmp_path)):
        pass
    writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
    writer.execute("PRAGMA journal_mode = DELETE")
    writer.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, lambda: writer.execute("COMMIT"))
    release.start()

    with open_ledger(str(tmp_path)) as ledger:
        begin(ledger)
    release.join()
    writer.close()

"""Old history goes, and the chains hold: a checkpoint takes the place of what went."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.retention import checkpoint, pruned
from dirsync.errors import RunError
from dirsync.model.job import Severity
from dirsync.model.result import Outcome
from dirsync.runner.tracking.states import run_at
from tests.catalogs import DAY, History, catalog_in, flaws_of, memory
from tests.jobs import track_job, watched_run
from tests.trees import tree

FAR = datetime.timedelta(days=10_000)


def lived(history: History, runs: int) -> None:
    for _ in range(runs):
        history.run()
        history.read_again()


def test_what_is_older_than_kept_goes_and_the_chains_hold() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=1)
        lived(history, 8)
        history.accept_all()
        before = len(list(history.catalog.changes(history.known.job_id)))
        notices = history.prune(days=3)

        assert notices == []
        runs = history.catalog.runs(history.known.job_id)
        assert 2 <= len(runs) < 8
        assert all(run.finished_at >= history.now - 3 * DAY for run in runs)
        changes = list(history.catalog.changes(history.known.job_id))
        assert len(changes) < before
        assert changes[0].change_id == runs[-1].first_change
        assert flaws_of(history.catalog, history.outside) == []
        lived(history, 8)
        history.accept_all()
        history.prune(days=3)
        assert flaws_of(history.catalog, history.outside) == []


def test_what_another_run_records_meanwhile_is_left_for_it_to_prune() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=1)
        lived(history, 8)
        history.accept_all()
        stale = history.known
        lived(history, 1)
        runs = history.catalog.runs(history.known.job_id)

        assert list(pruned(history.catalog, stale, before=history.now - 3 * DAY)) == []
        assert history.catalog.runs(history.known.job_id) == runs
        assert flaws_of(history.catalog, history.outside) == []


def test_newest_run_stays_however_old() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=1)
        lived(history, 3)
        history.accept_all()
        history.now += FAR
        history.prune(days=1)

        assert [run.run_id for run in history.catalog.runs(history.known.job_id)] == [history.known.last_run]
        assert flaws_of(history.catalog, history.outside) == []


def test_critical_change_that_nobody_has_accepted_stays_with_all_after_it() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=2)
        lived(history, 6)
        open_critical = [
            change.change_id
            for change in history.catalog.changes(history.known.job_id, only_open=True)
            if change.severity is Severity.CRITICAL
        ]
        history.now += FAR
        notices = history.prune(days=1)

        kept = [change.change_id for change in history.catalog.changes(history.known.job_id)]
        assert open_critical
        assert set(open_critical) <= set(kept)
        assert f"change {open_critical[0]} is critical and nobody has accepted it" in notices[0]
        history.accept_all()
        assert history.prune(days=1) == []
        assert len(history.catalog.runs(history.known.job_id)) == 1
        assert flaws_of(history.catalog, history.outside) == []


def test_history_that_was_altered_is_not_pruned_away() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=1)
        lived(history, 6)
        history.accept_all()
        connection.execute("UPDATE changes SET path = X'00' WHERE change_id = 2")
        history.now += FAR
        (notice,) = history.prune(days=1)

        assert "stays, for it is not sound: change 2" in notice
        assert len(history.catalog.runs(history.known.job_id)) == 6


def test_what_is_beyond_the_checkpoint_is_refused_in_words() -> None:
    with memory() as connection:
        history = History(catalog_in(connection, key=None), seed=1)
        lived(history, 6)
        first = history.catalog.runs(history.known.job_id)[-1]
        history.accept_all()
        history.now += FAR
        history.prune(days=1)
        found = checkpoint(history.catalog, history.known)

        assert found is not None
        assert run_at(history.catalog, history.known, "latest", before=None) == history.known.last_run
        moment = first.started_at.isoformat()
        for text, before in ((str(first.run_id), None), (moment, moment)):
            with pytest.raises(RunError, match=f"up to run {found.run_id} was pruned, as 'keep' asks"):
                run_at(history.catalog, history.known, text, before=before)


def test_job_that_keeps_for_a_while_prunes_at_the_end_of_its_runs(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": b"1"})
    job = structs.replace(track_job(root, tmp_path / "state"), keep_seconds=0.001)
    for number in range(4):
        (root / f"{number}").touch()
        result, _ = watched_run(job, tmp_path)
        assert result.outcome is Outcome.SUCCEEDED, result.error

    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "catalog.db")) as connection:
        ((runs,),) = connection.execute("SELECT count(*) FROM runs")
        ((checkpoints,),) = connection.execute("SELECT count(*) FROM checkpoints")
    assert (runs, checkpoints) == (1, 1)

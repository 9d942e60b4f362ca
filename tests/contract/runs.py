"""Runs, as a catalog records them."""

from __future__ import annotations

import datetime

from dirsync.model.job import JobType
from dirsync.model.recorded import RecordedRun
from dirsync.model.result import Outcome


def a_run(run_id: int) -> RecordedRun:
    """Make a run of a track job that was over at once."""
    now = datetime.datetime.now(datetime.UTC)
    return RecordedRun(
        run_id=run_id, type=JobType.TRACK, started_at=now, finished_at=now, outcome=Outcome.SUCCEEDED
    )

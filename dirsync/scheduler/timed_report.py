"""The report of one job as the engine sees it: due on a schedule of its own, whatever the job does."""

from __future__ import annotations

import logging
from datetime import datetime

from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.runner.reports_written import last_report
from dirsync.scheduler.timed_job import TimedJob

logger = logging.getLogger(__name__)


class TimedReport(TimedJob):
    """A job's report and its due time."""

    _seen: datetime | None = None  # the newest report on record that `_past` knows of

    @property
    def key(self) -> str:
        """What it is told apart by; no job's name holds a slash."""
        return f"{self.job.name}/report"

    def _look_into_ledger(self) -> None:
        try:
            written_at = last_report(self._ledger, self.job.name)
        except RunError as error:
            logger.error("'%s': last report not known: %s", self.job.name, error)
            return
        if written_at is not None and written_at != self._seen:
            self._seen = written_at
            self._past = replace(self._past, last_started_at=written_at)

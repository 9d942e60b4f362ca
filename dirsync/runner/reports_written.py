"""When a job's report was written last: in the ledger, so that a restart neither loses nor doubles one."""

from __future__ import annotations

import datetime

from dirsync.runner.ledger import Ledger

_REPORT = "report"  # the fact that says when the last one was begun


def last_report(ledger: Ledger, job: str) -> datetime.datetime | None:
    """Find when the last report of a job was begun that was written; None: there is none.

    Raises:
        RunError: the ledger cannot be read.
    """
    text = ledger.recall(job, _REPORT)
    try:
        return None if text is None else datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None  # nothing that a release ever wrote; the next report puts it right


def note_report(ledger: Ledger, job: str, begun_at: datetime.datetime) -> None:
    """Note that a report of a job is written.

    Raises:
        RunError: the ledger cannot be written.
    """
    ledger.remember(job, _REPORT, begun_at.astimezone(datetime.UTC).isoformat(timespec="microseconds"))

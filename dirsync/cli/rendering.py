"""From jobs to the text of a report."""

from __future__ import annotations

import datetime
import logging
import os
import re
from collections.abc import Sequence
from typing import assert_never

from dirsync.cli.output.lines import Mask
from dirsync.cli.output.spoken import Spoken
from dirsync.model.job import Job, ReportFormat
from dirsync.model.names import escaped
from dirsync.report.report import Report
from dirsync.runner.context import running
from dirsync.runner.ledger import open_ledger
from dirsync.runner.recorded_jobs import records
from dirsync.runner.reporting import gather
from dirsync.runner.reports_written import note_report
from dirsync.snapshot.saving import saved

logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile("%.")
DEPTH = 2  # names of the directories that changes are counted by


def report_on(
    jobs: Sequence[Job],
    *,
    state: str,
    since: datetime.datetime,
    now: datetime.datetime,
    format: ReportFormat,
    depth: int = DEPTH,
    mask: Mask,
) -> str:
    """Write the report on jobs, secrets masked.

    Raises:
        RunError: the ledger cannot be read.
    """
    with open_ledger(state) as ledger, records(ledger) as found:
        report = gather(jobs, ledger=ledger, records=found, since=since, now=now, depth=depth, mask=mask)
    return mask(_rendered(report, format))


def write_digest(job: Job, *, state: str, mask: Mask) -> None:
    """Write the report that a job declares to its file, and note in the ledger that it is written.

    Only a whole file takes the name. One that is cut off before the ledger knows is written again.

    Raises:
        RunError: it cannot be written, or the ledger not be used.
    """
    assert job.report is not None
    now = datetime.datetime.now(datetime.UTC)
    since = now - datetime.timedelta(seconds=job.report.since_seconds)
    with running(job.name):
        text = report_on([job], state=state, since=since, now=now, format=job.report.format, mask=mask)
        file = _file_at(job.report.to, now)
        with saved(os.fsencode(file)) as handle:
            handle.write(text.encode())
        with open_ledger(state) as ledger:
            note_report(ledger, job.name, now)
        logger.info("report written: '%s'", escaped(file))


def _file_at(to: str, now: datetime.datetime) -> str:
    """Name the file of a report that is made now."""
    folder, name = os.path.split(to)
    return os.path.join(folder, _PLACEHOLDER.sub(lambda found: now.astimezone().strftime(found[0]), name))


def _rendered(report: Report, format: ReportFormat) -> str:
    match format:
        case ReportFormat.TEXT:
            from dirsync.report.text import text_of

            return text_of(report, words=Spoken())
        case ReportFormat.HTML:
            from dirsync.report.html import html_of

            return html_of(report, words=Spoken())
        case ReportFormat.JSON:
            from dirsync.report.machine import json_of

            return json_of(report)
        case _:
            assert_never(format)

"""From jobs to the text of a report."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import assert_never

from dirsync.cli.output.lines import Mask
from dirsync.cli.output.records import as_line
from dirsync.cli.output.spoken import Spoken
from dirsync.config import Configuration
from dirsync.errors import NotDelivered, RunError
from dirsync.model.job import EVERY_JOB, Digest, Job, ReportFormat
from dirsync.model.names import escaped
from dirsync.model.notifier import Notifier
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
    report = _gathered(jobs, state=state, since=since, now=now, depth=depth, mask=mask)
    return _masked(_rendered(report, format), format, mask=mask)


def _masked(text: str, format: ReportFormat, *, mask: Mask) -> str:
    """Mask secrets in a report that is written; one for machines stays JSON."""
    if format is not ReportFormat.JSON:
        return mask(text)
    return as_line(json.loads(text), mask=mask) + "\n"


def _gathered(
    jobs: Sequence[Job],
    *,
    state: str,
    since: datetime.datetime,
    now: datetime.datetime,
    depth: int,
    mask: Mask,
) -> Report:
    with open_ledger(state) as ledger, records(ledger) as found:
        return gather(jobs, ledger=ledger, records=found, since=since, now=now, depth=depth, mask=mask)


def make_digest(job: Job, configuration: Configuration, *, mask: Mask, wait: Callable[[float], bool]) -> None:
    """Make the report that is declared for a job, or for all: its files, its messages, and note it.

    Only a whole file takes its name. A report that is cut off before the ledger knows, or that did
    not get everywhere, is made again. `wait` sleeps between attempts to send it (True: no more of them).

    Raises:
        RunError: a file cannot be written, a message was not taken, or the ledger cannot be used.
    """
    digest = job.report
    assert digest is not None
    is_of_all = job.name == EVERY_JOB
    now = datetime.datetime.now(datetime.UTC)
    since = now - datetime.timedelta(seconds=digest.since_seconds)
    jobs = [each for each in configuration.jobs if each.enabled] if is_of_all else [job]
    with contextlib.nullcontext() if is_of_all else running(job.name):
        report = _gathered(jobs, state=configuration.state, since=since, now=now, depth=DEPTH, mask=mask)
        missed = [
            *_written(report, digest, now, mask=mask),
            *_sent(
                report,
                digest,
                configuration.notifiers,
                job="" if is_of_all else job.name,
                mask=mask,
                wait=wait,
            ),
        ]
        if missed:
            raise RunError("; ".join(missed))
        with open_ledger(configuration.state) as ledger:
            note_report(ledger, job.name, now)


def _written(report: Report, digest: Digest, now: datetime.datetime, *, mask: Mask) -> Iterator[str]:
    """Write a report to its files; give what went wrong."""
    for to in digest.files:
        file = _file_at(to, now)
        try:
            with saved(os.fsencode(file)) as handle:
                written = _masked(_rendered(report, digest.format), digest.format, mask=mask)
                handle.write(written.encode())
        except RunError as error:
            yield str(error)
        else:
            logger.info("report written: '%s'", escaped(file))


def _sent(
    report: Report,
    digest: Digest,
    notifiers: Mapping[str, Notifier],
    *,
    job: str,
    mask: Mask,
    wait: Callable[[float], bool],
) -> Iterator[str]:
    """Send a report to its notifiers; give what went wrong."""
    if not digest.notifiers:
        return
    from dirsync.cli.report_letter import report_letter
    from dirsync.notify.sending import send_patiently

    letter = report_letter(report, job=job, mask=mask)
    for name in digest.notifiers:
        notifier = notifiers.get(name)
        if notifier is None:  # the declaration changed meanwhile
            yield f"there is no notifier '{name}' any more"
            continue
        try:
            send_patiently(notifier, letter, wait=wait)
        except NotDelivered as error:
            yield mask(str(error))
        else:
            logger.info("report sent to '%s'", name)


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

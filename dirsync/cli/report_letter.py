"""A report as a letter: its page is the HTML of a mail, its text stands beside it."""

from __future__ import annotations

import json

from dirsync.cli.output.lines import Mask
from dirsync.cli.output.records import masked
from dirsync.cli.output.spoken import Spoken
from dirsync.notify.letter import Letter
from dirsync.notify.message import Tone
from dirsync.notify.words import calling_nobody, printable
from dirsync.report.html import html_of
from dirsync.report.machine import json_of
from dirsync.report.report import Report
from dirsync.report.text import text_of
from dirsync.report.verdict import headline, judged, worst

_LONGEST_SUBJECT = 160  # characters


def report_letter(report: Report, *, job: str, mask: Mask) -> Letter:
    """Write a report in every form that a notifier may want, secrets masked; `job` empty: on all jobs."""
    subject = printable(mask(_subject_on_all(report) if not job else _subject_on_one(report)))
    text = mask(text_of(report, words=Spoken()))
    fields = masked(json.loads(json_of(report)), mask=mask)
    return Letter(
        subject=subject if len(subject) <= _LONGEST_SUBJECT else f"{subject[: _LONGEST_SUBJECT - 1]}…",
        text=text,
        html=mask(html_of(report, words=Spoken())),
        fields={**fields, "subject": subject, "text": calling_nobody(text)},
        tone=Tone[worst(report).name],
        event="report",
        job=printable(mask(job)),
        host=printable(report.host),
    )


def _subject_on_all(report: Report) -> str:
    return f"report of {report.host}: {headline(report)}"


def _subject_on_one(report: Report) -> str:
    """Say the verdict on a job, and its gravest reason."""
    (job,) = report.jobs
    verdict, reasons = judged(job)
    return f"{job.name}: report: {verdict.value}: {reasons[0]}"

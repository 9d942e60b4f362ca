"""Runs for messages to tell of, with names that mean harm."""

from __future__ import annotations

import datetime

from dirsync.cli.output.told import ToldWords
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Entry
from dirsync.model.job import JobType
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.notify.happening import EndedRun, Kept
from dirsync.notify.letter import Letter, letter_of
from dirsync.notify.message import Message, run_message

BEGUN_AT = datetime.datetime(2026, 11, 26, 2, 30, tzinfo=datetime.UTC)
HARMFUL = (
    b"<script>alert(1)</script>\nBcc: x@y",
    b'"><img src=x onerror=alert(1)>',
    b"=cmd|' /C calc'!A0",
    b"bad\xff\r\nSubject: other",
    b"evil\xe2\x80\xaegnp.exe",  # U+202E: what follows would read from right to left
    "\u05e2\u05d1\u05e8\u05d9\u05ea".encode(),
    b"{{ 7 * 7 }} {% raw %} &amp;",
    b"n" * 250,
    "\u6587".encode() * 80,
)


def entry(path: bytes, *, size: int = 10) -> Entry:
    """Make an entry of a file, of which only name and size matter."""
    return Entry(path, 0o100644, size, 0, 0, 0, 0, ino=1, dev=1, nlink=1, target=None)


def created(path: bytes) -> Change:
    return Change(ChangeKind.CREATED, None, entry(path))


def deleted(path: bytes) -> Change:
    return Change(ChangeKind.DELETED, entry(path), None)


def modified(path: bytes) -> Change:
    aspects = frozenset({Aspect.SIZE})
    return Change(ChangeKind.MODIFIED, entry(path), entry(path, size=12), aspects)


def moved(path: bytes, to: bytes) -> Change:
    return Change(ChangeKind.MOVED, entry(path), entry(to))


def result(
    *,
    outcome: Outcome = Outcome.SUCCEEDED,
    counts: Counts | None = None,
    error: str | None = None,
    job: str = "photos",
    type: JobType = JobType.SYNC,
) -> RunResult:
    """Make what came of a run of 2.1 s."""
    return RunResult(
        job=job,
        run_id=7,
        type=type,
        outcome=outcome,
        dry_run=False,
        started_at=BEGUN_AT,
        finished_at=BEGUN_AT + datetime.timedelta(seconds=2.1),
        counts=counts or Counts(),
        error=error,
    )


def eventful_run(*, more: int = 0) -> EndedRun:
    """Make a run in which everything happened, to every harmful name and `more` plain ones."""
    names = [*HARMFUL, *(b"plain/%d" % number for number in range(more))]
    failures = [Failure(name, "Permission denied") for name in names]
    deletions = [deleted(b"old/" + name) for name in names]
    others = [change(name) for name in names for change in (created, modified)]
    others.append(moved(b"was", b"is"))
    counts = Counts(
        scanned=12_345,
        created=len(names),
        modified=len(names),
        moved=1,
        deleted=len(names),
        failed=len(names),
        bytes_copied=3_400_000,
    )
    kept = Kept(
        failures=failures,
        failure_count=len(failures),
        deletions=deletions,
        deletion_count=len(deletions),
        others=others,
        other_count=len(others),
        notices=["the destination keeps no owner"],
    )
    return EndedRun(result=result(outcome=Outcome.PARTIAL, counts=counts), kept=kept)


def message_of(run: EndedRun, *, is_well_again: bool = False) -> Message:
    return run_message(run, host="vm", words=ToldWords(), mask=str, is_well_again=is_well_again)


def letter(run: EndedRun) -> Letter:
    return letter_of(message_of(run), mask=str)

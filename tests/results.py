"""Entries, changes and results as literals, for tests that show them."""

from __future__ import annotations

import datetime
import stat

from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.job import JobType
from dirsync.model.result import Counts, Outcome, RunResult

BEGAN_AT = datetime.datetime(2026, 11, 21, 12, 30, 0, 123456, tzinfo=datetime.UTC)


def file_entry(
    path: bytes = b"a",
    *,
    mode: int = stat.S_IFREG | 0o644,
    size: int = 0,
    mtime_ns: int = 0,
    uid: int = 0,
    gid: int = 0,
    target: bytes | None = None,
) -> Entry:
    """Make an entry, a file unless `mode` says otherwise."""
    return Entry(path, mode, size, mtime_ns, 0, uid, gid, 1, 1, 1, target)


def created(entry: Entry) -> Change:
    """Make the change of an entry that is new."""
    return Change(ChangeKind.CREATED, None, entry)


def deleted(entry: Entry) -> Change:
    """Make the change of an entry that is gone."""
    return Change(ChangeKind.DELETED, entry, None)


def modified(old: Entry, new: Entry, *aspects: Aspect) -> Change:
    """Make the change of an entry that differs."""
    return Change(ChangeKind.MODIFIED, old, new, frozenset(aspects))


def metadata(old: Entry, new: Entry, *aspects: Aspect) -> Change:
    """Make the change of an entry whose metadata differs."""
    return Change(ChangeKind.METADATA, old, new, frozenset(aspects))


def run_result(
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    job: str = "photos",
    type: JobType = JobType.SYNC,
    dry_run: bool = False,
    seconds: float = 2.1,
    counts: Counts | None = None,
    error: str | None = None,
    signal_number: int | None = None,
) -> RunResult:
    """Make the result of a run."""
    return RunResult(
        job=job,
        run_id=7,
        type=type,
        outcome=outcome,
        dry_run=dry_run,
        started_at=BEGAN_AT,
        finished_at=BEGAN_AT + datetime.timedelta(seconds=seconds),
        counts=counts or Counts(),
        error=error,
        signal_number=signal_number,
    )

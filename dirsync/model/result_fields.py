"""What came of a run, as machines read it."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from dirsync.model.result import Counts, RunResult

Fields = dict[str, object]  # of one JSON object


def result_fields(result: RunResult, *, mask: Callable[[str], str] = str) -> Fields:
    """Describe what came of one run; `mask` is for what leaves the program by another way than its output."""
    return {
        "event": "result",
        "job": result.job,
        "run_id": result.run_id,
        "type": result.type.value,
        "outcome": result.outcome.value,
        "dry_run": result.dry_run,
        "started_at": moment(result.started_at),
        "finished_at": moment(result.finished_at),
        "counts": counts_fields(result.counts),
        "error": None if result.error is None else mask(result.error),
    }


def counts_fields(counts: Counts) -> Fields:
    """Name the figures of a run."""
    return {
        "scanned": counts.scanned,
        "created": counts.created,
        "modified": counts.modified,
        "metadata": counts.metadata,
        "moved": counts.moved,
        "deleted": counts.deleted,
        "failed": counts.failed,
        "bytes_copied": counts.bytes_copied,
    }


def moment(at: datetime.datetime) -> str:
    """Write a moment in UTC: `2026-11-21T12:30:00.123Z` (ISO 8601)."""
    utc = at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return utc.replace("+00:00", "Z")

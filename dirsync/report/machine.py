"""A report as one JSON object on one line."""

from __future__ import annotations

import datetime
import json

from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.names import fields_of
from dirsync.model.result import Counts
from dirsync.model.tallies import SpanTally, SubtreeTally
from dirsync.report.report import Fold, Folds, JobReport, Report, Size
from dirsync.report.verdict import headline, judged

Fields = dict[str, object]


def json_of(report: Report) -> str:
    """Write a report as JSON, ended by a newline."""
    fields: Fields = {
        "event": "report",
        "host": report.host,
        "since": _moment(report.since),
        "made_at": _moment(report.made_at),
        "headline": headline(report),
        "jobs": [_job(job) for job in report.jobs],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _job(job: JobReport) -> Fields:
    verdict = judged(job)
    return {
        "job": job.name,
        "type": job.type.value,
        **_path("source", job.source),
        "verdict": verdict.verdict.value,
        "reasons": list(verdict.reasons),
        "trouble": job.trouble,
        "last": None
        if job.last is None
        else {
            "started_at": _moment(job.last.started_at),
            "outcome": None if job.last.outcome is None else job.last.outcome.value,
            "error": job.last.error,
        },
        "runs": {outcome.value: count for outcome, count in job.runs.outcomes.items()},
        "bad_runs": [
            {
                "run_id": run.run_id,
                "started_at": _moment(run.started_at),
                "outcome": run.outcome.value,
                "reason": run.reason,
            }
            for run in job.bad_runs
        ],
        "kept_since": None if job.kept_since is None else _moment(job.kept_since),
        "size": _size(job.size),
        "size_before": _size(job.size_before),
        "first_recorded": _size(job.first_recorded),
        "counts": _counts(job.counts),
        "looked_at": job.looked_at,
        "bytes": {"added": job.bytes_added, "modified": job.bytes_modified, "deleted": job.bytes_deleted},
        "rot": _folds(job.rot),
        "open": {each.severity.value: _folds(each.folds) for each in job.open},
        "deletions": _folds(job.deletions),
        "moves": _folds(job.moves),
        "subtrees": [_subtree(each) for each in job.subtrees],
        "other_subtrees": job.other_subtrees,
        "spans": [_span(each) for each in job.spans],
        "largest": [_fold(each) for each in job.largest],
    }


def _size(size: Size | None) -> Fields | None:
    return None if size is None else {"entries": size.entries, "bytes": size.byte_count}


def _counts(counts: Counts) -> Fields:
    return {kind.value: getattr(counts, kind.value) for kind in ChangeKind}


def _folds(folds: Folds) -> Fields:
    return {"count": folds.count, "shown": [_fold(fold) for fold in folds.shown]}


def _fold(fold: Fold) -> Fields:
    change = fold.change
    return {
        "run_id": change.run_id,
        "at": None if fold.at is None else _moment(fold.at),
        "change_id": change.change_id,
        "kind": change.kind.value,
        **_path("path", change.path),
        **({"old_path": None} if change.old_path is None else _path("old_path", change.old_path)),
        "aspects": [aspect.value for aspect in Aspect if aspect in change.aspects],
        "severity": None if change.severity is None else change.severity.value,
        "rotted": change.rotted,
        "old_size": None if change.old is None else change.old.size,
        "new_size": None if change.new is None else change.new.size,
        "beneath": fold.beneath,
        "bytes_beneath": fold.byte_count,
    }


def _subtree(subtree: SubtreeTally) -> Fields:
    return {
        **_path("path", subtree.path),
        "counts": _counts(subtree.counts),
        "bytes_grown": subtree.bytes_grown,
    }


def _span(span: SpanTally) -> Fields:
    return {
        "begins_at": _moment(span.begins_at),
        "runs": span.runs,
        "changes": span.changes,
        "bytes_added": span.bytes_added,
        "bytes_modified": span.bytes_modified,
        "bytes_deleted": span.bytes_deleted,
        "entries": span.entries,
        "bytes_total": span.bytes_total,
    }


def _path(key: str, path: bytes) -> Fields:
    fields = fields_of(key, path)
    return {**fields, key: fields[key] or "."}


def _moment(at: datetime.datetime) -> str:
    utc = at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return utc.replace("+00:00", "Z")

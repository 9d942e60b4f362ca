"""A message as JSON, for a webhook."""

from __future__ import annotations

from itertools import islice

from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.names import fields_of
from dirsync.model.result_fields import Fields, result_fields
from dirsync.notify.happening import EndedRun, Kept
from dirsync.notify.message import Message
from dirsync.notify.words import Mask, printable

_LISTED = 1_000  # failures, and changes; the rest is counted


def fields_of_message(message: Message, *, text: str, mask: Mask) -> Fields:
    """Describe a message; `text` is what chat services show of it."""
    fields: Fields = {
        "event": "notice",
        "notice": message.event,
        "host": message.host,
        "job": message.job or None,
        "tone": message.tone.value,
        "subject": message.subject,
        "text": text,
        "facts": dict(message.facts),
    }
    return fields | ({} if message.run is None else _of_run(message.run, mask))


def _of_run(run: EndedRun, mask: Mask) -> Fields:
    kept = run.kept
    changes = list(islice((*kept.deletions, *kept.others), _LISTED))
    failures = kept.failures[:_LISTED]
    return {
        "occasions": sorted(occasion.value for occasion in run.occasions),
        "result": result_fields(run.result, mask=lambda text: printable(mask(text))),
        "failures": [_failure(failure, mask) for failure in failures],
        "changes": [_change(change, mask) for change in changes],
        "omitted": {
            "failures": kept.failure_count - len(failures),
            "changes": _changes(kept) - len(changes),
        },
    }


def _changes(kept: Kept) -> int:
    return kept.deletion_count + kept.other_count


def _failure(failure: Failure, mask: Mask) -> Fields:
    return {**_path("path", failure.path, mask), "reason": printable(mask(failure.reason))}


def _change(change: Change, mask: Mask) -> Fields:
    moved_from = change.old.path if change.kind is ChangeKind.MOVED and change.old is not None else None
    return {
        "kind": change.kind.value,
        **_path("path", change.path, mask),
        "old_path": None,
        **({} if moved_from is None else _path("old_path", moved_from, mask)),
        "aspects": [aspect.value for aspect in Aspect if aspect in change.aspects],
    }


def _path(key: str, path: bytes, mask: Mask) -> Fields:
    fields = {name: mask(text) for name, text in fields_of(key, path).items()}
    return {**fields, key: fields[key] or "."}

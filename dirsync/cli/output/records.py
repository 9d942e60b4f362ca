"""One JSON object a line, secrets masked in its texts, and never in what it is read by."""

from __future__ import annotations

import json

from dirsync.cli.output.lines import Mask
from dirsync.model.result_fields import Fields

# Their values are words of a fixed set, of which a secret may happen to be one, and moments.
_WORDS = frozenset({"event", "kind", "type", "outcome", "verdict", "severity", "aspects", "evidence"})
_MOMENTS = frozenset({"at", "since", "until"})


def as_line(fields: Fields, *, mask: Mask) -> str:
    """Write one object on one line."""
    return json.dumps(masked(fields, mask=mask), ensure_ascii=False, separators=(",", ":"))


def masked(fields: Fields, *, mask: Mask) -> Fields:
    """Mask secrets in the texts of an object; what they are called, words and figures stay."""
    return {key: value if _is_plain(key) else _masked(value, mask) for key, value in fields.items()}


def _is_plain(key: str) -> bool:
    return key in _WORDS or key in _MOMENTS or key.endswith("_at")


def _masked(value: object, mask: Mask) -> object:
    match value:
        case str():
            return mask(value)
        case list():
            return [_masked(each, mask) for each in value]
        case dict():
            return masked(value, mask=mask)
        case _:
            return value

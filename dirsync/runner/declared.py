"""What of a job's declaration a plan depends on, as one short name.

When it differs from that of a held plan, the plan is another job's in all but name.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Sequence

from msgspec import Struct

from dirsync.model.job import Job, PatternLine
from dirsync.model.names import percent_encoded
from dirsync.model.place import FarPlace, LocalPlace

# How and when a job runs, and what its guards say, may change while a plan is held.
_BESIDE_THE_PLAN = frozenset(
    {
        "catalog",
        "enabled",
        "schedule",
        "watch",
        "versions",
        "guard",
        "durability",
        "on_error",
        "retries",
        "timeout_seconds",
        "workers",
        "log",
        "notify",
        "report",
        "hooks",
        "stale_after_seconds",
        "ping",
    }
)


def declaration_of(job: Job) -> str:
    """Name what a plan of a job depends on: equal names, equal plans for equal trees."""
    values = {
        name: _plain(getattr(job, name)) for name in job.__struct_fields__ if name not in _BESIDE_THE_PLAN
    }
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    """Write a value as JSON, the same in every process."""
    match value:
        case PatternLine():  # where a line stands does not matter
            return percent_encoded(value.text)
        case LocalPlace():
            return percent_encoded(value.path)
        case FarPlace():  # how it is reached and opened does not matter
            return percent_encoded(value.name)
        case bytes():
            return percent_encoded(value)
        case enum.Enum():
            return value.value
        case frozenset():
            return sorted(str(_plain(item)) for item in value)
        case Sequence() if not isinstance(value, str):
            return [_plain(item) for item in value]
        case Struct():
            return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        case _:
            return value

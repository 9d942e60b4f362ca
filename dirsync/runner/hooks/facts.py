"""What a hook is told of its run: in its environment, and once more as one JSON object."""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Callable, Mapping

from msgspec import Struct

from dirsync.model.exit_codes import code_of
from dirsync.model.job import Hooks, Job, TwoTrees
from dirsync.model.names import fields_of
from dirsync.model.result import Counts, RunResult
from dirsync.model.result_fields import Fields, result_fields

_LONGEST_BYTES = 16_384  # of one variable; the system takes 128 KiB, and no error needs them
_PLACES = ("source", "destination")
_OF_RESULTS = ("outcome", "error", "exit_code", *Counts.__struct_fields__)
_NAMES = frozenset(
    f"DIRSYNC_{name.upper()}" for name in ("job", "type", "run_id", "hook", *_PLACES, *_OF_RESULTS)
)

Mask = Callable[[str], str]


class Hook(enum.Enum):
    """When a hook is run."""

    BEFORE = "before"
    AFTER = "after"
    ON_ERROR = "on_error"
    FINALLY = "finally"


class Begun(Struct, frozen=True, kw_only=True):
    """A run, before anything came of it."""

    job: Job
    run_id: int
    started_at: str  # as machines read it


class Facts(Struct, frozen=True, kw_only=True):
    """What one hook is told."""

    variables: Mapping[str, str]
    object: bytes  # JSON, one line


def facts_of(hook: Hook, begun: Begun, result: RunResult | None, *, mask: Mask) -> Facts:
    """Gather what a hook is told; `result` None: there is none yet."""
    places = _places(begun.job)
    head: Fields = _begin_fields(begun) if result is None else result_fields(result, mask=mask)
    fields: Fields = {**head, "hook": hook.value}
    for name, path in places.items():
        fields |= {key: mask(text) for key, text in fields_of(name, path).items()}
    if result is not None:
        fields["exit_code"] = code_of(result)
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    variables = _variables(fields, places, mask=mask)
    return Facts(variables=variables, object=text.encode("utf-8", "backslashreplace") + b"\n")


def environment_of(hooks: Hooks, facts: Facts, inherited: Mapping[str, str]) -> dict[str, str]:
    """Give a hook's environment: this process's, without secrets, and what the hook is told."""
    withheld = hooks.withheld | _NAMES
    kept = {name: value for name, value in inherited.items() if name not in withheld}
    return kept | dict(facts.variables)


def _begin_fields(begun: Begun) -> Fields:
    return {
        "event": "begin",
        "job": begun.job.name,
        "run_id": begun.run_id,
        "type": begun.job.type.value,
        "dry_run": False,
        "started_at": begun.started_at,
    }


def _places(job: Job) -> dict[str, bytes]:
    places = {"source": str(job.source)}
    if isinstance(job, TwoTrees):
        places["destination"] = str(job.destination)
    return {name: os.fsencode(text) for name, text in places.items()}


def _variables(fields: Fields, places: Mapping[str, bytes], *, mask: Mask) -> dict[str, str]:
    """Write facts as variables; a place has its own bytes."""
    counts = fields.get("counts")
    flat = fields | (counts if isinstance(counts, dict) else {})
    told = {name: flat[name] for name in ("job", "type", "run_id", "hook", *_OF_RESULTS) if name in flat}
    texts = {name: "" if value is None else str(value) for name, value in told.items()}
    texts |= {name: mask(os.fsdecode(path)) for name, path in places.items()}
    return {f"DIRSYNC_{name.upper()}": _fit(text) for name, text in texts.items()}


def _fit(text: str) -> str:
    """Make a text one that a variable can hold."""
    return text.replace("\0", "")[:_LONGEST_BYTES]

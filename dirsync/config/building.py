"""From checked keys to the model: nothing is decided here but defaults."""

from __future__ import annotations

from typing import Any

from dirsync.config.keys import JobKeys, Keys
from dirsync.model.job import (
    Compare,
    Comparison,
    Guard,
    Job,
    JobLog,
    JobType,
    Preserve,
    Retries,
    SymlinkPolicy,
    Versions,
)
from dirsync.model.timing import Schedule


def built(name: str, keys: JobKeys) -> Job:
    """Make the job that complete, correct keys declare; what they leave out is the model's default."""
    values = _declared(keys)
    keeps_links = keys.preserve is None or Preserve.SYMLINKS in keys.preserve
    if not keeps_links and keys.symlinks is not SymlinkPolicy.FOLLOW:
        values["symlinks"] = SymlinkPolicy.SKIP
    return Job(
        name=name,
        schedule=_schedule(keys),
        comparison=_comparison(keys),
        guard=Guard(**_declared(keys.guard)),
        versions=Versions(**_declared(keys.versions)),
        retries=Retries(**_declared(keys.retries)),
        log=JobLog(**_declared(keys.log)),
        **values,
    )


def _declared(keys: Keys | None) -> dict[str, Any]:
    """Give what was written, under the model's names."""
    if keys is None:
        return {}
    fields = type(keys).model_fields
    return {name: getattr(keys, name) for name in keys.model_fields_set if not fields[name].exclude}


def _schedule(keys: JobKeys) -> Schedule | None:
    if keys.interval is not None:
        return Schedule(every_seconds=keys.interval)
    return None if keys.schedule is None else Schedule(**_declared(keys.schedule))


def _comparison(keys: JobKeys) -> Comparison:
    """Compare no mode and no owner that is not carried over: the rules let only the default differ so."""
    comparison = Comparison(**_declared(keys.compare))
    if keys.type is JobType.CHECK or keys.preserve is None:
        return comparison
    dropped = {
        Compare(kept.value) for kept in (Preserve.MODE, Preserve.OWNERSHIP) if kept not in keys.preserve
    }
    return Comparison(
        by=comparison.by - dropped,
        modify_window_ns=comparison.modify_window_ns,
        algorithm=comparison.algorithm,
    )

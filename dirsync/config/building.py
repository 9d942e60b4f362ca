"""From checked keys to the model: nothing is decided here but defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from dirsync.config.counted import Counted
from dirsync.config.endpoints import Endpoint
from dirsync.config.keys import JobKeys, NotifyKeys, ReportKeys, RuleKeys
from dirsync.config.shapes import Keys
from dirsync.config.tree_fields import JOB, is_notifier_name
from dirsync.model.job import (
    Compare,
    Comparison,
    Digest,
    Fingerprint,
    Guard,
    Hooks,
    JobLog,
    JobType,
    MirrorJob,
    Ping,
    Preserve,
    PushJob,
    Retries,
    Rule,
    SymlinkPolicy,
    TrackJob,
    Versions,
)
from dirsync.model.notifier import TOLD, Notify
from dirsync.model.place import CatalogPlace, FarPlace, Place
from dirsync.model.timing import Schedule

_OF_EVERY_TRACK = frozenset(TrackJob.__struct_fields__)
_OF_TRACKS_ALONE = _OF_EVERY_TRACK - frozenset(MirrorJob.__struct_fields__)


class Surroundings(NamedTuple):
    """What a job has of the file it is in."""

    directory: str  # absolute
    catalog: CatalogPlace | None = None
    secret_variables: frozenset[str] = frozenset()
    endpoints: Mapping[str, Endpoint] = {}


def built(
    name: str, keys: JobKeys, around: Surroundings, *, places: Mapping[str, Place], ping: Ping | None
) -> MirrorJob | PushJob | TrackJob:
    """Make the job that complete, correct keys declare; what they leave out is the model's default."""
    values = _declared(keys) | {
        **places,
        "name": name,
        "catalog": around.catalog,
        "schedule": _schedule(keys),
        "comparison": _comparison(keys),
        "guard": Guard(**_declared(keys.guard)),
        "log": JobLog(**_declared(keys.log)),
        "notify": tuple(_notify(notify) for notify in keys.notify or () if notify.to is not None),
        "report": digest(keys.report, job=name),
        "hooks": _hooks(keys, around),
        "ping": ping,
    }
    return _track(keys, values) if keys.type is JobType.TRACK else _mirror(keys, values)


def _track(keys: JobKeys, values: dict[str, Any]) -> TrackJob:
    """Make a track job: it makes no changes, so it has no guards of them, inherited ones neither."""
    values["guard"] = replace(values["guard"], max_delete=None, max_change=None, min_free=None)
    return TrackJob(
        fingerprint=Fingerprint(**_declared(keys.fingerprint)),
        rules=tuple(_rule(rule) for rule in keys.rules or () if rule.pattern is not None),
        **{key: value for key, value in values.items() if key in _OF_EVERY_TRACK},
    )


def _rule(keys: RuleKeys) -> Rule:
    assert keys.pattern is not None
    counted = keys.attributes or frozenset()
    return Rule(
        pattern=keys.pattern,
        attributes=frozenset(Compare(item.value) for item in counted - {Counted.GROWING}),
        growing=Counted.GROWING in counted,
        **({} if keys.severity is None else {"severity": keys.severity}),
    )


def _mirror(keys: JobKeys, values: dict[str, Any]) -> MirrorJob | PushJob:
    keeps_links = keys.preserve is None or Preserve.SYMLINKS in keys.preserve
    if not keeps_links and keys.symlinks is not SymlinkPolicy.FOLLOW:
        values["symlinks"] = SymlinkPolicy.SKIP
    kind = PushJob if isinstance(values["destination"], FarPlace) else MirrorJob
    return kind(
        versions=Versions(**_declared(keys.versions)),
        retries=Retries(**_declared(keys.retries)),
        **{key: value for key, value in values.items() if key not in _OF_TRACKS_ALONE},
    )


def _declared(keys: Keys | None) -> dict[str, Any]:
    """Give what was written, under the model's names."""
    return {} if keys is None else keys.declared()


def _schedule(keys: JobKeys) -> Schedule | None:
    if keys.interval is not None:
        return Schedule(every_seconds=keys.interval)
    return None if keys.schedule is None else Schedule(**_declared(keys.schedule))


def _notify(keys: NotifyKeys) -> Notify:
    assert keys.to is not None
    return Notify(to=keys.to, on=TOLD if keys.on is None else keys.on)


def digest(keys: ReportKeys | None, *, job: str) -> Digest | None:
    """Make a report; None as well where it is not complete, which is noted elsewhere."""
    if keys is None or keys.schedule is None or keys.to is None:
        return None
    return Digest(
        schedule=Schedule(**_declared(keys.schedule)),
        files=tuple(to.replace(JOB, job.replace("%", "%%")) for to in keys.to if not is_notifier_name(to)),
        notifiers=tuple(dict.fromkeys(to for to in keys.to if is_notifier_name(to))),
        **_declared(keys),
    )


def _hooks(keys: JobKeys, around: Surroundings) -> Hooks | None:
    """Make the hooks; None where no command is declared."""
    declared = _declared(keys.hooks)
    if not any(declared.get(each) for each in ("before", "after", "on_error", "finally_")):
        return None
    return Hooks(directory=around.directory, withheld=around.secret_variables, **declared)


def _comparison(keys: JobKeys) -> Comparison:
    """Compare no mode and no owner that is not carried over: the rules let only the default differ so."""
    comparison = Comparison(**_declared(keys.compare))
    if keys.type in (JobType.CHECK, JobType.TRACK) or keys.preserve is None:
        return comparison
    dropped = {
        Compare(kept.value) for kept in (Preserve.MODE, Preserve.OWNERSHIP) if kept not in keys.preserve
    }
    return Comparison(
        by=comparison.by - dropped,
        modify_window_ns=comparison.modify_window_ns,
        algorithm=comparison.algorithm,
    )

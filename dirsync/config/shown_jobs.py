"""One job of the effective configuration, as the keys of a file."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from dirsync.config.counted import Counted
from dirsync.config.pings import shown_ping
from dirsync.config.scalars import plain_number, written_seconds
from dirsync.model.job import (
    Compare,
    Digest,
    Guard,
    Hooks,
    Job,
    Limit,
    Preserve,
    Rule,
    TrackJob,
    TwoTrees,
    Versions,
)
from dirsync.model.notifier import (
    Notify,
    Occasion,
)
from dirsync.model.place import FarPlace, Place
from dirsync.model.timing import Schedule, Start


def shown_job(job: Job) -> dict[str, Any]:
    """Write every key of a job, in the manual's order."""
    match job:
        case TwoTrees():
            return (
                _of_every_job(job, destination=_place(job.destination)) | _of_mirrors(job) | _how_it_runs(job)
            )
        case TrackJob():
            return _of_every_job(job) | _of_tracks(job) | _how_it_runs(job)
        case _:
            raise AssertionError(job)


def _of_every_job(job: Job, **places: str) -> dict[str, Any]:
    return {
        "type": job.type.value,
        "source": _place(job.source),
        **places,
        "enabled": job.enabled,
        **({} if job.schedule is None else {"schedule": _schedule(job.schedule)}),
        "watch": job.watch,
        "include": [os.fsdecode(line.text) for line in job.include],
        "exclude": [os.fsdecode(line.text) for line in job.exclude],
        "ignore_files": [os.fsdecode(name) for name in job.ignore_files],
        "one_file_system": job.one_file_system,
        "compare": {
            "by": [item.value for item in Compare if item in job.comparison.by],
            "modify_window": _seconds_of(job.comparison.modify_window_ns),
            "hash": job.comparison.algorithm.value,
        },
        "symlinks": job.symlinks.value,
        "guard": _guard(job.guard),
    }


def _of_tracks(job: TrackJob) -> dict[str, Any]:
    fingerprint = job.fingerprint
    budget = "none" if fingerprint.budget_bytes is None else fingerprint.budget_bytes
    return {
        "moves": job.moves,
        "fingerprint": {"refresh": _duration(fingerprint.refresh_seconds), "budget": budget},
        "rules": [_rule(rule) for rule in job.rules],
        "keep": _duration(job.keep_seconds),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    counted = [item.value for item in Compare if item in rule.attributes]
    return {
        "path": os.fsdecode(rule.pattern.text),
        "attributes": counted + ([Counted.GROWING.value] if rule.growing else []),
        "severity": rule.severity.value,
    }


def _duration(seconds: float | None) -> str:
    return "none" if seconds is None else written_seconds(seconds)


def _of_mirrors(job: TwoTrees) -> dict[str, Any]:
    return {
        "preserve": [item.value for item in Preserve if item in job.preserve],
        "delete": job.delete.value,
        "delete_excluded": job.delete_excluded,
        "versions": _versions(job.versions),
        "moves": job.moves,
        "durability": job.durability.value,
        "verify": job.verify.value,
        "retries": {"attempts": job.retries.attempts, "wait": written_seconds(job.retries.wait_seconds)},
    }


def _how_it_runs(job: Job) -> dict[str, Any]:
    return {
        "on_error": job.on_error.value,
        "timeout": _duration(job.timeout_seconds),
        "bandwidth": "none" if job.bandwidth is None else job.bandwidth,
        "workers": "auto" if job.workers is None else job.workers,
        "engine": "local",
        "stale_after": _duration(job.stale_after_seconds),
        **({} if job.ping is None else {"ping_url": shown_ping(job.ping)}),
        **({} if job.hooks is None else {"hooks": _hooks(job.hooks)}),
        "log": {key: value for key, value in (("level", job.log.level), ("file", job.log.file)) if value},
        "notify": [_notify(notify) for notify in job.notify],
        **({} if job.report is None else {"report": shown_report(job.report)}),
    }


def _notify(notify: Notify) -> dict[str, Any]:
    return {"to": notify.to, "on": [each.value for each in Occasion if each in notify.on]}


def _hooks(hooks: Hooks) -> dict[str, Any]:
    commands = {
        "before": hooks.before,
        "after": hooks.after,
        "on_error": hooks.on_error,
        "finally": hooks.finally_,
    }
    return {
        **{key: [list(command) for command in each] for key, each in commands.items()},
        "timeout": _duration(hooks.timeout_seconds),
    }


def shown_report(report: Digest) -> dict[str, Any]:
    """Write every key of a report that is written on a schedule."""
    to = [*report.files, *report.notifiers]
    return {
        "schedule": _schedule(report.schedule),
        "to": to[0] if len(to) == 1 else to,
        "format": report.format.value,
        "since": written_seconds(report.since_seconds),
    }


def _seconds_of(nanoseconds: int) -> str:
    return f"{Decimal(nanoseconds).scaleb(-9).normalize():f}s"


def _versions(versions: Versions) -> dict[str, Any]:
    count = {} if versions.count is None else {"count": versions.count}
    return {"keep": _duration(versions.keep_seconds), **count}


def _guard(guard: Guard) -> dict[str, Any]:
    return {
        "max_delete": _limit(guard.max_delete),
        "max_change": _limit(guard.max_change),
        "min_free": _limit(guard.min_free),
        "source_not_empty": guard.source_not_empty,
        "marker": None if guard.marker is None else os.fsdecode(guard.marker),
        "mountpoint": guard.mountpoint,
        "on_trip": guard.on_trip.value,
    }


def _limit(limit: Limit | None) -> str | int | None:
    if limit is None:
        return "off"
    return limit.absolute if limit.percent is None else f"{plain_number(limit.percent)}%"


def _schedule(schedule: Schedule) -> dict[str, Any]:
    written: dict[str, Any] = {
        "every": None if schedule.every_seconds is None else written_seconds(schedule.every_seconds),
        "at": [moment.isoformat() for moment in schedule.at] or None,
        "cron": schedule.cron,
        "on": None if schedule.cron else [day.name.lower() for day in sorted(schedule.on)],
        "timezone": schedule.timezone,
        "jitter": written_seconds(schedule.jitter_seconds),
        "start": _start(schedule.start),
        "run_missed": schedule.run_missed,
        "window": None
        if schedule.window is None
        else f"{schedule.window.begin.isoformat()}-{schedule.window.end.isoformat()}",
    }
    return {key: value for key, value in written.items() if value is not None}


def _start(start: Start | float | None) -> str | None:
    match start:
        case None:
            return None
        case Start():
            return start.value
        case _:
            return written_seconds(start)


def _place(place: Place) -> str:
    return place.url if isinstance(place, FarPlace) else str(place)

"""The moments a schedule names by the clock on the wall: `at` and `cron`.

Each moment is given once: a time that DST skips comes moved, a time that comes
twice counts the first time, and two times that fall together are one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import cronsim

from dirsync.errors import RunError
from dirsync.model.timing import Schedule
from dirsync.scheduler.zone import moment_of, zone_named

_DAYS_LOOKED_AHEAD = 9  # a week, and a day on each side that a zone may skip
_CRON_LOOKED_AT = 5000  # cron times on other days than `on` that are passed over


def next_occurrence(schedule: Schedule, *, after: datetime) -> datetime | None:
    """Find the first moment after another that `at` or `cron` names, in UTC.

    None: there is none. Neither jitter nor window is looked at.

    Raises:
        RunError: the zone is not known here, or the cron line says nothing.
    """
    zone = zone_named(schedule.timezone)
    if schedule.cron is not None:
        return _next_of_cron(schedule, schedule.cron, after=after, zone=zone)
    return _next_of_times(schedule, after=after, zone=zone)


def _next_of_times(schedule: Schedule, *, after: datetime, zone: tzinfo) -> datetime | None:
    today = after.astimezone(zone).date()
    days = (today + timedelta(days=offset) for offset in range(-1, _DAYS_LOOKED_AHEAD))
    moments = (
        moment_of(day, wall, zone) for day in days if day.weekday() in schedule.on for wall in schedule.at
    )
    return min((moment for moment in moments if moment > after), default=None)


def _next_of_cron(schedule: Schedule, cron: str, *, after: datetime, zone: tzinfo) -> datetime | None:
    try:
        times = cronsim.CronSim(cron, after.astimezone(zone))
    except cronsim.CronSimError as error:
        raise RunError(f"cron '{cron}' is not valid ({error})") from error
    for _, local in zip(range(_CRON_LOOKED_AT), times, strict=False):
        moment = local.astimezone(UTC)
        # cronsim counts fixed times by the wall: inside a fold it gives the first pass again
        if moment > after and local.weekday() in schedule.on:
            return moment
    return None

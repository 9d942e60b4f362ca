"""Cutting a time into spans as people count it: hours, days, weeks, months of the local calendar."""

from __future__ import annotations

import datetime

_DAY = datetime.timedelta(days=1)
_HOURS_UP_TO = datetime.timedelta(days=2)
_DAYS_UP_TO = datetime.timedelta(days=62)
_WEEKS_UP_TO = datetime.timedelta(days=400)


def span_begins(since: datetime.datetime, until: datetime.datetime) -> list[datetime.datetime]:
    """Give the moments, aware, at which the spans of a time begin; the first is its own begin."""
    length = until - since
    if length <= _HOURS_UP_TO:
        return [since, *_hours(since, until)]
    first = since.astimezone().date() + _DAY
    last = until.astimezone().date()
    days = (first + _DAY * offset for offset in range((last - first).days + 1))
    if length > _WEEKS_UP_TO:
        days = (day for day in days if day.day == 1)
    elif length > _DAYS_UP_TO:
        days = (day for day in days if day.weekday() == 0)
    return [since, *(_midnight(day) for day in days)]


def _hours(since: datetime.datetime, until: datetime.datetime) -> list[datetime.datetime]:
    hour = datetime.timedelta(hours=1)
    next_hour = since.astimezone().replace(minute=0, second=0, microsecond=0).astimezone(datetime.UTC) + hour
    count = int((until - next_hour) / hour) + 1 if until >= next_hour else 0
    return [(next_hour + hour * number).astimezone() for number in range(count)]


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time()).astimezone()

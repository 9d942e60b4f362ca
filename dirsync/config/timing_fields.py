"""The values that say when: durations, times of day, zones, cron lines."""

from __future__ import annotations

import datetime
import functools

from dirsync.config import scalars
from dirsync.config.leaves import spoken, text_of
from dirsync.config.nodes import ScalarNode
from dirsync.config.problems import did_you_mean, listed, quoted
from dirsync.config.shapes import Leaf
from dirsync.model.timing import Start, Weekday, Window

NONE = "none"  # no time limit
_SHORTEST_SECONDS = 0.001  # a clock that runs jobs tells no shorter ones apart
_DURATION = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|[smhdw]))+$"}
_TIME = {"type": "string", "pattern": r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?$"}


def _positive(text: str) -> float:
    seconds = scalars.duration(text)
    if not seconds:
        raise ValueError(f"{quoted(text)} is zero; write at least 1s")
    if seconds < _SHORTEST_SECONDS:
        raise ValueError(f"{quoted(text)} is too short; write at least 1ms")
    return seconds


def _timeout(text: str) -> float | None:
    return None if text == NONE else _positive(text)


def _timezone(scalar: ScalarNode) -> str:
    import zoneinfo  # few files name a zone

    text = text_of(scalar)
    try:
        zoneinfo.ZoneInfo(text)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        near = did_you_mean(text, _timezones()) or "; write a name as Europe/Berlin or UTC"
        raise ValueError(f"{quoted(text)} is not a time zone{near}") from None
    return text


@functools.cache
def _timezones() -> tuple[str, ...]:
    """List the names of the zones, under their names in small letters too."""
    from zoneinfo import available_timezones

    return tuple(sorted(available_timezones()))


def _cron(scalar: ScalarNode) -> str:
    from cronsim import CronSim, CronSimError

    text = text_of(scalar)
    if len(text.split()) != 5:
        raise ValueError(f"{quoted(text)} is not a cron line; write its five fields, as '30 2 * * mon-fri'")
    try:
        next(CronSim(text, datetime.datetime(2024, 1, 1)))
    except (CronSimError, ValueError) as error:
        told = str(error).lower() if isinstance(error, CronSimError) else "too large a number"
        raise ValueError(
            f"{quoted(text)} is not a cron line: {told}; write it as '30 2 * * mon-fri'"
        ) from None
    except StopIteration:
        raise ValueError(f"{quoted(text)} is never due; correct the day or the month") from None
    return text


def _weekday(text: str) -> Weekday:
    names = [day.name.lower() for day in Weekday]
    if text.lower() not in names:
        near = (
            f"; did you mean '{text[:3].lower()}'?"
            if text[:3].lower() in names
            else f"; write {listed(names)}"
        )
        raise ValueError(f"{quoted(text)} is not a day of the week{near}")
    return Weekday[text.upper()]


def _window(text: str) -> Window:
    begin, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"{quoted(text)} is not a window; write two times of day, as '20:00-06:00'")
    window = Window(begin=scalars.time_of_day(begin.strip()), end=scalars.time_of_day(end.strip()))
    if window.begin == window.end:
        raise ValueError(f"{quoted(text)} begins when it ends; drop it to allow every hour")
    return window


def _start(text: str) -> Start | float:
    if text in {start.value for start in Start}:
        return Start(text)
    try:
        return scalars.duration(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no start; write now, delay, or a duration as 30s") from None


INTERVAL = Leaf(read=spoken(_positive), expected="a duration", schema=_DURATION)
DURATION = Leaf(
    read=spoken(scalars.duration), expected="a duration", schema={"anyOf": [_DURATION, {"const": 0}]}
)
TIMEOUT = Leaf(
    read=spoken(_timeout), expected="a duration or none", schema={"anyOf": [{"const": NONE}, _DURATION]}
)
NANOSECONDS = Leaf(
    read=spoken(scalars.nanoseconds),
    expected="seconds",
    schema={"anyOf": [{"type": "number", "minimum": 0}, _DURATION]},
)
TIMEZONE = Leaf(read=_timezone, expected="a time zone", schema={"type": "string"})
CRON = Leaf(read=_cron, expected="a cron line", schema={"type": "string"})
DAY = Leaf(read=spoken(_weekday), expected="a day", schema={"enum": [day.name.lower() for day in Weekday]})
MOMENT = Leaf(read=spoken(scalars.time_of_day), expected="a time of day", schema=_TIME)
HOURS = Leaf(read=spoken(_window), expected="a window", schema={"type": "string"})
FIRST_RUN = Leaf(
    read=spoken(_start),
    expected="now, delay or a duration",
    schema={"anyOf": [{"enum": [start.value for start in Start]}, _DURATION]},
)

"""When a job is due, as declared."""

from __future__ import annotations

import datetime
import enum

from msgspec import Struct


class Weekday(enum.IntEnum):
    """The days of the week, numbered as `datetime.weekday` does."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


class Start(enum.Enum):
    """When a job that never ran is due for the first time."""

    NOW = "now"
    DELAY = "delay"


class Window(Struct, frozen=True, kw_only=True):
    """The hours of the day in which a run may start; `end` < `begin` spans midnight."""

    begin: datetime.time
    end: datetime.time


class Schedule(Struct, frozen=True, kw_only=True):
    """A job's timing: `interval: 15m` is `every_seconds` alone.

    Exactly one of `every_seconds`, `at` and `cron` says when; the rest shapes it.
    """

    every_seconds: float | None = None  # None: `at` or `cron` decide
    at: tuple[datetime.time, ...] = ()
    on: frozenset[Weekday] = frozenset(Weekday)
    cron: str | None = None  # five fields; None: not a cron schedule
    timezone: str | None = None  # IANA name; None: the machine's own zone
    jitter_seconds: float = 0.0
    start: Start | float | None = None  # a float: seconds after the scheduler began; None: not declared
    run_missed: bool = True
    window: Window | None = None  # None: at any hour

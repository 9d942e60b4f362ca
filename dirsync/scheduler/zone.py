"""Time zones: which moment a time on the wall means, gaps and folds included."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from dirsync.errors import RunError

_NO_OFFSET = timedelta(0)


class MachineZone(tzinfo):
    """The machine's own zone with its DST rules, asked of the C library each time.

    zoneinfo knows zones by name only, and the machine's own has none that could
    be found everywhere (TZ may hold a rule, Windows has names of its own).
    """

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """Give the offset at a time on the wall; `fold` picks one of two in a fold."""
        if moment is None:
            return _NO_OFFSET
        wall = moment.replace(tzinfo=None)
        return timedelta(seconds=wall.replace(tzinfo=UTC, fold=0).timestamp() - wall.timestamp())

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Not known: the C library does not say how much of the offset it is."""
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Give the zone's abbreviation at a time on the wall."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """Give the time on the wall at a moment."""
        seconds = moment.replace(tzinfo=UTC, microsecond=0).timestamp()
        return datetime.fromtimestamp(seconds).replace(microsecond=moment.microsecond, tzinfo=self)


_MACHINE_ZONE = MachineZone()


def zone_named(name: str | None) -> tzinfo:
    """Find a zone by its IANA name; None is the machine's own.

    Raises:
        RunError: there is no such zone here.
    """
    if name is None:
        return _MACHINE_ZONE
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RunError(
            f"time zone '{name}' is not known here; use an IANA name like 'Europe/Berlin'"
        ) from error


def moment_of(day: date, wall: time, zone: tzinfo) -> datetime:
    """Give the moment, in UTC, at which a clock on the wall shows a time.

    A time that DST skips is moved by as much as was skipped (02:30 becomes
    03:30); of a time that comes twice, the first is meant.
    """
    return datetime.combine(day, wall.replace(fold=0), tzinfo=zone).astimezone(UTC)

"""Moments, as people name them on the command line."""

from __future__ import annotations

import datetime

from dirsync.cli.parsing import usage_error
from dirsync.config.scalars import duration


def moment_named(text: str, *, now: datetime.datetime) -> datetime.datetime:
    """Read `2026-11-21`, `2026-11-21 12:30`, any other ISO 8601, or `2d`: so long ago.

    Local time, unless the text names a zone; a day is its first moment.

    Raises:
        ConfigError: the text names no moment.
    """
    try:
        return now - datetime.timedelta(seconds=duration(text))
    except ValueError:
        pass
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise usage_error(
            f"'{text}' is no moment; write one as 2026-11-21, '2026-11-21 12:30:00', or 2d for two days ago"
        ) from None


def past_moment(text: str, *, now: datetime.datetime) -> datetime.datetime:
    """Read a moment from which on something is told, as `moment_named` does.

    Raises:
        ConfigError: the text names no moment, or one that has not come yet.
    """
    found = moment_named(text, now=now)
    if found > now:
        raise usage_error(f"--since {text}: that has not come yet; write a moment that has, as 7d")
    return found

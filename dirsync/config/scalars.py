"""What a plain text stands for: YAML 1.2's types, and dirsync's small languages.

YAML 1.2 (core schema), not 1.1: `12:30`, `no`, `off` and `on` are texts. Every
function here raises `ValueError` whose text says what is wrong and what would be right.

Source: YAML 1.2.2, chapter 10.3.2.
"""

from __future__ import annotations

import datetime
import enum
import re
from decimal import Decimal

from dirsync.config.nodes import ScalarNode, is_null
from dirsync.config.problems import quoted


class Kind(enum.Enum):
    """The types a scalar can be."""

    NULL = "null"
    BOOLEAN = "truth value"
    INTEGER = "number"
    DECIMAL = "number with a fraction"
    TEXT = "text"


_BOOLEAN = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_FIGURE = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"(?:{_FIGURE}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(rf"({_FIGURE})(ms|[smhdw])")
_EVEN_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_SECONDS = {"ms": Decimal("0.001")} | {unit: Decimal(seconds) for unit, seconds in _EVEN_SECONDS.items()}
_SIZE = re.compile(rf"({_FIGURE})\s?(?:([KMGTP])(i?B)?|B)?", re.IGNORECASE)
_PERCENT = re.compile(rf"({_FIGURE})\s?%")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_LONGEST_SECONDS = 100 * 365 * 86_400


def kind_of(scalar: ScalarNode) -> Kind:
    """Tell a scalar's type; a quoted one is text, one expanded from a variable never null."""
    if scalar.quoted and not scalar.expanded:
        return Kind.TEXT
    if is_null(scalar):
        return Kind.NULL
    if scalar.text in _BOOLEAN:
        return Kind.BOOLEAN
    if _INTEGER.fullmatch(scalar.text):
        return Kind.INTEGER
    return Kind.DECIMAL if _DECIMAL.fullmatch(scalar.text) else Kind.TEXT


def integer(text: str) -> int:
    """Read a whole number as YAML 1.2 does, but for leading zeros, which are refused."""
    digits = text.lstrip("+-")
    if len(digits) > 18:
        raise ValueError(f"{quoted(text[:20])}… is too large a number")
    if digits.startswith("0") and digits.isdigit() and len(digits) > 1:
        raise ValueError(
            f"{quoted(text)} has a leading zero; write {int(text)}, or 0o{digits.lstrip('0')} if it is octal"
        )
    return int(text, 0)


def duration(text: str) -> float:
    """Read a length of time, `90s`, `1h30m` or `1.5d`, as seconds."""
    if text.strip() == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError(
            f"{quoted(text)} is not a duration; write a number with ms, s, m, h, d or w, as 30s or 1h30m"
        )
    seconds = sum(
        (Decimal(figure) * _SECONDS[unit] for figure, unit in _DURATION_PART.findall(text)), Decimal(0)
    )
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"{quoted(text)} is longer than 100 years")
    return float(seconds)


def size(text: str) -> int:
    """Read an amount of data, `10G` or `500 MiB`, as bytes: KB, MB… count in 1000s, all others in 1024s."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{quoted(text)} is not a size; write bytes or a number with K, M, G or T, as 10G")
    figure, unit, suffix = found.groups()
    base = 1000 if suffix and suffix.upper() == "B" else 1024
    exponent = "KMGTP".index(unit.upper()) + 1 if unit else 0
    return int(Decimal(figure) * base**exponent)


def percent(text: str) -> float | None:
    """Read a share, `50%` or `2.5%`; None when the text is none."""
    found = _PERCENT.fullmatch(text)
    if not found:
        return None
    share = float(found[1])
    if share > 100:
        raise ValueError(f"{quoted(text)} is more than all; write 0% to 100%")
    return share


def count(text: str) -> int:
    """Read a number of things."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"{quoted(text)} is not a number of entries; write a number as 100")
    return integer(text)


def time_of_day(text: str) -> datetime.time:
    """Read a moment of the day, `02:30` or `02:30:15`."""
    found = _TIME.fullmatch(text)
    hour, minute, second = (int(part or 0) for part in found.groups()) if found else (24, 0, 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{quoted(text)} is not a time of day; write HH:MM or HH:MM:SS, as 02:30")
    return datetime.time(hour, minute, second)


def nanoseconds(text: str) -> int:
    """Read a length of time, a plain number being seconds, as nanoseconds."""
    if re.fullmatch(_FIGURE, text):
        return int(Decimal(text) * 1_000_000_000)
    return round(duration(text) * 1_000_000_000)


def written_seconds(seconds: float) -> str:
    """Write seconds so that `duration` reads them back, in the largest unit that is even."""
    for unit, length in _EVEN_SECONDS.items():
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{plain_number(seconds)}s"


def plain_number(number: float) -> str:
    """Write a number without exponent and without a needless fraction."""
    text = f"{Decimal(repr(number)):f}"
    return text.removesuffix(".0")

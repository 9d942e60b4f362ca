"""A little colour where a person looks, and none where a file or a pipe reads."""

from __future__ import annotations

import enum
import os
import sys


class Tone(enum.Enum):
    """How a word is meant; the value is its SGR code (ECMA-48)."""

    GOOD = "32"
    WARNING = "33"
    BAD = "31"
    FAINT = "2"


def is_terminal() -> bool:
    """Whether a person looks at standard output, on a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def toned(text: str, tone: Tone) -> str:
    """Colour a word, if standard output shows colours (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or not is_terminal():
        return text
    return f"\x1b[{tone.value}m{text}\x1b[0m"

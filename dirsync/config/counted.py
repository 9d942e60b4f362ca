"""What a rule of a track job may let count."""

from __future__ import annotations

import enum


class Counted(enum.Enum):
    """An attribute that counts, as `rules` name it."""

    SIZE = "size"
    MTIME = "mtime"
    MODE = "mode"
    OWNERSHIP = "ownership"
    HASH = "hash"
    GROWING = "growing"  # a file may become longer: only becoming shorter counts

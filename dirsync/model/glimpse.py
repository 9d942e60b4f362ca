"""What a glance tells of a directory that is as it was: where to go on."""

from __future__ import annotations

from typing import NamedTuple


class Glimpse(NamedTuple):
    """How much is in a directory, and its subdirectories, in columns and in order as in a `Listing`."""

    entries: int  # subdirectories and all else
    directories: bytes  # names, joined by NUL
    inodes: bytes  # u64
    devices: bytes  # u64

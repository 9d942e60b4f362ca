"""What a place can keep, so that comparison and plan go no further."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a tree can keep of an entry."""

    mtime_resolution_ns: int = 1
    modes: bool = True
    any_owner: bool = True  # this process may give files to anyone
    groups: frozenset[int] = frozenset()  # where not: the groups it may give its own files to
    uid: int = 0  # whom new files belong to
    symlinks: bool = True

"""Where a tree is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

RESERVED = b".dirsync"  # at the top of either side of a job: dirsync's own, no part of the tree
VERSIONS = RESERVED + b"/versions"  # of a destination: a directory a run, holding what that run displaced


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPlace:
    """Where a catalog is."""

    url: str = field(repr=False)  # `sqlite:///absolute/path` or `postgresql://…`; it may hold a password
    key_file: str  # absolute path; where it exists, what it holds seals the catalog's rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlace:
    """A directory of this machine."""

    path: bytes  # absolute
    identity: tuple[int, int] | None = None  # device and inode it must have; None: any
    follows_links: bool = False  # its symlinks count as what they point to

    def __str__(self) -> str:
        return os.fsdecode(self.path)

"""Where a tree is."""

from __future__ import annotations

import os

from msgspec import Struct

RESERVED = b".dirsync"  # at the top of either side of a job: dirsync's own, no part of the tree
VERSIONS = RESERVED + b"/versions"  # of a destination: a directory a run, holding what that run displaced


class CatalogPlace(Struct, frozen=True, kw_only=True):
    """Where a catalog is."""

    url: str  # `sqlite:///absolute/path` or `postgresql://…`; it may hold a password
    key_file: str  # absolute path; where it exists, what it holds seals the catalog's rows

    def __repr__(self) -> str:
        return f"CatalogPlace(key_file={self.key_file!r})"  # the URL may hold a password


class LocalPlace(Struct, frozen=True, kw_only=True):
    """A directory of this machine."""

    path: bytes  # absolute
    identity: tuple[int, int] | None = None  # device and inode it must have; None: any
    follows_links: bool = False  # its symlinks count as what they point to

    def __str__(self) -> str:
        return os.fsdecode(self.path)

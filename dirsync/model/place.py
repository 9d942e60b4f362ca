"""Where a tree is."""

from __future__ import annotations

import os
from typing import TypeAlias

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
    within: bytes | None = None  # a directory above it, from which on no link leads to it; None: links may

    def __str__(self) -> str:
        return os.fsdecode(self.path)

    @property
    def name(self) -> bytes:
        """What people call it."""
        return self.path


class FarPlace(Struct, frozen=True, kw_only=True):
    """A directory that an agent serves, of a share."""

    address: str  # `https://host:port`
    share: str
    beneath: bytes = b""  # path beneath the share's root
    token: str | None = None  # None: none is sent
    ca: str | None = None  # absolute path of the certificates that are trusted; None: the system's
    fingerprint: str | None = None  # SHA-256 of the one certificate trusted, in hex; None: any valid one
    follows_links: bool = False  # a far source is read as it is
    identity: tuple[int, int] | None = None  # device and inode its root had when it was greeted; None: any
    connection: int | None = None  # which of those that are open it is read through; None: one of its own

    def __repr__(self) -> str:
        return f"FarPlace({str(self)!r})"  # the token is nobody's business

    def __str__(self) -> str:
        beneath = f"/{os.fsdecode(self.beneath)}" if self.beneath else ""
        return f"{self.address}/{self.share}{beneath}"

    @property
    def url(self) -> str:
        """The URL that names it, whatever its names hold."""
        from urllib.parse import quote  # loads much, and is asked for seldom

        return f"{self.address}/{quote(self.share, safe='')}" + "".join(
            f"/{quote(name)}" for name in self.beneath.split(b"/") if name
        )

    @property
    def name(self) -> bytes:
        """What people call it."""
        return os.fsencode(str(self))


Place: TypeAlias = LocalPlace | FarPlace

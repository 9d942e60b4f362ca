"""Naming what whole subtrees hold, so that two machines find out by 16 bytes that they agree.

Each directory has a digest of its own rows, and one of these and of all beneath it. Two ends
that survey the same way compare the latter from the top, and go down only where they differ.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from msgspec import Struct

from dirsync.filters import Scope, Verdict
from dirsync.model.listing import DIGEST_BYTES, Listing, numbers
from dirsync.model.place import RESERVED
from dirsync.scan.chosen import list_directory
from dirsync.trees.fsops import TEMPORARY_MARK
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree

_ONE = b"\x01" + bytes(7)


class Columns(Struct, frozen=True, kw_only=True):
    """Which columns of a listing count, besides names, modes and targets."""

    size: bool
    mtime: bool
    ownership: bool
    hard_links: bool  # a directory with a file that has several names has no digest


class Ground(NamedTuple):
    """What was found of one directory."""

    own: bytes | None  # names its rows; None: something in it is unknown, or calls for a closer look
    whole: bytes | None  # names its rows and all beneath; None: something there has no digest
    entries: int  # in it and beneath
    rows: int  # in it alone


class TooMany(Exception):
    """There are more directories than were to be surveyed."""


class _Open:
    """A directory whose subdirectories are being surveyed."""

    __slots__ = ("entries", "left", "own", "path", "rows", "wholes")

    def __init__(self, path: bytes, own: bytes | None, entries: int, left: list[tuple[bytes, Scope]]) -> None:
        self.path = path
        self.own = own
        self.rows = self.entries = entries
        self.left = left  # in reverse order
        self.wholes: list[bytes] | None = None if own is None else [own]

    def take(self, ground: Ground) -> None:
        """Take in what was found of a subdirectory."""
        self.entries += ground.entries
        if ground.whole is None:
            self.wholes = None
        elif self.wholes is not None:
            self.wholes.append(ground.whole)

    def ground(self) -> Ground:
        """Give what was found, when nothing is left."""
        if self.wholes is None:
            return Ground(self.own, None, self.entries, self.rows)
        return Ground(self.own, _digest(b"".join(self.wholes)), self.entries, self.rows)


def survey(
    tree: LocalTree,
    path: bytes,
    *,
    scope: Scope,
    columns: Columns,
    most_directories: int,
    check: Callable[[], None],
) -> dict[bytes, Ground]:
    """Survey a directory and what is beneath, and give what was found of each.

    `scope` holds for the directory's children; what it excludes is not entered. `check` is called
    before each directory, and may raise to stop. Depth costs memory, no recursion.

    Raises:
        TooMany: there are more than `most_directories`.
    """
    found: dict[bytes, Ground] = {}
    begun = 1
    stack = [_opened(tree, path, scope, columns)]
    while stack:
        top = stack[-1]
        if not top.left:
            ground = found[top.path] = top.ground()
            stack.pop()
            if stack:
                stack[-1].take(ground)
            continue
        if begun >= most_directories:
            raise TooMany
        begun += 1
        check()
        child, inner = top.left.pop()
        stack.append(_opened(tree, child, inner, columns))
    return found


def _opened(tree: LocalTree, path: bytes, scope: Scope, columns: Columns) -> _Open:
    """List a directory; one that cannot be listed has no digest, and nothing beneath."""
    try:
        listing = list_directory(tree.handles.handle(path))
    except OSError:
        return _Open(path, None, 0, [])
    names = [name for name in listing.directories() if path or name != RESERVED]
    left: list[tuple[bytes, Scope]]
    if scope.trivial:
        left = [(join(path, name), scope) for name in reversed(names)]
    else:
        left = [
            (join(path, name), scope.enter(name))
            for name in reversed(names)
            if scope.verdict(name, is_directory=True) is not Verdict.EXCLUDED
        ]
    return _Open(path, _own_digest(listing, columns), listing.entry_count, left)


def _own_digest(listing: Listing, columns: Columns) -> bytes | None:
    if listing.unknown or TEMPORARY_MARK in listing.names:
        return None
    if columns.hard_links and _has_several_names(listing):
        return None
    parts = [listing.names, listing.mode, listing.targets]
    if columns.size:
        parts.append(listing.size)
    if columns.mtime:
        parts.append(listing.mtime_ns)
    if columns.ownership:
        parts += (listing.uid, listing.gid)
    lengths = b"%d %d" % (len(listing.names), len(listing.targets))  # so that no two cuts look alike
    return _digest(b"".join((lengths, *parts)))


def _has_several_names(listing: Listing) -> bool:
    """Whether a file of the directory has several names; directories have a link each way."""
    if listing.nlink == _ONE * listing.entry_count:
        return False
    counts, modes = numbers("Q", listing.nlink), numbers("I", listing.mode)
    return any(count > 1 and stat.S_ISREG(mode) for count, mode in zip(counts, modes, strict=True))


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()

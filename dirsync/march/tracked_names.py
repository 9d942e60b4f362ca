"""Which names of a directory a track job records, and which lead to what it may record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dirsync.filters import Scope, Verdict
from dirsync.model.listing import Listing
from dirsync.model.place import RESERVED
from dirsync.trees.fsops import TEMPORARY_MARK, is_temporary
from dirsync.trees.handles import join

_KIND, _DIRECTORY, _LINK = 0o170000, 0o040000, 0o120000


class TrackedDirectory(NamedTuple):
    """One directory still to be marched."""

    path: bytes
    scope: Scope  # the filter rules that hold for its children
    salt: bytes = b""  # names the ignore files above that its scope comes from
    ino: int = 0  # as its parent was listed


class TrackedNames:
    """Decides about the names in one directory."""

    def __init__(self, path: bytes, scope: Scope, *, skip_symlinks: bool, device: int | None) -> None:
        """Decide by the rules that hold in the directory; `device`: stay on it (None: go anywhere)."""
        self._path = path
        self._is_root = not path
        self._scope = scope
        self._skip_symlinks = skip_symlinks
        self._device = device
        self._selects_all = scope.trivial and not skip_symlinks

    def unselected(self, listing: Listing) -> frozenset[bytes]:
        """Give the names that are not recorded."""
        if self._selects_all and not self._is_root and TEMPORARY_MARK not in listing.names:
            return frozenset()
        modes = listing.modes()
        rows = zip(listing.name_list(), modes, strict=True)
        return frozenset(name for name, mode in rows if not self._selects(name, mode & _KIND))

    def _selects(self, name: bytes, kind: int) -> bool:
        if is_temporary(name) or (self._skip_symlinks and kind == _LINK):
            return False
        return self._verdict(name, is_directory=kind == _DIRECTORY) is Verdict.SELECTED

    def _verdict(self, name: bytes, *, is_directory: bool) -> Verdict:
        if self._is_root and name == RESERVED:
            return Verdict.EXCLUDED
        if self._scope.trivial:
            return Verdict.SELECTED
        return self._scope.verdict(name, is_directory=is_directory)

    def inside(self, listing: Listing, *, salt: bytes = b"") -> list[TrackedDirectory]:
        """Give the subdirectories to look at, in order."""
        rows = [
            (name, ino) for name, ino, device in listing.subdirectories() if self._device in (None, device)
        ]
        return self.to_enter(rows, salt=salt)

    def to_enter(self, rows: Iterable[tuple[bytes, int]], *, salt: bytes) -> list[TrackedDirectory]:
        """Give the subdirectories to look at, in order, out of those with some names and inodes."""
        if not self._scope.trivial or self._is_root:
            rows = [row for row in rows if self._verdict(row[0], is_directory=True) is not Verdict.EXCLUDED]
        beginning = join(self._path, b"")
        scope = self._scope if self._scope.trivial else None  # of them all; None: each has its own
        return [
            TrackedDirectory(beginning + name, scope or self._scope.enter(name), salt, ino)
            for name, ino in rows
        ]

    def foreign(self, listing: Listing) -> frozenset[bytes]:
        """Give the names of the directories that are not entered, for they are of other file systems."""
        if self._device is None:
            return frozenset()
        rows = zip(listing.name_list(), listing.devices(), strict=True)
        return frozenset(name for name, dev in rows if dev != self._device)

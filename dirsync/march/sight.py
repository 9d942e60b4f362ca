"""Seeing both sides of one directory: complete listings, its ignore files, and what is surely absent."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from dirsync.errors import PathError
from dirsync.filters import Scope, pattern_lines
from dirsync.march.found import Directory, Sides
from dirsync.model.entry import Entry
from dirsync.model.listing import Listing
from dirsync.model.names import shown
from dirsync.model.place import RESERVED
from dirsync.scan.sources import listing_in
from dirsync.scan.stride import Sighted
from dirsync.trees.handles import join
from dirsync.trees.source import SourceTree

_ATTEMPTS_WHILE_IT_CHANGES = 3


def entries_in(listing: Listing, path: bytes) -> int:
    """Count what a directory of a tree holds, without what is this program's own at the top."""
    has_own = not path and RESERVED in listing.name_list()
    return listing.entry_count - has_own


class Sight:
    """Looks at one directory on the sides it is on; `scope` comes to hold its ignore files' rules."""

    def __init__(
        self,
        directory: Directory,
        *,
        source: SourceTree,
        destination: SourceTree,
        sighted: Sighted | None = None,
    ) -> None:
        """Look at a directory; `sighted` is what was just seen of both sides (None: nothing was)."""
        self._directory = directory
        self._source = source
        self._destination = destination
        self._destination_path = directory.destination_path or directory.path
        self._sighted = sighted
        self._ctime_ns_before = 0  # of the source, before it was listed
        self.scope = directory.scope
        self.entries = 0  # of the source, once it is listed
        self.destination_entries = 0

    def listings(self) -> tuple[Listing, Listing]:
        """List both sides, source first; a side the directory is not on is empty.

        What was seen already may lack rows that are equal on both sides: `Sighted`.

        Raises:
            PathError: a side could not be listed to its end, or an ignore file not be read.
        """
        if self._sighted is None:
            return self._listings()
        sighted = self._sighted
        self.entries, self.destination_entries = sighted.new_entries, sighted.old_entries
        self._ctime_ns_before = sighted.ctime_ns
        self._read_ignore_files(sighted.new)
        return sighted.new, sighted.old

    def _listings(self) -> tuple[Listing, Listing]:
        new, old = Listing(), Listing()
        if Sides.SOURCE in self._directory.sides:
            new = self._source_listing()
        if Sides.DESTINATION in self._directory.sides:
            old = self._listing(self._destination, "destination", path=self._destination_path)
        self.scope = self._directory.scope
        self._read_ignore_files(new if Sides.SOURCE in self._directory.sides else old)
        path = self._directory.path
        self.entries, self.destination_entries = entries_in(new, path), entries_in(old, path)
        return new, old

    def settled(self, new: Listing, old: Listing) -> tuple[Listing, Listing]:
        """Give listings of which the source's did not change meanwhile, or the last of a few.

        A name that is renamed while its directory is listed may be seen neither as it
        was nor as it is; here nothing else shows that. What is still missing then is
        missing from this run alone: absence is asked about name by name.

        Raises:
            PathError: it can no longer be listed.
        """
        if Sides.SOURCE not in self._directory.sides:
            return new, old
        for _ in range(_ATTEMPTS_WHILE_IT_CHANGES):
            if self._ctime_ns() == self._ctime_ns_before:
                break
            new, old = self._listings()
        return new, old

    def foresee_missing(self, names: Sequence[bytes]) -> None:
        """Hear which names will be asked about, for the source's listing lacks them."""
        if names and Sides.SOURCE in self._directory.sides:
            self._source.foresee(entries=[join(self._directory.path, name) for name in names])

    def seen_after_all(self, name: bytes) -> Entry | None:
        """Look at the source for a name that its listing lacks; None: it is absent.

        A listing may leave out a name that is renamed over meanwhile: on tmpfs most
        listings of a busy directory miss one.

        Raises:
            PathError: it cannot be looked at, so it is unknown.
        """
        if Sides.SOURCE not in self._directory.sides:
            return None
        path = join(self._directory.path, name)
        try:
            return self._source.entry(path)
        except OSError as error:
            raise PathError(path, f"could not be seen: {error.strerror}") from error

    def _ctime_ns(self) -> int:
        try:
            return self._source.ctime_ns(self._directory.path)
        except OSError as error:
            raise self._unseen(f"the source directory cannot be listed: {error.strerror}") from error

    def _source_listing(self) -> Listing:
        self._ctime_ns_before = self._ctime_ns()
        return self._listing(self._source, "source", path=self._directory.path)

    def _listing(self, tree: SourceTree, side: str, *, path: bytes) -> Listing:
        try:
            return listing_in(tree, path)
        except OSError as error:
            raise self._unseen(f"the {side} directory cannot be listed: {error.strerror}") from error

    def _read_ignore_files(self, listing: Listing) -> None:
        """Add the rules of the directory's ignore files: the source's, or what is left of them."""
        if not self.scope.ignore_files:
            return
        in_source = Sides.SOURCE in self._directory.sides
        tree: SourceTree = self._source if in_source else self._destination
        where = self._directory.path if in_source else self._destination_path
        try:
            self.scope = scope_inside(tree, where, self.scope, listing)
        except OSError as error:
            raise self._unseen(f"its ignore file cannot be read: {error.strerror or error}") from error

    def _unseen(self, reason: str) -> PathError:
        return PathError(self._directory.path, reason)


def scope_inside(tree: SourceTree, path: bytes, scope: Scope, listing: Listing) -> Scope:
    """Give the scope of a listed directory with the rules of its ignore files.

    Raises:
        OSError: one of them cannot be read.
    """
    unknown = dict(listing.unknown)
    for name in scope.ignore_files:
        if name in unknown:
            raise OSError(errno.EIO, unknown[name])
        if listing.has_file(name):  # as git, which follows no link to one
            file = join(path, name)
            scope = scope.with_ignore_file(pattern_lines(tree.read_file(file), file=shown(file)))
    return scope

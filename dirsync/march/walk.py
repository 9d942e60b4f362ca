"""One side alone, in path order: what a snapshot is taken by.

Directories are listed one at a time through handles, so no path is resolved twice,
nothing is followed, and no depth is too deep. Memory grows with the directories that
lie above the one at hand, and with their width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirsync.filters import Scope, scope_of
from dirsync.filters.selection import Selection
from dirsync.march.sight import scope_inside
from dirsync.march.tracked_names import TrackedDirectory, TrackedNames
from dirsync.model.change import Failure
from dirsync.model.entry import Entry
from dirsync.model.listing import Listing
from dirsync.model.place import RESERVED
from dirsync.model.snapshot import Seen, Sighting
from dirsync.scan.sources import listing_in
from dirsync.trees.fsops import TEMPORARY_MARK, is_temporary
from dirsync.trees.handles import join, split
from dirsync.trees.source import SourceTree

ATTEMPTS_WHILE_IT_CHANGES = 10  # one listing takes about a millisecond


class Recording(NamedTuple):
    """What a track job records of a tree."""

    scope: Scope  # the filter rules that hold for what is directly in the root
    skip_symlinks: bool
    one_file_system: bool


EVERYTHING = Recording(scope_of(include=(), exclude=()), skip_symlinks=False, one_file_system=False)


class Walk:
    """Walks a tree once."""

    def __init__(
        self,
        tree: SourceTree,
        *,
        selection: Selection,
        check: Callable[[], None],
        recording: Recording = EVERYTHING,
    ) -> None:
        """Walk what is selected; `check` is called before each directory, and may raise to stop.

        `recording`: of that, what a track job would record, and where it would go.
        """
        self._tree = tree
        self._selection = selection
        self._check = check
        self._recording = recording
        self._device: int | None = None  # set: stay on this file system

    def sightings(self) -> Iterator[Sighting]:
        """Give what is seen, and what cannot be, in path order.

        Raises:
            OSError: the root cannot be listed.
        """
        if self._recording.one_file_system:
            self._device = self._tree.directory(b"").dev
        levels = [self._opened(TrackedDirectory(b"", self._recording.scope))]
        while levels:
            for sighting, directory in levels[-1]:
                if sighting is not None:
                    yield sighting
                if directory is not None:
                    levels.append(self._opened(directory))
                    break
            else:
                levels.pop()

    def _opened(
        self, directory: TrackedDirectory
    ) -> Iterator[tuple[Sighting | None, TrackedDirectory | None]]:
        """Give what is seen in a directory, each with the directory to enter that it is.

        First, if so, that not all of it can be seen.
        """
        self._check()
        path = directory.path
        try:
            listing, settled = self._listing(path)
        except OSError as error:
            if not path:
                raise
            yield Failure(path, f"the directory cannot be listed: {error.strerror}"), None
            return
        if not settled:
            yield Failure(path, "it kept changing while it was listed, so a name may have been missed"), None
        try:
            scope = scope_inside(self._tree, path, directory.scope, listing)
        except OSError as error:
            yield Failure(path, f"its ignore file cannot be read: {error.strerror or error}"), None
            return
        skip_symlinks = self._recording.skip_symlinks
        names = TrackedNames(path, scope, skip_symlinks=skip_symlinks, device=self._device)
        inside = {each.path: each for each in names.inside(listing)}
        unselected = names.unselected(listing)
        for sighting in self._children(path, listing):
            is_told = not unselected or split(sighting.path)[1] not in unselected
            yield sighting if is_told else None, inside.get(sighting.path)

    def _listing(self, path: bytes) -> tuple[Listing, bool]:
        """List a directory, and tell whether it stood still meanwhile.

        A name that is renamed while its directory is listed may be seen neither as it
        was nor as it is.
        """
        for _ in range(ATTEMPTS_WHILE_IT_CHANGES):
            before_ns = self._tree.ctime_ns(path)
            listing = listing_in(self._tree, path)
            if self._tree.ctime_ns(path) == before_ns:
                return listing, True
        return listing, False

    def _children(self, path: bytes, listing: Listing) -> Iterator[Sighting]:
        entries = listing.entries(path)
        if not path or TEMPORARY_MARK in listing.names:
            entries = [entry for entry in entries if not _is_dirsyncs_own(entry.path)]
        if not self._selection.trivial:
            entries = [entry for entry in entries if self._selects(entry)]
        if not listing.unknown:
            for entry in entries:
                yield Seen(entry, None)
            return
        unseen = [Failure(join(path, name), reason) for name, reason in listing.unknown]
        children: list[Sighting] = [Seen(entry, None) for entry in entries]
        children += [failure for failure in unseen if self._concerns(failure.path)]
        yield from sorted(children, key=lambda sighting: sighting.path)

    def _selects(self, entry: Entry) -> bool:
        return self._selection.selects(entry.path, is_directory=entry.is_directory)

    def _concerns(self, path: bytes) -> bool:
        return not _is_dirsyncs_own(path) and self._selection.selects(path, is_directory=False)


def _is_dirsyncs_own(path: bytes) -> bool:
    """Whether a path is dirsync's own, and no part of the tree."""
    return path == RESERVED or is_temporary(split(path)[1])

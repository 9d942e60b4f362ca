"""The march of one tree that a catalog holds: only directories whose digest is another come back.

An unchanged directory costs a glance: a listing, a hash of its columns and a look-up.
No pattern is matched in it but for its subdirectories' names, and nothing of it travels.
Directories that have one parent are glanced at together, and where nothing is selected by
name, all that lies in them as well. What differs from the record at a glance is looked at
again, for long enough to know that it stands still.
"""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

from msgspec import Struct, field

from dirsync.errors import PathError
from dirsync.filters import Scope
from dirsync.march.found import Directory, Sides
from dirsync.march.marching import Check, Enough
from dirsync.march.sight import Sight, entries_in
from dirsync.march.tracked_names import TrackedDirectory, TrackedNames
from dirsync.model.change import Failure
from dirsync.model.listing import Listing
from dirsync.model.place import LocalPlace
from dirsync.scan.chosen import glance
from dirsync.scan.digests import Digests
from dirsync.scan.glance import Asked, Place
from dirsync.trees.handles import join, split
from dirsync.trees.hashing import TICK_NS, await_tick
from dirsync.trees.local import LocalTree, open_tree

_AT_A_GLANCE = 64  # directories that are named; those in them come on top
_ROWS_AT_A_GLANCE = 2_000  # so that neither memory nor the next stop waits for long
_LEVELS_AT_A_GLANCE = 32  # each takes a handle


class SeenDirectory(NamedTuple):
    """One directory whose digest is not the one on record."""

    path: bytes
    ino: int  # as its parent was listed; 0: it is the root
    digest: bytes | None  # None: something in it is unknown
    listing: Listing
    unselected: frozenset[bytes]  # names that the job does not record
    entered: frozenset[bytes] = frozenset()  # those of them that lead to what it may record
    foreign: frozenset[bytes] = frozenset()  # directories of other file systems, which it does not enter


class TrackContext(Struct, frozen=True, kw_only=True):
    """What is the same for every directory of one scan."""

    source: LocalPlace
    digests: Digests | None  # None: every directory comes back
    skip_symlinks: bool = False
    source_device: int | None = None  # set: stay on this file system (`one_file_system`)


class TrackFound(Struct, kw_only=True):
    """What a march found."""

    changed: list[SeenDirectory] = field(default_factory=list)  # a directory before those in it
    unlisted: list[Failure] = field(default_factory=list)  # directories that could not be listed
    subdirectories: list[TrackedDirectory] = field(default_factory=list)
    scanned: int = 0  # entries, those that are not selected too

    @property
    def seen(self) -> int:
        """How many entries were seen."""
        return self.scanned


def track(
    context: TrackContext, directories: list[TrackedDirectory], enough: Enough, check: Check
) -> TrackFound:
    """March directories until `enough` says so, at least one of them; `check` may raise to stop.

    Raises:
        OSError: the root that was there is gone.
    """
    found = TrackFound()
    left = directories[::-1]
    with open_tree(context.source) as source:
        while left:
            check()
            siblings = _siblings(left)
            to_look_at, inside = _glanced(context, siblings, source, found)
            for directory in to_look_at:
                inside += _looked_at(context, directory, source, found)
            left += reversed(inside)
            if enough(found):
                break
    found.subdirectories = left[::-1]
    return found


def _siblings(left: list[TrackedDirectory]) -> list[TrackedDirectory]:
    """Take the next directory off the end of a list, and those that follow and go into one glance with it."""
    where = _where(left[-1])
    count = 1
    for directory in left[-2 : -_AT_A_GLANCE - 1 : -1]:
        if _where(directory) != where:
            break
        count += 1
    siblings = left[: -count - 1 : -1]
    del left[-count:]
    return siblings


def _where(directory: TrackedDirectory) -> tuple[bytes, bool]:
    """Give what directories of one glance have in common: their parent, and whether anything is filtered."""
    return split(directory.path)[0], directory.scope.trivial


def _glanced(
    context: TrackContext, siblings: list[TrackedDirectory], source: LocalTree, found: TrackFound
) -> tuple[list[TrackedDirectory], list[TrackedDirectory]]:
    """Glance at some directories; give those to be looked at for long, and those still to be marched.

    An ignore file may change without its directory, the root is in no other, and what is not
    on record needs no glance.
    """
    first = siblings[0]
    if context.digests is None or not first.path or first.scope.ignore_files:
        return siblings, []
    parent = split(first.path)[0]
    asked = Asked(
        digests=context.digests,
        salt=first.salt,
        device=context.source_device,
        levels=_LEVELS_AT_A_GLANCE if first.scope.trivial else 1,
        most_rows=_ROWS_AT_A_GLANCE,
    )
    beginning = len(join(parent, b""))
    places = tuple([Place(path[beginning:], ino) for path, _, _, ino in siblings])
    try:
        seen = glance(source.handles.handle(parent), parent, places, asked)
    except OSError:
        return siblings, []
    found.scanned += seen.entries
    if first.scope.trivial:
        to_look_at, left = (
            [TrackedDirectory(path, first.scope, first.salt, ino) for path, ino in places]
            for places in (seen.differing, seen.left)
        )
        return to_look_at, left
    known = {sibling.path: sibling for sibling in siblings}
    left = []
    for path, ino in seen.left:
        if path in known:
            left.append(known[path])
            continue
        above = known[split(path)[0]]
        names = _names(context, above.path, above.scope)
        left += names.to_enter([(split(path)[1], ino)], salt=above.salt)
    return [known[path] for path, _ in seen.differing], left


def _looked_at(
    context: TrackContext, directory: TrackedDirectory, source: LocalTree, found: TrackFound
) -> list[TrackedDirectory]:
    """Look at one directory; give those in it that are to be looked at as well."""
    path = directory.path
    sight = Sight(Directory(path, Sides.SOURCE, directory.scope), source=source, destination=source)
    try:
        listing, _ = sight.listings()
        salt = _salt(directory, sight.scope, listing)
        digest = listing.digest(salt=salt + _own(source, directory))
        changed = digest is None or context.digests is None or context.digests.of(path) != digest
        if changed:
            listing = _settled(sight, listing)
            salt = _salt(directory, sight.scope, listing)
            digest = listing.digest(salt=salt + _own(source, directory))
    except PathError as error:
        found.unlisted.append(Failure(error.path, error.reason))
        return []
    found.scanned += entries_in(listing, path)
    names = _names(context, path, sight.scope)
    inside = names.inside(listing, salt=salt)
    if changed:
        unselected = names.unselected(listing)
        entered = unselected and unselected.intersection(split(each.path)[1] for each in inside)
        foreign = names.foreign(listing)
        found.changed.append(
            SeenDirectory(path, directory.ino, digest, listing, unselected, entered, foreign)
        )
    return inside


def _names(context: TrackContext, path: bytes, scope: Scope) -> TrackedNames:
    return TrackedNames(path, scope, skip_symlinks=context.skip_symlinks, device=context.source_device)


def _own(source: LocalTree, directory: TrackedDirectory) -> bytes:
    """Name what a directory is itself, which its listing does not tell: of the root, all of it."""
    return b"%d" % directory.ino if directory.path else repr(source.directory(b"")[:8]).encode()


def _settled(sight: Sight, listing: Listing) -> Listing:
    """List again a directory that is being changed: an edit within one tick of the clock leaves no trace."""
    listing, _ = sight.settled(listing, Listing())
    newest_ns = max(listing.ctimes_ns(), default=0)
    if 0 <= time.time_ns() - newest_ns < TICK_NS:
        await_tick(newest_ns)
        listing, _ = sight.listings()
    return listing


def _salt(directory: TrackedDirectory, scope: Scope, listing: Listing) -> bytes:
    """Name what a directory's scope comes from: an ignore file above may change while it does not."""
    if scope is directory.scope:
        return directory.salt
    rows = [entry[:8] for entry in listing.entries(b"") if entry.path in scope.ignore_files]
    return hashlib.blake2b(directory.salt + repr(rows).encode(), digest_size=16).digest()

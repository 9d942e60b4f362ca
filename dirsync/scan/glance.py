"""Which directories of a tree are as they are on record: the reference, in plain Python.

`native/glance.c` has to tell the same of every tree; `chosen.py` says which of the two serves.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from msgspec import Struct

from dirsync.model.listing import Listing
from dirsync.scan.digests import Digests
from dirsync.scan.lister import list_directory
from dirsync.trees.handles import OPEN_DIRECTORY, join


class Place(NamedTuple):
    """Where a directory is."""

    path: bytes  # among named ones: its name in the directory they lie in
    ino: int  # as its parent was listed


class Glance(NamedTuple):
    """What a glance tells, in path order."""

    entries: int  # in the directories that are as they were
    differing: list[Place]  # they are not so, or it could not be seen
    left: list[Place]  # not glanced at: too deep, or there were rows enough


class Asked(Struct, frozen=True, kw_only=True):
    """What is the same for all directories of one glance."""

    digests: Digests
    salt: bytes = b""  # part of each digest, as is the directory's own inode behind it
    device: int | None = None  # set: subdirectories elsewhere are not gone to
    levels: int = 1  # how deep it goes: 1 is the directories that are named alone
    most_rows: int  # no directory is listed any more when those that were have so many rows


def glance(fd: int, path: bytes, directories: tuple[Place, ...], asked: Asked) -> Glance:
    """Glance at directories in the one behind a handle, whose path is `path`, and at those in them.

    One that is as it was is gone through. One that differs is not, nor one that is on no record,
    is none (a symlink, say), could not be opened, read, or seen in full; whoever wants to know
    why lists it alone.

    Raises:
        ValueError: a name holds NUL.
    """
    if any(b"\0" in name for name, _ in directories):
        raise ValueError("a name holds NUL")
    glancing = _Glancing(asked)
    for directory in directories:
        glancing.enter(fd, path, directory, asked.levels)
    return Glance(glancing.entries, glancing.differing, glancing.left)


class _Glancing:
    """One glance on its way."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._rows = 0
        self.entries = 0
        self.differing: list[Place] = []
        self.left: list[Place] = []

    def enter(self, parent: int, path: bytes, directory: Place, levels: int) -> None:
        """Glance at a directory in that of `path`, unless there have been levels, or rows, enough."""
        name, ino = directory
        place = Place(join(path, name), ino)
        if levels <= 0 or self._rows >= self._asked.most_rows:
            self.left.append(place)
            return
        expected = self._asked.digests.of(place.path)
        try:
            if expected is None:
                raise OSError
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        except OSError:
            self.differing.append(place)
            return
        try:
            self._look(fd, place, expected, levels)
        finally:
            os.close(fd)

    def _look(self, fd: int, place: Place, expected: bytes, levels: int) -> None:
        listing = _listed_in_full(fd)
        if listing is not None:
            self._rows += listing.entry_count
        if listing is None or listing.digest(salt=self._asked.salt + b"%d" % place.ino) != expected:
            self.differing.append(place)
            return
        self.entries += listing.entry_count
        for name, ino, device in listing.subdirectories():
            if self._asked.device in (None, device):
                self.enter(fd, place.path, Place(name, ino), levels - 1)


def _listed_in_full(fd: int) -> Listing | None:
    """List a directory; None: it, or something in it, cannot be seen."""
    try:
        listing = list_directory(fd)
    except OSError:
        return None
    return None if listing.unknown else listing

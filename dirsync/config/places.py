"""Whether two places are one, or one holds the other, whatever they are called.

A place is known by marks, its own first, then those of each directory above it: device
and inode of what exists, and how the path goes on from there where it does not exist
yet; and the path within its file system, which sees through a bind mount of a part.
Links and `..` are resolved first. Nothing is opened or changed.
"""

from __future__ import annotations

import os
from typing import NamedTuple, TypeAlias

from dirsync.trees.mounts import Mount, MountTable, mounts

Mark: TypeAlias = tuple[object, ...]


class Ground(NamedTuple):
    """How one place is known."""

    path: str  # resolved
    own: frozenset[Mark]  # what the place is, and what is mounted in it
    chain: frozenset[Mark]  # what the place is, and what it is in

    def holds(self, other: Ground) -> bool:
        """Whether the other place is this one, or in it."""
        return not self.own.isdisjoint(other.chain)


class Surveyor:
    """Finds the ground of places; asks the system about each directory once."""

    def __init__(self) -> None:
        self._mounts = MountTable(mounts())
        self._identities: dict[bytes, tuple[int, int] | None] = {}

    def ground(self, path: str, *, one_file_system: bool = False) -> Ground:
        """Survey a place; with `one_file_system` other file systems mounted in it are not of it."""
        real = b"/" + os.path.realpath(os.fsencode(path)).lstrip(b"/")  # POSIX lets two leading slashes be
        inode_marks = self._inode_marks(real)
        here = self._mounts.holding(real)
        path_marks = [] if here is None else _path_marks(real, here)
        mounted = [
            ("path", mount.dev, mount.root)
            for mount in self._mounts.beneath(real)
            if not (one_file_system and here and mount.dev != here.dev)
        ]
        own = frozenset({inode_marks[0], *path_marks[:1], *mounted})
        return Ground(os.fsdecode(real), own, frozenset(inode_marks + path_marks))

    def _inode_marks(self, real: bytes) -> list[Mark]:
        """Give the marks by device and inode, from the place up to the root."""
        missing: list[bytes] = []
        while self._identity(real) is None and real != b"/":
            real, name = os.path.split(real)
            missing.insert(0, name)
        anchor = self._identity(real)
        marks: list[Mark] = [
            ("inode", anchor, b"/".join(missing[:length])) for length in range(len(missing), 0, -1)
        ]
        while real != b"/":
            marks.append(("inode", self._identity(real)))
            real = os.path.dirname(real)
        return [*marks, ("inode", self._identity(b"/"))]

    def _identity(self, path: bytes) -> tuple[int, int] | None:
        """Give device and inode; None where nothing can be seen."""
        if path not in self._identities:
            try:
                status = os.stat(path)
                self._identities[path] = (status.st_dev, status.st_ino)
            except OSError:
                self._identities[path] = None
        return self._identities[path]


def _path_marks(real: bytes, mount: Mount) -> list[Mark]:
    """Give the marks by path within the file system, from the place up to the root."""
    inner = _moved(real, old=mount.point, new=mount.root)
    marks: list[Mark] = [("path", mount.dev, inner)]
    while inner != b"/":
        inner = os.path.dirname(inner)
        marks.append(("path", mount.dev, inner))
    return marks


def _moved(path: bytes, *, old: bytes, new: bytes) -> bytes:
    """Respell a path that is beneath `old` as one beneath `new`."""
    return new.rstrip(b"/") + path[len(old.rstrip(b"/")) :] or b"/"

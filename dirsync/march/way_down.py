"""The way down to one directory: what a march would know of it, had it come there from the root.

A run that marches a few directories alone has to filter in them, and spare in them, just
what a march through the whole tree does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from dirsync.errors import PathError
from dirsync.filters import Scope, Verdict
from dirsync.march.found import Directory, Sides
from dirsync.march.sight import Sight
from dirsync.model.entry import Entry
from dirsync.model.place import RESERVED
from dirsync.trees.fsops import is_temporary
from dirsync.trees.handles import join, split
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


class Standing(NamedTuple):
    """What a march would know of a directory."""

    scope: Scope  # the filter rules that hold for its children, its own ignore files left out
    inner: Scope  # with its own ignore files
    may_delete: bool


class Nowhere(enum.Enum):
    """Why a march does not come to a directory."""

    LEFT_OUT = enum.auto()  # it is filtered out, or another file system's
    MISSING = enum.auto()  # one side does not have it, or it cannot be seen there


IsMounted = Callable[[Entry], bool]


def _nothing_is(_: Entry) -> bool:
    return False


_Found: TypeAlias = "Standing | Nowhere"


class WayDown:
    """Walks down to directories; each on the way is looked at once."""

    def __init__(
        self,
        root: Scope,
        *,
        source: SourceTree,
        source_device: int | None,
        destination: LocalTree | None = None,
        is_mounted: IsMounted = _nothing_is,
    ) -> None:
        """Walk down a source, and the same way down a destination (None: the source alone).

        `root` are the filter rules that hold for what is directly in the root. `source_device`:
        stay on this file system (None: go anywhere). `is_mounted` says whether a directory of the
        destination is on another one.
        """
        self._source = source
        self._source_device = source_device
        self._destination = destination
        self._is_mounted = is_mounted
        self._known: dict[bytes, _Found] = {b"": self._standing(b"", root, may_delete=True)}

    def find(self, path: bytes) -> tuple[bytes, Standing] | None:
        """Give the directory at a path, or the nearest above that is there; None: a march leaves it out."""
        found = self.look(path)
        while found is Nowhere.MISSING and path:
            path = split(path)[0]
            found = self.look(path)
        return (path, found) if isinstance(found, Standing) else None

    def look(self, path: bytes) -> _Found:
        """Say what a march would know of the directory at a path, or why it does not come there."""
        if path not in self._known:
            parent, name = split(path)
            above = self.look(parent)
            self._known[path] = self._step_down(above, path, name) if isinstance(above, Standing) else above
        return self._known[path]

    def _step_down(self, above: Standing, path: bytes, name: bytes) -> _Found:
        is_own = is_temporary(name) or path == RESERVED
        if is_own or above.inner.verdict(name, is_directory=True) is Verdict.EXCLUDED:
            return Nowhere.LEFT_OUT
        new = _directory(self._source, path)
        if new is None:
            return Nowhere.MISSING
        if self._source_device not in (None, new.dev):
            return Nowhere.LEFT_OUT
        may_delete = above.may_delete
        if self._destination is not None:
            old = _directory(self._destination, path)
            if old is None:
                return Nowhere.MISSING
            may_delete = may_delete and not self._is_mounted(old)
        return self._standing(path, above.inner.enter(name), may_delete=may_delete)

    def _standing(self, path: bytes, scope: Scope, *, may_delete: bool) -> _Found:
        if not scope.ignore_files:
            return Standing(scope, scope, may_delete)
        directory = Directory(path, Sides.SOURCE, scope)
        sight = Sight(directory, source=self._source, destination=self._source)
        try:
            sight.listings()
        except PathError:
            return Nowhere.MISSING
        return Standing(scope, sight.scope, may_delete)


def _directory(tree: SourceTree, path: bytes) -> Entry | None:
    """Look at what is at a path; None: no directory that can be seen."""
    try:
        found = tree.entry(path)
    except OSError:
        return None
    return found if found is not None and found.is_directory else None


def beneath(path: bytes, directory: bytes) -> bool:
    """Whether a path lies beneath a directory; the root holds all but itself."""
    return path.startswith(join(directory, b"")) and path != directory

"""Telling apart what a listing's columns cannot: content by its hash, and extended attributes."""

from __future__ import annotations

from collections.abc import Callable

from dirsync.compare.rules import Rules
from dirsync.model.change import Aspect
from dirsync.model.entry import Entry
from dirsync.trees.attributes import Bearer, differ
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree


class CloserLook:
    """Looks at both sides of a path; each look costs system calls, and is taken only where a job asks."""

    def __init__(
        self, source: LocalTree, destination: LocalTree, *, rules: Rules, check: Callable[[], None]
    ) -> None:
        self._source = source
        self._destination = destination
        self._rules = rules
        self._check = check

    def with_hash(self, new: Entry, old: Entry, aspects: frozenset[Aspect]) -> frozenset[Aspect]:
        """Add whether the content of two files differs.

        Raises:
            OSError: one of them cannot be read.
        """
        algorithm = self._rules.hash
        assert algorithm is not None
        if new.size != old.size:  # no need to read what cannot be equal
            return aspects | {Aspect.HASH}
        new_hash = self._source.hash_file(new.path, algorithm, check=self._check)
        old_hash = self._destination.hash_file(new.path, algorithm, check=self._check)
        return aspects if new_hash == old_hash else aspects | {Aspect.HASH}

    def at_attributes(self, path: bytes) -> frozenset[Aspect]:
        """Tell whether the attributes of two objects differ.

        Raises:
            OSError: they cannot be read.
        """
        parent, name = split(path)
        one = Bearer(self._source.handles.handle(parent), name)
        other = Bearer(self._destination.handles.handle(parent), name)
        return frozenset({Aspect.XATTRS}) if differ(one, other, self._rules.attributes) else frozenset()

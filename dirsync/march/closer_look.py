"""Telling apart what a listing's columns cannot: content by its hash, and extended attributes."""

from __future__ import annotations

from collections.abc import Callable

from dirsync.compare.rules import Rules
from dirsync.errors import PathError
from dirsync.march.found import Found
from dirsync.model.change import Aspect
from dirsync.model.content import Hashed, Stamp
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.trees.attributes import differ
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, entry_of


class CloserLook:
    """Looks at both sides of a path; each look costs system calls, and is taken only where a job asks."""

    def __init__(
        self,
        source: LocalTree,
        destination: LocalTree,
        *,
        rules: Rules,
        reads_disk: bool,
        found: Found,
        check: Callable[[], None],
    ) -> None:
        """Look at two trees; what is hashed goes to `found`. `reads_disk`: not from memory."""
        self._source = source
        self._destination = destination
        self._rules = rules
        self._reads_disk = reads_disk
        self._found = found
        self._check = check

    def with_hash(
        self, new: Entry, old: Entry, aspects: frozenset[Aspect], algorithm: HashAlgorithm, there: bytes
    ) -> frozenset[Aspect]:
        """Add whether the content of two files differs; `there` is where the destination's is by now.

        Raises:
            PathError: one of them cannot be read.
        """
        if new.size != old.size:  # no need to read what cannot be equal
            return aspects | {Aspect.HASH}
        try:
            content = self._content(self._source, new.path, algorithm)
            replica = self._content(self._destination, there, algorithm)
        except OSError as error:
            raise PathError(new.path, f"cannot be hashed: {error.strerror}") from error
        stamp = Stamp.of(entry_of(new.path, content.status, None))
        if content.certain and stamp == Stamp.of(new):
            self._found.hashed.append(Hashed(stamp, content.hash, replica.hash))
        return aspects if content.hash == replica.hash else aspects | {Aspect.HASH}

    def _content(self, tree: LocalTree, path: bytes, algorithm: HashAlgorithm) -> Content:
        return tree.content(path, algorithm, check=self._check, from_disk=self._reads_disk)

    def with_attributes(self, path: bytes, there: bytes, aspects: frozenset[Aspect]) -> frozenset[Aspect]:
        """Add whether the attributes of two objects differ, where they are compared and nothing else does.

        Raises:
            PathError: they cannot be read.
        """
        if aspects or not self._rules.attributes:
            return aspects
        try:
            one, other = self._source.bearer(path), self._destination.bearer(there)
            differs = differ(one, other, self._rules.attributes)
        except OSError as error:
            raise PathError(path, f"its extended attributes cannot be read: {error.strerror}") from error
        return frozenset({Aspect.XATTRS}) if differs else aspects

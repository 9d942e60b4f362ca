"""Telling apart what a listing's columns cannot: content by its hash, and extended attributes."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

from dirsync.compare.rules import Rules
from dirsync.errors import PathError
from dirsync.march.found import Found
from dirsync.model.change import Aspect
from dirsync.model.content import Hashed, Stamp
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.trees.hashing import Content
from dirsync.trees.local import entry_of
from dirsync.trees.source import SourceTree

_SIDE_BY_SIDE_FROM_BYTES = 4 << 20  # hashing takes about a millisecond; handing it over takes a tenth


class CloserLook:
    """Looks at both sides of a path; each look costs system calls, and is taken only where a job asks."""

    def __init__(
        self,
        source: SourceTree,
        destination: SourceTree,
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
            content, replica = self._contents(new, algorithm, there)
        except OSError as error:
            raise PathError(new.path, f"cannot be hashed: {error.strerror}") from error
        stamp = Stamp.of(entry_of(new.path, content.status, None))
        if content.certain and stamp == Stamp.of(new):
            self._found.hashed.append(Hashed(stamp, content.hash, replica.hash))
        return aspects if content.hash == replica.hash else aspects | {Aspect.HASH}

    def _contents(self, new: Entry, algorithm: HashAlgorithm, there: bytes) -> tuple[Content, Content]:
        """Hash both sides of a file; those of a large one at the same time."""
        if new.size < _SIDE_BY_SIDE_FROM_BYTES:
            return self._content(self._source, new.path, algorithm), self._content(
                self._destination, there, algorithm
            )
        from concurrent.futures import ThreadPoolExecutor  # takes long to load, and few files are large

        over = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="hash") as beside:
            replica = beside.submit(self._content, self._destination, there, algorithm, over)
            try:
                return self._content(self._source, new.path, algorithm), replica.result()
            finally:
                over.set()

    def _content(
        self, tree: SourceTree, path: bytes, algorithm: HashAlgorithm, over: threading.Event | None = None
    ) -> Content:
        """Hash a file; `over` says that nobody waits for it any more."""

        def check() -> None:
            self._check()
            if over is not None and over.is_set():
                raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))

        return tree.content(path, algorithm, check=check, from_disk=self._reads_disk)

    def with_attributes(self, path: bytes, there: bytes, aspects: frozenset[Aspect]) -> frozenset[Aspect]:
        """Add whether the attributes of two objects differ, where they are compared and nothing else does.

        Raises:
            PathError: they cannot be read.
        """
        if aspects or not self._rules.attributes:
            return aspects
        try:
            compared = self._rules.attributes
            one = self._source.bearer(path).attributes(compared)
            differs = one != self._destination.bearer(there).attributes(compared)
        except OSError as error:
            raise PathError(path, f"its extended attributes cannot be read: {error.strerror}") from error
        return frozenset({Aspect.XATTRS}) if differs else aspects

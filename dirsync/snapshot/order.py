"""Checking that entries come in path order, each directly after its directory or what that holds."""

from __future__ import annotations

from dirsync.model.entry import Entry
from dirsync.model.names import shown
from dirsync.model.snapshot import path_key


class Order:
    """Remembers the entry before, and the directories it lies in."""

    def __init__(self) -> None:
        self._last = b""
        self._within: list[bytes] = [b""]

    def check(self, entry: Entry) -> None:
        """Take the next entry.

        Raises:
            ValueError: it is out of order, there for the second time, or in no directory.
        """
        path = entry.path
        key = path_key(path)
        if key <= self._last:
            raise ValueError(f"'{shown(path)}' is not in path order, or there twice")
        self._last = key
        parent = path.rpartition(b"/")[0]
        within = self._within
        while within[-1] != parent:
            within.pop()
            if not within:
                raise ValueError(f"the directory of '{shown(path)}' is not there before it")
        if entry.is_directory:
            within.append(path)

"""How much of a catalog one run reads again: what could be read counts, what could not does not.

A file that is longest unread and cannot be read would otherwise use up the budget of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.model.recorded import Recorded, RecordedDirectory


class Due(NamedTuple):
    """A file that is to be read again."""

    directory: RecordedDirectory  # as it is on record
    path: bytes  # where the file is now
    row: Recorded  # as it is on record


class Budget:
    """The bytes that may be read; for one thread, which hands files out and takes back what came of them."""

    def __init__(self, size_bytes: int | None) -> None:
        """None: all may be read."""
        self._size_bytes = size_bytes
        self._used_bytes = 0  # by files that were read, or are being read
        self._used = False
        self._handed_out = 0  # files of which it is not known yet what came

    def covered(self, files: Iterable[Due]) -> Iterator[Due | None]:
        """Give files until their bytes have used the budget up, at least one.

        None, where the next one is covered only if one that is handed out cannot be read: take
        back what came of the one that has been out longest, and ask again.
        """
        for file in files:
            while not self._covers(file):
                if not self._handed_out:
                    return
                yield None
            self._used_bytes += file.row.size
            self._handed_out += 1
            yield file

    def _covers(self, file: Due) -> bool:
        if self._size_bytes is None:
            return True
        is_first = not self._used and not self._handed_out
        return is_first or self._used_bytes + file.row.size <= self._size_bytes

    def take_back(self, file: Due, *, was_read: bool) -> None:
        """Take what came of a file that was handed out."""
        self._handed_out -= 1
        if was_read:
            self._used = True
        else:
            self._used_bytes -= file.row.size

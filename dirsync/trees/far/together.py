"""Small files that came in one message."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from dirsync.wire import rows
from dirsync.wire.asks import FilesTogether, Status
from dirsync.wire.frames import ProtocolError


class Some(NamedTuple):
    """Some files that came together."""

    size: int  # how many
    rows: bytes  # their statuses, as `wire/rows.py` has them
    data: bytes  # from `start` on it is theirs, one behind another
    start: int


class Together:
    """The files of one message, taken from the first to the last."""

    def __init__(self, answer: FilesTogether, data: bytes) -> None:
        """Take what another end sent.

        Raises:
            ProtocolError: it is no file, or there are more data than files have, or fewer.
        """
        self._rows, self._data = answer.rows, data
        self._starts = [0, *accumulate(rows.sizes(answer.rows))]
        self._at = 0
        if len(self._starts) == 1 or self._starts[-1] != len(data):
            raise ProtocolError("files together that are none, or have other data than they say")

    def __len__(self) -> int:
        return len(self._starts) - 1 - self._at

    def first(self, count: int) -> Some:
        """Give the first of those that are left."""
        start, end = self._at * rows.ROW_BYTES, (self._at + count) * rows.ROW_BYTES
        return Some(count, self._rows[start:end], self._data, self._starts[self._at])

    def file(self, number: int) -> tuple[Status, bytes]:
        """Give one of those that are left: its status, and its data."""
        at = self._at + number
        row = self._rows[at * rows.ROW_BYTES : (at + 1) * rows.ROW_BYTES]
        return next(rows.statuses(row)), self._data[self._starts[at] : self._starts[at + 1]]

    def take(self, count: int) -> None:
        """Take the first of those that are left off."""
        self._at += count

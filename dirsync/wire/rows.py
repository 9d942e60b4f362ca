"""Statuses of files that are sent together: rows of fixed length, little-endian, without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from dirsync.wire.asks import Status
from dirsync.wire.frames import ProtocolError

_ROW = Struct("<IqqqIIQQQq")  # a Status in its order; `trees/native/small.h` reads and writes the same
ROW_BYTES = _ROW.size
_SIZE = 1  # where it is among the numbers


def sizes(rows: bytes) -> list[int]:
    """Give the size of each file.

    Raises:
        ProtocolError: a row is cut off, or a size is below zero.
    """
    if len(rows) % ROW_BYTES:
        raise ProtocolError("statuses of files of which one is cut off")
    found = [row[_SIZE] for row in _ROW.iter_unpack(rows)]
    if found and min(found) < 0:
        raise ProtocolError("a file with a size below zero")
    return found


def statuses(rows: bytes) -> Iterator[Status]:
    """Give the status of each file."""
    return (Status(*row) for row in _ROW.iter_unpack(rows))

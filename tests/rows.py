"""Statuses of files as they are sent together, packed as the text of the protocol says."""

from __future__ import annotations

import struct

from msgspec import structs

from dirsync.wire.asks import Status


def packed_row(status: Status) -> bytes:
    """Pack the status of a file."""
    return struct.pack("<IqqqIIQQQq", *structs.astuple(status))

"""Data that arrived, written where they belong."""

from __future__ import annotations

import os

from dirsync.trees import fsops

_ZEROS = bytes(64 << 10)


def write_at(copy: int, block: bytes, offset: int, *, skips_zeros: bool) -> int:
    """Write a block of a file, but for stretches of zeros; give how long it is."""
    if not skips_zeros or len(block) < 4096:
        _write(copy, block, offset)
        return len(block)
    view = memoryview(block)
    for at in range(0, len(block), len(_ZEROS)):
        piece = view[at : at + len(_ZEROS)]
        if piece != _ZEROS[: len(piece)]:
            _write(copy, piece, offset + at)
    return len(block)


def _write(copy: int, block: bytes | memoryview, offset: int) -> None:
    fsops.gate("write")
    view = memoryview(block)
    while view:
        written = os.pwrite(copy, view, offset)
        offset += written
        view = view[written:]

"""Cutting content into chunks where the content says so, so that an insertion moves no other cut.

FastCDC finds the cuts, BLAKE3 names the chunks.

Source: W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
Deduplication", USENIX ATC 2016.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import blake3
from pyfastcdc import FastCDC

AVERAGE_BYTES = 64 << 10
LEAST_BYTES, MOST_BYTES = AVERAGE_BYTES // 4, AVERAGE_BYTES * 8
HASH_BYTES = 16
_WINDOW_BYTES = 16 << 20

_cutter = FastCDC(avg_size=AVERAGE_BYTES, min_size=LEAST_BYTES, max_size=MOST_BYTES, seed=0)


class Chunk(NamedTuple):
    """A piece of a file."""

    start: int
    length: int  # bytes
    hash: bytes  # the first 16 bytes of its BLAKE3


def hash_of(block: bytes | memoryview) -> bytes:
    """Name a chunk's content."""
    return blake3.blake3(block).digest(length=HASH_BYTES)


def chunks(handle: int) -> Iterator[Chunk]:
    """Cut an open file, from its beginning to its end.

    Raises:
        OSError: it cannot be read.
    """
    start = 0
    left = b""
    while True:
        block = os.pread(handle, _WINDOW_BYTES, start + len(left))
        window = memoryview(left + block)
        at_end = len(block) == 0
        at = 0
        for cut in _cutter.cut_buf(window):
            # The last cut of a window may be the window's end and not the content's.
            if not at_end and cut.offset + MOST_BYTES > len(window):
                break
            piece = window[cut.offset : cut.offset + cut.length]
            yield Chunk(start + cut.offset, cut.length, hash_of(piece))
            at = cut.offset + cut.length
        if at_end:
            return
        left = bytes(window[at:])
        start += at

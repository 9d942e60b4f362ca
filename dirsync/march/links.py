"""Finding files with several names in directories that are equal, at next to no cost."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator

from dirsync.model.links import Linked
from dirsync.model.listing import Listing, numbers
from dirsync.trees.handles import join

_ONE = b"\x01" + bytes(7)
_MANY_ONES = _ONE * 4096
_ONES = re.compile(rb"(?:\x01\x00{7})*")


def linked_alike(
    new: Listing, old: Listing, *, parent: bytes, excludes: Callable[[bytes], bool]
) -> Iterator[Linked]:
    """Give the files of two equal listings that have other names on one side, but for what is excluded.

    Where every entry has one name this is two memory compares; else only the rows that
    have more are looked at.
    """
    if _MANY_ONES.startswith(new.nlink) and _MANY_ONES.startswith(old.nlink):
        return
    modes = numbers("I", new.mode)
    rows = sorted({*_rows_of_several(new.nlink), *_rows_of_several(old.nlink)})
    rows = [row for row in rows if stat.S_ISREG(modes[row])]
    if not rows:
        return
    names = new.name_list()
    here, there = _identities(new), _identities(old)
    counts = numbers("Q", old.nlink)
    for row in rows:
        if not excludes(names[row]):
            yield Linked(join(parent, names[row]), here[row], there[row], counts[row], None)


def _rows_of_several(nlink: bytes) -> Iterator[int]:
    """Find the rows of a column that are not 1, without a step for each that is."""
    at = 0
    while (at := _end_of_ones(nlink, at)) < len(nlink):
        yield at // 8
        at += 8


def _end_of_ones(nlink: bytes, start: int) -> int:
    found = _ONES.match(nlink, start)
    return found.end() if found else start


def _identities(listing: Listing) -> list[tuple[int, int]]:
    return list(zip(numbers("Q", listing.dev), numbers("Q", listing.ino), strict=True))

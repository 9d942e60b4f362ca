"""Both sides of directories, in step, by the native lister: `native/stride.h` is the contract.

There is no reference for it in Python: what a stride takes off a march's hands, the march
does by itself where there is none.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from dirsync.model.listing import Listing
from dirsync.scan.chosen import LISTER, Lister
from dirsync.trees.fsops import TEMPORARY_MARK

IS_POSSIBLE = LISTER is Lister.NATIVE
if IS_POSSIBLE:
    from dirsync.scan.native import _lister as native


class Striding(Struct, frozen=True, kw_only=True):
    """What is the same for all directories of one stride."""

    size: bool  # whether this column counts, besides names, modes and targets
    mtime: bool
    ownership: bool
    hard_links: bool  # a directory with a file that has several names is told as differing
    telling: tuple[bytes, ...] = ()  # so is one that has one of these names
    device: int | None = None  # set: subdirectories of the source elsewhere are not gone to
    levels: int = 1  # how deep it goes: 1 is the directories that are named alone
    most_rows: int  # no directory is listed any more when those that were have so many rows


class Sighted(NamedTuple):
    """A directory that is not known to be equal, without the rows that tell nothing.

    They are those of both sides that are equal, but for directories, and for names and files
    that call for a closer look (`Striding`).
    """

    path: bytes  # from the open directories
    ctime_ns: int  # of the source, before it was listed
    new_entries: int  # of the source: how many there are, telling or not
    old_entries: int
    new: Listing  # of the source
    old: Listing  # of the destination


class Stride(NamedTuple):
    """How far it went, and what it came across."""

    begun: int  # how many of the named directories were looked at: the first ones
    entries: int  # on each side, in the directories that are equal
    differing: list[Sighted]
    unseen: list[bytes]  # paths of those that could not be listed in full on both sides
    left: list[bytes]  # paths of those still to be looked at, which are on both sides


def stride(source: int, destination: int, names: tuple[bytes, ...], asked: Striding) -> Stride:
    """Stride through directories that have the same names behind two handles, and those in them.

    Where directories are equal, only how many entries they have is told.

    Raises:
        ValueError: a name holds NUL.
        MemoryError: what was found cannot be told.
    """
    begun, entries, told, left = native.stride(
        source,
        destination,
        names,
        (asked.size, asked.mtime, asked.ownership),
        asked.hard_links,
        b"".join(name + b"\0" for name in asked.telling),
        TEMPORARY_MARK,
        asked.device,
        asked.levels,
        asked.most_rows,
    )
    differing, unseen = [], []
    for path, ctime_ns, new_entries, old_entries, new, old in told:
        if new is None or old is None:
            unseen.append(path)
        else:
            counts = (new_entries, old_entries)
            differing.append(Sighted(path, ctime_ns, *counts, Listing(*new), Listing(*old)))
    return Stride(begun, entries, differing, unseen, left.split(b"\0")[:-1])

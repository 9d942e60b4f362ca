"""What a march is given and what it brings back; all of it travels between processes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from dirsync.compare.rules import Rules
from dirsync.filters import Scope
from dirsync.model.change import Change, Failure
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.model.place import LocalPlace

IsKnown = Callable[
    [Entry, bytes], bool
]  # whether a file of the source is what the path there was copied from


class Sides(enum.IntFlag):
    """On which sides a directory is."""

    SOURCE = 1
    DESTINATION = 2
    BOTH = 3


class Directory(NamedTuple):
    """One directory still to be marched."""

    path: bytes
    sides: Sides
    scope: Scope  # the filter rules that hold for its children
    change: Change | None = None  # in what the directory itself differs, where it is on both sides
    may_delete: bool = True  # False: beneath another file system's mount point
    destination_path: bytes | None = None  # where it is to be moved from; None: it is at `path` there too


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is the same for every directory of one run."""

    source: LocalPlace
    destination: LocalPlace
    rules: Rules
    skip_symlinks: bool = False
    delete_excluded: bool = False
    source_device: int | None = None  # set: stay on this file system (`one_file_system`)
    destination_device: int | None = None  # None: there is no destination yet
    destination_mounts: frozenset[bytes] = frozenset()  # relative to the root
    protected: frozenset[bytes] = frozenset()  # paths of the destination that are never deleted
    taken: frozenset[bytes] = frozenset()  # paths of the destination that are moved away beforehand
    confirming: HashAlgorithm | None = None  # set: content that seems to agree is compared by this hash
    is_known: IsKnown | None = None  # None: no file's content is known without hashing it


class Touched(NamedTuple):
    """A directory whose own metadata has to be set when its content has changed."""

    new: Entry
    old: Entry
    selected: bool  # False: only if one of its unselected subdirectories turns out to be wanted


@dataclass(slots=True, kw_only=True)
class Found:
    """What a march found: facts, and the directories it left for the next one."""

    changes: list[Change] = field(default_factory=list)  # a directory before what it holds
    touched: list[Touched] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)  # of the destination: there on purpose, or unknown
    strays: list[Entry] = field(default_factory=list)  # temporary files of runs that were killed
    failures: list[Failure] = field(default_factory=list)
    specials: list[bytes] = field(default_factory=list)  # sockets, FIFOs, devices of the source
    mounts_kept: list[bytes] = field(default_factory=list)
    subdirectories: list[Directory] = field(default_factory=list)
    scanned: int = 0  # entries of the source
    destination_entries: int = 0

"""What a march is given and what it brings back; all of it travels between processes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from dirsync.compare.rules import Rules
from dirsync.filters import Scope
from dirsync.model.change import Change, Failure
from dirsync.model.entry import Entry
from dirsync.model.links import Linked
from dirsync.model.place import LocalPlace


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is the same for every directory of one run."""

    source: LocalPlace
    destination: LocalPlace
    rules: Rules
    skip_symlinks: bool = False
    delete_excluded: bool = False
    hard_links: bool = False  # look for files with several names
    source_device: int | None = None  # set: stay on this file system (`one_file_system`)
    destination_device: int | None = None  # None: there is no destination yet
    destination_mounts: frozenset[bytes] = frozenset()  # relative to the root
    protected: frozenset[bytes] = frozenset()  # paths of the destination that are never deleted


class Touched(NamedTuple):
    """A directory whose own metadata has to be set when its content has changed."""

    new: Entry
    old: Entry
    selected: bool  # False: only if one of its unselected subdirectories turns out to be wanted


@dataclass(slots=True, kw_only=True)
class Found:
    """What a march found: facts, and the directories it left for the next one."""

    changes: list[Change] = field(default_factory=list)  # a directory before what it holds
    linked: list[Linked] = field(default_factory=list)  # files with several names, where that matters
    touched: list[Touched] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)  # of the destination: there on purpose, or unknown
    strays: list[Entry] = field(default_factory=list)  # temporary files of runs that were killed
    failures: list[Failure] = field(default_factory=list)
    specials: list[bytes] = field(default_factory=list)  # sockets, FIFOs, devices of the source
    mounts_kept: list[bytes] = field(default_factory=list)
    subdirectories: list[Directory] = field(default_factory=list)
    scanned: int = 0  # entries of the source
    destination_entries: int = 0

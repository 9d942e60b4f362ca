"""What a march is given and what it brings back; all of it travels between processes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct, field

from dirsync.compare.rules import CONTENT, Rules
from dirsync.filters import Scope
from dirsync.model.change import Aspect, Change, Failure
from dirsync.model.content import Hashed, Stamp
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import HashAlgorithm
from dirsync.model.links import Linked
from dirsync.model.marks import Reach
from dirsync.model.new_files import NewFiles
from dirsync.model.place import LocalPlace, Place

IsKnown = Callable[[Entry, bytes], bool]  # whether a file of the source is surely what is at that path


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
    reach: Reach = Reach.SUBTREE  # how far the march goes from it, if it is on both sides


class Context(Struct, frozen=True, kw_only=True):
    """What is the same for every directory of one run."""

    source: Place
    destination: LocalPlace
    rules: Rules
    skip_symlinks: bool = False
    delete_excluded: bool = False
    hard_links: bool = False  # look for files with several names
    source_device: int | None = None  # set: stay on this file system (`one_file_system`)
    destination_device: int | None = None  # None: there is no destination yet
    destination_mounts: frozenset[bytes] = frozenset()  # relative to the root
    protected: frozenset[bytes] = frozenset()  # paths of the destination that are never deleted
    taken: frozenset[bytes] = frozenset()  # paths of the destination that are moved away beforehand
    marched_apart: frozenset[bytes] = frozenset()  # directories that need not be entered from above
    confirming: HashAlgorithm | None = None  # set: content that seems to agree is compared by this hash
    is_known: IsKnown | None = None  # None: no file's content is known without hashing it
    reads_disk: bool = False  # what is hashed is read from the disk, not from memory
    include: tuple[bytes, ...] = ()  # the job's own lines, for a far end to select by
    exclude: tuple[bytes, ...] = ()
    lists_equal: bool = False  # files that do not differ are found too

    def is_mounted(self, old: Entry) -> bool:
        """Whether a directory of the destination is on another file system than its root."""
        return old.path in self.destination_mounts or old.dev != self.destination_device

    def algorithm_for(
        self, new: Entry, aspects: frozenset[Aspect], destination_path: bytes
    ) -> HashAlgorithm | None:
        """Give the hash by which the content of an entry is compared; None: it is not."""
        if new.kind is not Kind.FILE:
            return None
        if self.rules.hash is not None or self.confirming is None or aspects & CONTENT:
            return self.rules.hash
        is_known = self.is_known is not None and self.is_known(new, destination_path)
        return None if is_known else self.confirming


class Touched(NamedTuple):
    """A directory whose own metadata has to be set when its content has changed."""

    new: Entry
    old: Entry
    selected: bool  # False: only if one of its unselected subdirectories turns out to be wanted


class Found(Struct, kw_only=True):
    """What a march found: facts, and the directories it left for the next one."""

    changes: list[Change] = field(default_factory=list)  # a directory before what it holds
    new_files: list[NewFiles] = field(default_factory=list)  # further changes
    linked: list[Linked] = field(default_factory=list)  # files with several names, where that matters
    touched: list[Touched] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)  # of the destination: there on purpose, or unknown
    strays: list[Entry] = field(default_factory=list)  # temporary files of runs that were killed
    failures: list[Failure] = field(default_factory=list)
    specials: list[bytes] = field(default_factory=list)  # sockets, FIFOs, devices of the source
    mounts_kept: list[bytes] = field(default_factory=list)
    hashed: list[Hashed] = field(default_factory=list)  # files of both sides, of the same size
    equal: list[Stamp] = field(default_factory=list)  # if asked for: files whose content should be equal
    subdirectories: list[Directory] = field(default_factory=list)
    scanned: int = 0  # entries of the source
    destination_entries: int = 0

    @property
    def seen(self) -> int:
        """How many entries were seen, on both sides."""
        return self.scanned + self.destination_entries

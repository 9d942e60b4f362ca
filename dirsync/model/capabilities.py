"""What a place can keep, so that comparison and plan go no further."""

from __future__ import annotations

import stat
from dataclasses import dataclass

from dirsync.model.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a tree can keep of an entry."""

    mtime_resolution_ns: int = 1
    modes: bool = True
    any_owner: bool = True  # this process may give files to anyone
    groups: frozenset[int] = frozenset()  # where not: the groups it may give its own files to
    uid: int = 0  # whom new files belong to
    symlinks: bool = True

    def kept_owner(self, new: Entry, old: Entry) -> tuple[int, int]:
        """Whom the place's entry can be made to belong to: user and group."""
        if self.any_owner:
            return new.uid, new.gid
        return old.uid, new.gid if new.gid in self.groups else old.gid

    def kept_mode(self, new: Entry) -> int:
        """The permission bits the place's entry can be given.

        Set-id bits speak for an owner, and are dropped where that owner cannot be set.
        """
        mode = new.permissions
        if self.any_owner:
            return mode
        if new.uid != self.uid:
            mode &= ~stat.S_ISUID
        if new.gid not in self.groups and not new.is_directory:
            mode &= ~stat.S_ISGID
        return mode

"""What a place can keep, so that comparison and plan go no further."""

from __future__ import annotations

import stat

from msgspec import Struct

from dirsync.model.attributes import Namespace
from dirsync.model.entry import Entry


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a tree can keep of an entry."""

    mtime_resolution_ns: int = 1
    modes: bool = True
    any_owner: bool = True  # this process may give files to anyone
    groups: frozenset[int] = frozenset()  # where not: the groups it may give its own files to
    uid: int = 0  # whom new files belong to
    symlinks: bool = True
    hard_links: bool = True
    attributes: frozenset[Namespace] = frozenset(Namespace)  # that this process may set there too

    def kept_owner(self, new: Entry, old: Entry) -> tuple[int, int]:
        """Whom the place's entry can be made to belong to: user and group."""
        if self.any_owner:
            return new.uid, new.gid
        return old.uid, new.gid if new.gid in self.groups else old.gid

    def kept_mode(self, new: Entry, *, uid: int, gid: int) -> int:
        """The permission bits an entry can be given that belongs to `uid` and `gid` there.

        Set-id bits speak for an owner, and are dropped with any other; the kernel drops
        the group's for a group that is not this process's.

        Source: chmod(2).
        """
        mode = new.permissions
        if new.uid != uid:
            mode &= ~stat.S_ISUID
        if new.gid != gid and not new.is_directory:
            mode &= ~stat.S_ISGID
        if not self.any_owner and gid not in self.groups:
            mode &= ~stat.S_ISGID
        return mode

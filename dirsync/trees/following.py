"""A local tree whose symlinks count as what they point to.

Its paths are logical: a name may be a link's, and a directory may be reached on several
ways. Each is mapped to the path of what it leads to, without a link in it, and read
through handles of that. Only opened where a job asks for it (`symlinks: follow`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict

from dirsync.model.entry import Entry
from dirsync.model.listing import Listing, Unknown, listing_of
from dirsync.trees.attributes import Bearer
from dirsync.trees.handles import DirectoryHandles, ancestors, join, split
from dirsync.trees.links import Roots, Target, Unfollowed, Walk, loop
from dirsync.trees.local import OPEN_FILE, LocalTree, entry_of

_REMEMBERED = 4096  # directories whose real path is at hand


class FollowingHandles(DirectoryHandles):
    """The open directories of a tree, by their logical paths."""

    def __init__(self, root: int, *, path: bytes) -> None:
        """Take over `root`, an open directory, which is at `path`."""
        super().__init__(root)
        self._roots = Roots.of(path)
        self._real: OrderedDict[bytes, bytes] = OrderedDict()

    def handle(self, path: bytes) -> int:
        """Give the handle of the directory that a logical path leads to; valid until the next call.

        Raises:
            OSError: a component is missing, is or leads to no directory, leads out of
                the tree, or may not be entered.
        """
        return super().handle(self.real(path))

    def real_handle(self, real: bytes) -> int:
        """Give the handle of a directory whose path has no link in it."""
        return super().handle(real)

    def real(self, path: bytes) -> bytes:
        """Give the path of a directory without a link in it.

        Raises:
            OSError: as `handle`.
        """
        known, missing = path, []
        while known and known not in self._real:
            missing.append(known)
            known = split(known)[0]
        real = self._real[known] if known else b""
        for step in reversed(missing):
            real = self._real_of_child(step, real)
        return real

    def _real_of_child(self, path: bytes, parent: bytes) -> bytes:
        """Find where a directory is whose parent is really at `parent`, and remember it."""
        target = self._target(path, parent)
        if not stat.S_ISDIR(target.status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self._real[path] = target.path
        if len(self._real) > _REMEMBERED:
            self._real.popitem(last=False)
        return target.path

    def target(self, path: bytes) -> Target:
        """Tell what a logical path leads to.

        Raises:
            FileNotFoundError: there is no such name.
            Unfollowed: it is a link that leads out of the tree, nowhere, or round in a circle.
            OSError: something on the way cannot be looked at.
        """
        return self._target(path, self.real(split(path)[0]))

    def _target(self, path: bytes, parent: bytes) -> Target:
        walk = Walk(self.real_handle, self._roots, directory=parent, name=split(path)[1])
        target = walk.target()
        if target.followed and stat.S_ISDIR(target.status.st_mode) and self._holds(target.path, path, parent):
            raise loop()
        return target

    def _holds(self, real: bytes, path: bytes, parent: bytes) -> bool:
        """Whether a directory holds a link, really or on the way that was taken to it."""
        if parent == real or not real or parent.startswith(real + b"/"):
            return True
        return any(self.real(above) == real for above in ancestors(path))

    def forget(self) -> None:
        """Close every handle but the root's, and find each path anew."""
        super().forget()
        self._real.clear()


class FollowingTree(LocalTree):
    """One tree, read by logical paths; for one thread."""

    small_bytes = 0  # each file may be elsewhere

    def __init__(self, root: int, *, path: bytes) -> None:
        """Take over `root`, the open root directory, which is at `path`."""
        super().__init__(root)
        self.handles: FollowingHandles = FollowingHandles(root, path=path)

    def entry(self, path: bytes) -> Entry | None:
        """Give what a path leads to now; None: there is no such name.

        Raises:
            OSError: its directory cannot be entered, or it is a link that is not followed.
        """
        self.handles.handle(split(path)[0])
        try:
            target = self.handles.target(path)
        except FileNotFoundError:
            return None
        return entry_of(path, target.status, None)

    def status(self, path: bytes) -> os.stat_result:
        """Give what `stat` says of what a path leads to.

        Raises:
            OSError: it is not there, or it is a link that is not followed.
        """
        return self.handles.target(path).status

    def open_file(self, path: bytes) -> int:
        """Open the file that a path leads to for reading, never waiting for a FIFO.

        Raises:
            OSError: it cannot be opened, or it is a link that is not followed.
        """
        parent, name = split(self.handles.target(path).path)
        return os.open(name, OPEN_FILE, dir_fd=self.handles.real_handle(parent))

    def bearer(self, path: bytes) -> Bearer:
        """Give what a path leads to as what bears attributes; valid until the next call.

        Raises:
            OSError: it is not there, or it is a link that is not followed.
        """
        parent, name = split(self.handles.target(path).path)
        return Bearer(self.handles.real_handle(parent), name)

    def followed(self, path: bytes, listing: Listing) -> Listing:
        """Give a directory's listing with what each of its links leads to in the link's place.

        A link that is not followed becomes unknown: neither present nor absent.
        """
        if not listing.targets:
            return listing
        entries: list[Entry] = []
        unknown = list(listing.unknown)
        for entry in listing.entries(b""):
            found = entry if entry.target is None else self._followed(join(path, entry.path))
            if isinstance(found, Entry):
                entries.append(found._replace(path=entry.path))
            else:
                unknown.append(Unknown(entry.path, found))
        return listing_of(entries, unknown=unknown)

    def _followed(self, path: bytes) -> Entry | str:
        """Give what a link leads to, or why it is not followed."""
        try:
            found = self.entry(path)
        except Unfollowed as error:
            return error.strerror or "it is not followed"
        except OSError as error:
            return f"what it points to could not be seen: {error.strerror}"
        return "vanished while its directory was listed" if found is None else found

"""Where a symlink of a tree leads, found one component at a time, and never out of the tree.

The kernel resolves nothing but single names in open directories: a link is read, its
target taken apart, and each part looked at in turn. A target that is absolute, or climbs
above the root with `..`, is compared with the root's own path by name until it is back at
the root; nothing outside is ever looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from dirsync.model.place import RESERVED
from dirsync.trees.handles import join, split

MOST_LINKS = 40  # of one path, as the kernel allows; path_resolution(7)

Names = tuple[bytes, ...]
Handle = Callable[[bytes], int]


class Unfollowed(OSError):
    """A link that leads to nothing a mirror may read; `strerror` says why."""


def outside() -> Unfollowed:
    """Make the error of a link that leaves the tree."""
    return Unfollowed(errno.EXDEV, "a link that points outside the source; it is not followed")


def loop() -> Unfollowed:
    """Make the error of a link that would be entered for ever."""
    return Unfollowed(errno.ELOOP, "a link to a directory that holds it (a loop); it is not followed")


def dangling() -> Unfollowed:
    """Make the error of a link to nothing; not ENOENT, for the link itself is there."""
    return Unfollowed(errno.ENOLINK, "a dangling link: what it points to is not there")


class Target(NamedTuple):
    """What a name leads to."""

    path: bytes  # relative to the root, without a link in it
    status: os.stat_result  # never a link's
    followed: bool  # whether there was a link on the way


class Roots(NamedTuple):
    """What the root of a tree is called, from `/` on."""

    declared: Names  # as the job names it, maybe through links
    real: Names

    @classmethod
    def of(cls, path: bytes) -> Roots:
        """Take a root's path apart."""
        return cls(_names(path), _names(os.path.realpath(path)))

    def is_on_the_way(self, above: Names) -> bool:
        """Whether a path from `/` on is one to the root, as far as it goes."""
        return above in (self.declared[: len(above)], self.real[: len(above)])


def _names(path: bytes) -> Names:
    return tuple(name for name in path.split(b"/") if name not in (b"", b"."))


class Walk:
    """The way from one name of a real directory to what it leads to."""

    def __init__(self, handle: Handle, roots: Roots, *, directory: bytes, name: bytes) -> None:
        """Begin at `directory`; `handle` gives the handle of one whose path has no link in it."""
        self._handle = handle
        self._roots = roots
        self._at = directory
        self._above: Names | None = None  # a path from `/` on, above the root; None: in the tree
        self._left = [name]  # the parts still to go, the next one last
        self._links = 0

    def target(self) -> Target:
        """Go to the end.

        Raises:
            FileNotFoundError: there is no such name.
            Unfollowed: it is a link, and leads out of the tree or nowhere.
            OSError: something on the way cannot be looked at.
        """
        status: os.stat_result | None = None
        while self._left:
            status = self._step(self._left.pop())
        if self._above is not None:
            raise outside()
        if status is None:
            status = os.fstat(self._handle(self._at))
        return Target(self._at, status, self._links > 0)

    def _step(self, part: bytes) -> os.stat_result | None:
        """Go one part further; give what is there, None where it is a directory already passed."""
        if part in (b"", b"."):
            return None
        if part == b"..":
            self._climb()
        elif self._above is not None:
            self._descend_to_root((*self._above, part))
        else:
            return self._enter(part)
        return None

    def _climb(self) -> None:
        if self._above is None and self._at:
            self._at = split(self._at)[0]
            return
        above = self._roots.real if self._above is None else self._above
        if above != self._roots.real[: len(above)]:  # through a link: its parent is another than it seems
            raise outside()
        self._set_above(above[:-1])

    def _descend_to_root(self, above: Names) -> None:
        if not self._roots.is_on_the_way(above):
            raise outside()
        self._set_above(above)

    def _set_above(self, above: Names) -> None:
        """Stand at a path from `/` on: the root itself, or one above it."""
        self._at = b""
        self._above = None if above in self._roots else above

    def _enter(self, name: bytes) -> os.stat_result | None:
        """Look at a name of the tree; follow it if it is a link."""
        if self._links and not self._at and name == RESERVED:
            raise outside()
        try:
            fd = self._handle(self._at)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                self._follow(os.readlink(name, dir_fd=fd))
                return None
        except (FileNotFoundError, NotADirectoryError):
            if self._links:
                raise dangling() from None
            raise
        if self._left and not stat.S_ISDIR(status.st_mode):
            raise dangling()
        self._at = join(self._at, name)
        return status

    def _follow(self, target: bytes) -> None:
        self._links += 1
        if self._links > MOST_LINKS:
            raise Unfollowed(errno.ELOOP, f"a chain of more than {MOST_LINKS} links; it is not followed")
        self._left += reversed(target.split(b"/"))
        if target.startswith(b"/"):
            self._set_above(())

"""Directories of dirsync's own at the top of a destination, which are no part of the tree."""

from __future__ import annotations

import contextlib
import os

from dirsync.model.place import RESERVED
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree


def make_directories(tree: LocalTree, path: bytes) -> None:
    """Make a directory beneath `RESERVED` and those above it, as far as they are missing.

    Raises:
        OSError: one cannot be made.
    """
    missing = []
    while path:
        try:
            tree.handles.handle(path)
            break
        except FileNotFoundError:
            missing.append(path)
            path = split(path)[0]
    for step in reversed(missing):
        parent, name = split(step)
        fd = tree.handles.handle(parent)
        with contextlib.suppress(FileExistsError):  # another worker made it
            if step == RESERVED:
                _make_reserved(fd, name)
            else:
                fsops.make_directory(fd, name)


def _make_reserved(root: int, name: bytes) -> None:
    """Make the top; the root's mtime is the source's, and not about this."""
    mtime_ns = os.fstat(root).st_mtime_ns
    fsops.make_directory(root, name)
    fsops.set_mtime_of_handle(root, mtime_ns=mtime_ns)

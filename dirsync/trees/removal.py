"""Removing a directory with all that it holds, of any depth, never through a link or a mount point."""

from __future__ import annotations

import contextlib
import os
import stat

from dirsync.trees import fsops
from dirsync.trees.handles import join, split
from dirsync.trees.local import LocalTree

_OWNER_MAY = stat.S_IRWXU


def remove_whole(tree: LocalTree, path: bytes) -> None:
    """Remove whatever is at a path; nothing there is no error.

    Raises:
        OSError: some of it could not be removed, another file system that is mounted
            there, say; what is left is a smaller tree.
    """
    parent, name = split(path)
    try:
        status = os.stat(name, dir_fd=tree.handles.handle(parent), follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        fsops.unlink(tree.handles.handle(parent), name)
        return
    pending = [path]
    while pending:
        inner = _emptied_of_files(tree, pending[-1])
        if inner:
            pending += inner
            continue
        parent, name = split(pending.pop())
        tree.handles.forget()  # a handle that is kept would keep the removed directory's space
        fsops.remove_directory(tree.handles.handle(parent), name)


def _emptied_of_files(tree: LocalTree, path: bytes) -> list[bytes]:
    """Remove what is no directory; give the directories that are left."""
    fd = tree.handles.handle(path)
    with contextlib.suppress(PermissionError):
        if stat.S_IMODE(os.fstat(fd).st_mode) & _OWNER_MAY != _OWNER_MAY:
            fsops.set_mode_of_handle(fd, mode=_OWNER_MAY)
    inner = []
    with os.scandir(fd) as found:
        entries = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        if is_directory:
            inner.append(join(path, name))
        else:
            fsops.unlink(fd, name)
    return inner

"""Putting a finished object where it belongs, so that its path is never without one.

An object is made under a temporary name beside its place, then takes it in one
step: a rename over a file or a symlink, an exchange with a directory or by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from dirsync.errors import PathError
from dirsync.mirror.expected import APPEARED, CHANGED, check_expected
from dirsync.mirror.trash import Trash
from dirsync.model.entry import Entry
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree

Remove = Callable[[int, bytes], None]


def place(
    tree: LocalTree,
    temporary: bytes,
    path: bytes,
    *,
    old: Entry | None,
    is_directory: bool,
    trash: Trash | None,
) -> None:
    """Give a finished object its name; `temporary` is the name it has beside it.

    `trash` keeps what it displaces; None: that is removed.

    Raises:
        PathError: the destination no longer holds what was expected.
        OSError: the rename failed.
    """
    parent, name = split(path)
    there = old is not None and check_expected(tree, path, old)
    fd = tree.handles.handle(parent)
    if not there or old is None:
        try:
            fsops.rename_to_free_name(fd, temporary, name)
        except FileExistsError:
            raise PathError(path, APPEARED) from None
    elif trash is not None:
        trash.displace(temporary, path, old=old, is_directory=is_directory)
    elif old.is_directory or is_directory:
        _exchange(fd, temporary, name, path, old=old)
    else:
        fsops.rename(fd, temporary, name)


def _exchange(fd: int, temporary: bytes, name: bytes, path: bytes, *, old: Entry) -> None:
    """Exchange the new object with the old one, then remove the old one if it is empty."""
    fsops.exchange(fd, temporary, fd, name)
    try:
        remover_of(old)(fd, temporary)
    except OSError:
        fsops.exchange(fd, temporary, fd, name)
        raise PathError(path, CHANGED) from None


def remover_of(entry: Entry) -> Remove:
    """Give what removes an object of this kind; a directory must be empty."""
    return fsops.remove_directory if entry.is_directory else fsops.unlink


def drop(fd: int, temporary: bytes, *, is_directory: bool = False) -> None:
    """Remove a temporary object that did not get its place."""
    with contextlib.suppress(OSError):
        (fsops.remove_directory if is_directory else fsops.unlink)(fd, temporary)

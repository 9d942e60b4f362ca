"""What is known of an end of a job, on this machine or another."""

from __future__ import annotations

import os

from dirsync.model.capabilities import Capabilities
from dirsync.model.place import FarPlace, LocalPlace, Place
from dirsync.trees.local import capabilities_of, open_tree
from dirsync.trees.mounts import file_system_identity


def capabilities_at(place: Place) -> Capabilities:
    """Tell what a place keeps.

    Raises:
        RunError: a far end does not answer.
    """
    if isinstance(place, LocalPlace):
        return capabilities_of(place.path)
    from dirsync.trees.far.tree import FarTree  # few jobs need it

    with FarTree.of(place) as tree:
        return tree.capabilities()


def file_system_at(place: Place) -> str | None:
    """Name the file system that a place is on; None: it has no name that lasts.

    Raises:
        RunError: a far end does not answer.
    """
    if isinstance(place, LocalPlace):
        return file_system_identity(place.path)
    from dirsync.trees.far.tree import FarTree  # few jobs need it

    with FarTree.of(place) as tree:
        return tree.file_system()


def directory_at(place: Place) -> str:
    """Name the directory that a place is, so that the name changes when it is another.

    Raises:
        OSError: it is gone.
        RunError: a far end does not answer.
    """
    if isinstance(place, LocalPlace):
        inode = os.stat(place.path).st_ino
    else:
        with open_tree(place) as tree:
            inode = tree.directory(b"").ino
    return f"{place.name!r} {file_system_at(place)} {inode}"


def local_place(place: Place, *, job: str, deed: str) -> LocalPlace:
    """Give a place that has to be on this machine.

    Raises:
        RunError: it is not.
    """
    from dirsync.errors import RunError

    if isinstance(place, FarPlace):
        raise RunError(f"'{job}': {deed} needs a source on this machine, and '{place}' is not")
    return place

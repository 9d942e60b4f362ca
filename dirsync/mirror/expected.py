"""Is the destination still what the plan was made for?"""

from __future__ import annotations

from dirsync.errors import PathError
from dirsync.model.entry import Entry
from dirsync.trees.local import LocalTree

CHANGED = "changed at the destination since it was compared; left as it is"
APPEARED = "appeared at the destination since it was compared; left as it is"


def check_expected(tree: LocalTree, path: bytes, expected: Entry | None) -> bool:
    """Tell whether the expected object is still there; False: it is gone.

    Raises:
        PathError: something else is there by now.
        OSError: it cannot be looked at.
    """
    now = tree.entry(path)
    if now is None:
        return False
    if expected is None:
        raise PathError(path, APPEARED)
    if not _is_same(now, expected):
        raise PathError(path, CHANGED)
    return True


def _is_same(now: Entry, expected: Entry) -> bool:
    """Whether nobody changed an object. A directory's content is not looked at here.

    The ctime of a file with several names says nothing: removing another of its names
    moves it.
    """
    if (now.mode, now.ino, now.dev) != (expected.mode, expected.ino, expected.dev):
        return now.is_directory and expected.is_directory and now.ino == expected.ino
    if now.is_directory:
        return True
    if (now.size, now.mtime_ns, now.target) != (expected.size, expected.mtime_ns, expected.target):
        return False
    return now.ctime_ns == expected.ctime_ns or expected.nlink > 1

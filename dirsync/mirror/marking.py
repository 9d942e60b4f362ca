"""Marking a replica that is known to be bad, so that the next run copies it again.

Its size and time are those of the source, so nothing else would tell the next run;
the mark lives on the disk with the replica, whatever becomes of the state directory.
"""

from __future__ import annotations

import os

from dirsync.errors import PathError
from dirsync.mirror.expected import CHANGED
from dirsync.model.entry import Entry
from dirsync.trees import fsops
from dirsync.trees.local import LocalTree, entry_of

_MARK_NS = 0  # 1970: older than any edit somebody would look for
_OTHER_MARK_NS = 86_400 * 10**9  # for files that are from 1970


def mark_for_copying(tree: LocalTree, seen: Entry) -> None:
    """Give a replica a modification time that no source has, durably.

    Raises:
        PathError: the replica is not the one that was read.
        OSError: it cannot be set.
    """
    handle = tree.open_file(seen.path)
    try:
        if entry_of(seen.path, os.fstat(handle), None) != seen:
            raise PathError(seen.path, CHANGED)
        mark_ns = _OTHER_MARK_NS if abs(seen.mtime_ns) < _OTHER_MARK_NS else _MARK_NS
        fsops.set_mtime_of_handle(handle, mtime_ns=mark_ns)
        fsops.sync_file(handle)
    finally:
        os.close(handle)

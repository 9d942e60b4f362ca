"""The barrier between writing copies and giving them their names.

A name must never lead to data that a power cut can still take away: a rename may
reach the disk before the data does. So the data of a whole batch is made durable
first, with one `syncfs` for many files, for each of which an `fsync` would cost a
commit of the file system's journal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dirsync.mirror.files import Staged
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import OPEN_FILE, LocalTree

_FEW = 4  # up to here each file is flushed by itself: syncfs waits for what other programs wrote, too


def make_durable(tree: LocalTree, staged: Sequence[Staged]) -> None:
    """Make the data of staged copies durable.

    Raises:
        OSError: some of it could not be written, nobody knows which; none may be
            published, and trying again would prove nothing.
    """
    if len(staged) <= _FEW:
        for copy in staged:
            _flush(tree, copy)
        return
    for copy in {copy.copied.destination[0]: copy for copy in staged}.values():
        fsops.sync_file_system(tree.handles.handle(split(copy.path)[0]))


def _flush(tree: LocalTree, copy: Staged) -> None:
    handle = os.open(copy.temporary, OPEN_FILE, dir_fd=tree.handles.handle(split(copy.path)[0]))
    try:
        fsops.sync_file(handle)
    finally:
        os.close(handle)

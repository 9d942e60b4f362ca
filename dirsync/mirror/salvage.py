"""What had arrived of large files when a run was cut off, kept so that it is not sent again.

The temporary file of a copy that did not come to its end goes to `.dirsync/partial` at the
destination's top: when the run ends early, or, after a run that was killed, when the next one
sweeps. Whatever content is found there need not be asked for. A run that copies to its end clears it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from dirsync.mirror.area import make_directories
from dirsync.model.place import RESERVED
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import OPEN_FILE, LocalTree

AREA = RESERVED + b"/partial"
_LEAST_BYTES = 1 << 20  # what is smaller is sent again sooner than it is found


class Salvage:
    """Keeps, gives and clears what had arrived; for one thread."""

    def __init__(self, destination: LocalTree) -> None:
        self._tree = destination

    def keep(self, path: bytes) -> bool:
        """Keep a temporary file, if that is worth while; False: it is where it was."""
        parent, name = split(path)
        try:
            fd = self._tree.handles.handle(parent)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_blocks * 512 < _LEAST_BYTES:
                return False
            make_directories(self._tree, AREA)
            with self._tree.handles.held(parent) as here:
                fsops.move_to_free_name(here, name, self._tree.handles.handle(AREA), name)
        except OSError:  # it is only a matter of speed
            return False
        return True

    @contextlib.contextmanager
    def opened(self) -> Iterator[list[int]]:
        """Give all that is kept, open while the block runs."""
        handles: list[int] = []
        try:
            for name in self._names():
                with contextlib.suppress(OSError):
                    handles.append(os.open(name, OPEN_FILE, dir_fd=self._tree.handles.handle(AREA)))
            yield handles
        finally:
            for handle in handles:
                with contextlib.suppress(OSError):
                    os.close(handle)

    def clear(self) -> None:
        """Remove all that is kept."""
        for name in self._names():
            with contextlib.suppress(OSError):  # the next run without failures does it
                fsops.unlink(self._tree.handles.handle(AREA), name)

    def _names(self) -> list[bytes]:
        try:
            fd = self._tree.handles.handle(AREA)
            return [os.fsencode(name) for name in os.listdir(fd) if fsops.is_temporary(os.fsencode(name))]
        except OSError:
            return []

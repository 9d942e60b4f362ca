"""Carrying out a move: one rename, from the place where the plan saw an object to its new one."""

from __future__ import annotations

import os
from collections.abc import Callable

from dirsync.errors import PathError
from dirsync.mirror.expected import APPEARED, CHANGED, check_expected
from dirsync.model.change import Change
from dirsync.model.entry import Entry
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree


class Mover:
    """Moves files and whole directories within one tree; for one thread."""

    def __init__(
        self,
        tree: LocalTree,
        *,
        opened_up: dict[bytes, int],
        set_metadata: Callable[[Entry, Entry], None],
    ) -> None:
        """Work in a tree; `set_metadata` gives what is at the path of a new entry its metadata."""
        self._tree = tree
        self._opened_up = opened_up
        self._set_metadata = set_metadata

    def move(self, change: Change) -> None:
        """Move an object to a name that is free; a directory's metadata is set at the end of the run.

        A second try after a rename that went well goes on from there.

        Raises:
            PathError: the destination no longer holds what was expected.
            OSError: a system call failed; the object is at one of its two places, whole.
        """
        old, new = change.old, change.entry
        assert old is not None
        if not self._is_moved(old, new):
            if not check_expected(self._tree, old.path, old):
                raise PathError(new.path, CHANGED)
            self._rename(old.path, new.path)
        if old.is_directory:
            self._forget_old_paths(old.path, new.path)
        elif change.aspects:
            self._set_metadata(new, old)

    def _is_moved(self, old: Entry, new: Entry) -> bool:
        now = self._tree.entry(new.path)
        return now is not None and (now.ino, now.dev) == (old.ino, old.dev) and now.kind is old.kind

    def _rename(self, old: bytes, new: bytes) -> None:
        handles = self._tree.handles
        old_parent, old_name = split(old)
        new_parent, new_name = split(new)
        fd_from = os.dup(handles.handle(old_parent))  # the next handle may close this one
        try:
            fsops.move_to_free_name(fd_from, old_name, handles.handle(new_parent), new_name)
        except FileExistsError:
            raise PathError(new, APPEARED) from None
        finally:
            os.close(fd_from)

    def _forget_old_paths(self, old: bytes, new: bytes) -> None:
        """Have no open handle, and no mode to be set back, stand for a path that is another's by now."""
        self._tree.handles.forget()
        beneath = old + b"/"
        for path in [path for path in self._opened_up if path == old or path.startswith(beneath)]:
            self._opened_up[new + path[len(old) :]] = self._opened_up.pop(path)

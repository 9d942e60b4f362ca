"""A second look at single paths, once the march is over."""

from __future__ import annotations

import contextlib

from dirsync.model.entry import Entry
from dirsync.model.place import LocalPlace
from dirsync.trees.local import LocalTree, open_tree


class SecondLook:
    """Looks at both sides of a path; the trees are opened for the first one."""

    def __init__(self, source: LocalPlace, destination: LocalPlace) -> None:
        self._places = (source, destination)
        self._trees: list[LocalTree] = []
        self._until_closed = contextlib.ExitStack()

    def __call__(self, path: bytes) -> tuple[Entry | None, Entry | None]:
        """Give what is at a path of the source and of the destination; None: nothing that can be seen.

        Raises:
            OSError: a root is gone.
        """
        if not self._trees:
            self._trees = [self._until_closed.enter_context(open_tree(place)) for place in self._places]
        source, destination = self._trees
        return _seen(source, path), _seen(destination, path)

    def close(self) -> None:
        """Close the trees."""
        self._until_closed.close()


def _seen(tree: LocalTree, path: bytes) -> Entry | None:
    try:
        return tree.entry(path) if path else tree.directory(path)
    except OSError:
        return None

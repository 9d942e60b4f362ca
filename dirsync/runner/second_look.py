"""A second look at single paths, once the march is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType

from dirsync.errors import PathError
from dirsync.model.entry import Entry
from dirsync.model.place import LocalPlace, Place
from dirsync.trees.local import open_tree
from dirsync.trees.source import SourceTree


class SecondLook:
    """Looks at both sides of a path; the trees are opened for the first one."""

    def __init__(self, source: Place, destination: LocalPlace, *, before: Callable[[bytes], bytes]) -> None:
        """Look at two places; `before` tells where the destination has what a plan moves to a path."""
        self._places: tuple[Place, Place] = (source, destination)
        self._before = before
        self._trees: list[SourceTree] = []
        self._until_closed = contextlib.ExitStack()

    def __enter__(self) -> SecondLook:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._until_closed.close()

    def __call__(self, path: bytes) -> tuple[Entry | None, Entry | None]:
        """Give what is at a path of the source and of the destination; None: nothing.

        Raises:
            PathError: one of them cannot be looked at, so it is unknown.
            OSError: a root is gone.
        """
        if not self._trees:
            self._trees = [self._until_closed.enter_context(open_tree(place)) for place in self._places]
        source, destination = self._trees
        old = _seen(destination, self._before(path))
        return _seen(source, path), None if old is None else old._replace(path=path)


def _seen(tree: SourceTree, path: bytes) -> Entry | None:
    try:
        return tree.entry(path) if path else tree.directory(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PathError(path, f"cannot be looked at again: {error.strerror}") from error

"""Staying connected to a place for as long as it is read, where it is another machine's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from dirsync.model.place import LocalPlace, Place


@contextlib.contextmanager
def within_reach(place: Place, *, check: Callable[[], None]) -> Iterator[Place]:
    """Stay connected to a far place while the block runs, and give it tied to the connection.

    `check` is called while waiting, and may raise to stop.

    Raises:
        Skipped: it does not answer.
        RunError: it refuses, or its certificate is not trusted.
    """
    if isinstance(place, LocalPlace):
        yield place
        return
    from dirsync.trees.far.opening import reached  # few jobs need it

    with reached(place, check=check) as tied:
        yield tied

"""Who goes through what is equal: a strider of two trees of this machine, or one that asks a far end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from dirsync.march.found import Context, Directory, Found
from dirsync.march.marching import Check
from dirsync.march.strider import Stepped, Strider
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


class GoesThrough(Protocol):
    """Goes through equal directories; for one thread."""

    def next_steps(self, left: list[Directory]) -> Iterator[Stepped]:
        """Take directories off the end of a list, and give those that take a step."""


def strider_for(
    context: Context, *, source: SourceTree, destination: SourceTree, found: Found, check: Check
) -> GoesThrough:
    """Give what goes through two trees; what is counted, and where to go on, goes to `found`."""
    if isinstance(source, LocalTree) and isinstance(destination, LocalTree):
        return Strider(context, source=source, destination=destination, found=found)
    from dirsync.march.far_strider import FarStrider  # few jobs need it
    from dirsync.trees.far.tree import FarTree

    assert isinstance(source, FarTree)
    return FarStrider(context, source=source, destination=destination, found=found, check=check)

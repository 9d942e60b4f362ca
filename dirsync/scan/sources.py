"""Listing a directory of any tree that is read: of this machine by the lister, of another by asking."""

from __future__ import annotations

from dirsync.model.listing import Listing
from dirsync.scan.chosen import list_directory
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


def listing_in(tree: SourceTree, path: bytes) -> Listing:
    """List a directory of a tree.

    Raises:
        OSError: it cannot be listed.
        RunError: a far end is lost.
    """
    if isinstance(tree, LocalTree):
        return list_directory(tree.handles.handle(path))
    from dirsync.trees.far.tree import FarTree  # few jobs need it

    assert isinstance(tree, FarTree)
    return tree.listing(path)

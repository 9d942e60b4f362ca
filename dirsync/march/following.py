"""Seeing a source whose symlinks count as what they point to."""

from __future__ import annotations

from dirsync.march.sight import Sight
from dirsync.model.listing import Listing
from dirsync.trees.following import FollowingTree


class FollowingSight(Sight):
    """Looks at one directory; each link of the source is what it leads to, or unknown."""

    def _source_listing(self) -> Listing:
        assert isinstance(self._source, FollowingTree)
        return self._source.followed(self._directory.path, super()._source_listing())

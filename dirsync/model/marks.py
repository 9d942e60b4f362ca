"""Which directories of a source may have changed, as far as its watch knows."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from msgspec import Struct


class Reach(enum.Enum):
    """How far a march goes from a directory that both sides have."""

    ITSELF = "itself"  # what is directly in it; into a subdirectory only if one side alone has it
    SUBTREE = "subtree"  # all that is beneath


class Marks(Struct, frozen=True, kw_only=True):
    """Directories that may have changed since a complete pass; nothing else has, as far as is known."""

    directories: Mapping[bytes, Reach]  # by their paths from the root of the source

    def __len__(self) -> int:
        return len(self.directories)

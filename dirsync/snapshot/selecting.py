"""Taking out of a snapshot what is excluded, as a walk would have left it out."""

from __future__ import annotations

from collections.abc import Iterator

from dirsync.filters.selection import Selection
from dirsync.model.snapshot import Seen, Sighting


def selected(sightings: Iterator[Sighting], selection: Selection) -> Iterator[Sighting]:
    """Give what is selected, in the same order."""
    return sightings if selection.trivial else _selected(sightings, selection)


def _selected(sightings: Iterator[Sighting], selection: Selection) -> Iterator[Sighting]:
    left_out = None  # the last entry that was; a failure of the same path comes after it
    for found in sightings:
        is_directory = isinstance(found, Seen) and found.entry.is_directory
        is_root = not found.path
        if is_root or (found.path != left_out and selection.selects(found.path, is_directory=is_directory)):
            yield found
        else:
            left_out = found.path

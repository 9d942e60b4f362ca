"""Which acceptance covers a change: the first that reaches its path, and was made after it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from dirsync.model.recorded import Acceptance, RecordedChange
from dirsync.trees.handles import ancestors


class Coverage:
    """The acceptances of one job, by their paths."""

    def __init__(self, acceptances: Iterable[Acceptance]) -> None:
        self._at: dict[bytes, list[Acceptance]] = {}
        for acceptance in acceptances:
            self._at.setdefault(acceptance.path, []).append(acceptance)

    def of(self, change: RecordedChange) -> int | None:
        """Give the acceptance that covers a change; None: it is open, or nobody's to accept."""
        if not self._at or change.severity is None:
            return None
        paths = {b"", change.path, *ancestors(change.path)}
        if change.old_path is not None:
            paths |= {change.old_path, *ancestors(change.old_path)}
        reaching = chain.from_iterable(self._at.get(path, ()) for path in paths)
        covering = (each.acceptance_id for each in reaching if each.last_change >= change.change_id)
        return min(covering, default=None)

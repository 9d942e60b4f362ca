"""What the destination could not keep: collected by all threads, said once a run."""

from __future__ import annotations

import threading

from dirsync.model.names import shown


class Lost:
    """Counts the paths that had to do without something, by what it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[str, bytes] = {}
        self._counts: dict[str, int] = {}

    def note(self, what: str, path: bytes) -> None:
        """Count a path that goes without; `what` says without what, in the plural."""
        with self._lock:
            self._first.setdefault(what, path)
            self._counts[what] = self._counts.get(what, 0) + 1

    def sentences(self) -> list[str]:
        """Say what was not kept: a line each, with the first path and how many more there are."""
        return [
            f"the destination could not be given {what}: '{shown(path)}'"
            + (f" and {self._counts[what] - 1:,} more" if self._counts[what] > 1 else "")
            for what, path in self._first.items()
        ]

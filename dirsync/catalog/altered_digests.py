"""Which directories have another digest after a run: kept in mind for as long as they are few."""

from __future__ import annotations

from collections.abc import Mapping

MOST = 100_000  # beyond that all digests are read from the catalog, which takes less memory


class AlteredDigests:
    """The digests of the directories that a run puts, and the paths that it takes them from."""

    def __init__(self) -> None:
        self._put: dict[bytes, bytes] = {}
        self._left: set[bytes] = set()
        self._are_few = True

    def put(self, path: bytes, digest: bytes | None) -> None:
        """Note the digest of a directory that is at a path now; None: it has none."""
        if digest is None:
            self.leave(path)
        elif self._are_few:
            self._put[path] = digest
            self._check()

    def leave(self, path: bytes) -> None:
        """Note that a directory was at a path; another one may be put there, before or after this."""
        if self._are_few:
            self._left.add(path)
            self._check()

    def _check(self) -> None:
        if len(self._put) + len(self._left) > MOST:
            self._are_few = False
            self._put.clear()
            self._left.clear()

    def all(self) -> Mapping[bytes, bytes | None] | None:
        """Give the digest at each path, None where there is none any more; nothing: they are too many."""
        return {**dict.fromkeys(self._left), **self._put} if self._are_few else None

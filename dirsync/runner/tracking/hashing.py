"""Hashing what a scan found new, in threads, and keeping the hashes should the run be cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from dirsync.catalog.contents import Contents
from dirsync.model.content import Stamp
from dirsync.model.job import TrackJob
from dirsync.trees.hashing import Content
from dirsync.trees.local import LocalTree, entry_of, open_tree
from dirsync.trees.parallel import in_threads

_ATTEMPTS = 3  # of a file that is written to meanwhile
_KEPT_EVERY_SECONDS = 5.0
_KEPT_AT_ONCE = 10_000


class Fingerprint(NamedTuple):
    """The content of a file, as far as it could be read."""

    stamp: Stamp  # of the file when it was read
    hash: bytes | None  # None: it could not be read
    hashed_at: int  # seconds since 1970
    reason: str | None = None  # why it could not be read


class Hasher:
    """Names the content of files of one job's source, several at once; for one thread."""

    def __init__(self, job: TrackJob, contents: Contents, *, workers: int, check: Callable[[], None]) -> None:
        """`check` is called between blocks of data, and may raise to stop."""
        self._job = job
        self._contents = contents
        self._workers = workers
        self._check = check
        self._made: list[tuple[Stamp, bytes, int]] = []  # since they were last kept
        self._kept_at = time.monotonic()
        self.bytes_read = 0

    def of(self, stamps: Iterable[Stamp]) -> dict[bytes, Fingerprint]:
        """Give the fingerprint of each file by its path; what an interrupted run left is not read again."""
        wanted = list(stamps)
        known = self._contents.kept([stamp.path for stamp in wanted]) if wanted else {}
        found = {stamp.path: Fingerprint(stamp, *known[stamp]) for stamp in wanted if stamp in known}
        missing = [stamp for stamp in wanted if stamp not in known]
        opens = partial(open_tree, self._job.source)
        for made in in_threads(missing, self._read, open_handles=opens, workers=self._workers):
            found[made.stamp.path] = made
            if made.hash is not None:
                self.bytes_read += made.stamp.size
                self._made.append((made.stamp, made.hash, made.hashed_at))
                self._keep_now_and_then()
        return found

    def _read(self, tree: LocalTree, stamp: Stamp) -> Fingerprint:
        try:
            content = self._content(tree, stamp.path)
        except OSError as error:
            return Fingerprint(stamp, None, 0, f"cannot be read: {error.strerror or error}")
        if not content.unchanged:
            return Fingerprint(stamp, None, 0, "unstable: it was written to each time it was read")
        read = Stamp.of(entry_of(stamp.path, content.status, None))
        return Fingerprint(read, content.hash, int(time.time()))

    def _content(self, tree: LocalTree, path: bytes) -> Content:
        algorithm = self._job.comparison.algorithm
        content = tree.content(path, algorithm, check=self._check)
        for _ in range(_ATTEMPTS - 1):
            if content.unchanged:
                break
            content = tree.content(path, algorithm, check=self._check)
        return content

    def _keep_now_and_then(self) -> None:
        """Keep what was made, where the run has become long enough to be worth going on with."""
        late = time.monotonic() - self._kept_at > _KEPT_EVERY_SECONDS
        if late or len(self._made) >= _KEPT_AT_ONCE:
            self._contents.keep(self._made)
            self._made.clear()
            self._kept_at = time.monotonic()

    def keep(self) -> None:
        """Keep what was made since: the run ends without having recorded it."""
        if self._made:
            self._contents.keep(self._made)
            self._made.clear()

"""A directory as it is now: walked and, where asked for, with the content of its files hashed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from dirsync.errors import RunError
from dirsync.filters import root_scope
from dirsync.filters.selection import Selection
from dirsync.march.driver import available_processors
from dirsync.march.walk import EVERYTHING, Recording, Walk
from dirsync.model.change import Failure
from dirsync.model.entry import Kind
from dirsync.model.job import HashAlgorithm, Job, SymlinkPolicy
from dirsync.model.names import local_text
from dirsync.model.place import LocalPlace, Place
from dirsync.model.snapshot import Seen, Sighting
from dirsync.runner.reach import within_reach
from dirsync.trees.hashing import hash_handle
from dirsync.trees.local import LocalTree, entry_of, open_tree
from dirsync.trees.parallel import in_threads
from dirsync.trees.source import SourceTree

_ATTEMPTS_WHILE_IT_CHANGES = 3
_BATCH = 64  # entries a thread takes at once, or fewer that hold as many bytes as
_BATCH_BYTES = 32 << 20


class DirectoryState:
    """A directory, seen while it is asked."""

    def __init__(
        self,
        place: Place,
        *,
        algorithm: HashAlgorithm | None,
        selection: Selection,
        check: Callable[[], None],
        job: Job | None = None,
    ) -> None:
        """See what is selected; `check` is called now and then, and may raise to stop.

        `job`: of that, what it would record; None: all of it.
        """
        self.algorithm = algorithm
        self._place = place
        self._selection = selection
        self._check = check
        self._recording = EVERYTHING if job is None else _recording(job)

    def sightings(self) -> Iterator[Sighting]:
        """Walk the directory.

        Raises:
            RunError: its root is gone, or cannot be listed.
        """
        try:
            with (
                within_reach(self._place, check=self._check) as place,
                _opened_deep(place) as tree,
            ):
                walk = Walk(tree, selection=self._selection, check=self._check, recording=self._recording)
                sightings = walk.sightings()
                yield from self._hashed(sightings, place) if self.algorithm else sightings
        except OSError as error:
            raise RunError(f"'{local_text(self._place.name)}' cannot be listed: {error.strerror}") from error

    def _hashed(self, sightings: Iterator[Sighting], place: Place) -> Iterator[Sighting]:
        batches = in_threads(
            _batches(sightings),
            self._with_hashes,
            open_handles=lambda: open_tree(place),
            workers=available_processors(),
        )
        for batch in batches:
            yield from batch

    def _with_hashes(self, tree: SourceTree, batch: list[Sighting]) -> list[Sighting]:
        found: list[Sighting] = []
        for sighting in batch:
            if isinstance(sighting, Seen) and sighting.entry.kind is Kind.FILE:
                found += self._with_hash(tree, sighting)
            else:
                found.append(sighting)
        return found

    def _with_hash(self, tree: SourceTree, seen: Seen) -> tuple[Sighting, ...]:
        """Hash a file, and give it as it was meanwhile; where that fails, as it was seen, and the failure."""
        try:
            for _ in range(_ATTEMPTS_WHILE_IT_CHANGES):
                found = self._read(tree, seen)
                if found is not None:
                    return (found,)
            reason = "it kept changing while it was hashed"
        except OSError as error:
            reason = f"cannot be hashed: {error.strerror or error}"
        return seen, Failure(seen.path, reason)

    def _read(self, tree: SourceTree, seen: Seen) -> Seen | None:
        """Hash a file; None: it changed meanwhile."""
        assert self.algorithm is not None
        if not isinstance(tree, LocalTree):
            return _read_far(tree, seen, self.algorithm, self._check)
        handle = tree.open_file(seen.path)
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise OSError("it is no regular file any more")
            name = hash_handle(handle, self.algorithm, check=self._check)
            entry = entry_of(seen.path, before, None)
            if entry != entry_of(seen.path, os.fstat(handle), None):
                return None
        finally:
            os.close(handle)
        return Seen(seen.entry if entry.ctime_ns == seen.entry.ctime_ns else entry, name)


def _recording(job: Job) -> Recording:
    skip_symlinks = job.symlinks is SymlinkPolicy.SKIP
    return Recording(root_scope(job), skip_symlinks=skip_symlinks, one_file_system=job.one_file_system)


def _opened_deep(place: Place) -> SourceTree:
    """Open a tree that will be walked to its end."""
    if isinstance(place, LocalPlace):
        return open_tree(place)
    from dirsync.trees.far.tree import DeepFarTree  # few ask for one

    return DeepFarTree.of(place)


def _read_far(
    tree: SourceTree, seen: Seen, algorithm: HashAlgorithm, check: Callable[[], None]
) -> Seen | None:
    """Have a file hashed where it is; None: it changed meanwhile."""
    content = tree.content(seen.path, algorithm, check=check)
    if not content.unchanged:
        return None
    entry = entry_of(seen.path, content.status, None)
    return Seen(seen.entry if entry.ctime_ns == seen.entry.ctime_ns else entry, content.hash)


def _batches(sightings: Iterable[Sighting]) -> Iterator[list[Sighting]]:
    """Cut a stream into what is worth handing to a thread."""
    batch: list[Sighting] = []
    size_bytes = 0
    for sighting in sightings:
        batch.append(sighting)
        if isinstance(sighting, Seen) and sighting.entry.kind is Kind.FILE:
            size_bytes += sighting.entry.size
        if len(batch) >= _BATCH or size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch

"""The scan of one run of a track job: it begins before anything else of the run, where that can be."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from dirsync.catalog.seal import sealer_with
from dirsync.errors import RunError
from dirsync.filters import root_scope
from dirsync.march.driver import march_tree
from dirsync.march.marching import Check
from dirsync.march.tracked_names import TrackedDirectory
from dirsync.march.tracking import TrackContext, TrackFound, track
from dirsync.model.job import Fingerprint, SymlinkPolicy, TrackJob
from dirsync.model.recorded import CatalogJob
from dirsync.runner.declared import declaration_of
from dirsync.runner.places import look_at_source
from dirsync.runner.tracking.ahead import Ahead
from dirsync.runner.tracking.kept_digests import (
    KeptDigests,
    digests_on_record,
    is_of_scope,
    keep_altered,
    kept_digests,
)
from dirsync.scan.chosen import LISTER, Lister
from dirsync.scan.digests import Digests

if TYPE_CHECKING:
    from dirsync.catalog.altered_digests import AlteredDigests
    from dirsync.catalog.catalog import Catalog  # whose loading the scan need not wait for

logger = logging.getLogger(__name__)

_IN_THREADS = LISTER is Lister.NATIVE  # which spends its time outside Python


class TrackScan:
    """Finds the directories that are not as they are on record.

    What they are on record is kept beside the ledger by the run before, and the scan begins
    by that (`begun`), before the run is entered there and the catalog open, for it changes nothing.
    Whether it went by the right digests the catalog says; if not, or if the source is
    another directory by then, all it found is forgotten.
    """

    def __init__(self, job: TrackJob, *, file: str, keeps: bool, check: Check) -> None:
        """Scan the source of a job.

        `file` holds the digests that were kept; `keeps`: keep them there. `check` is called
        often, and may raise to stop.
        """
        self._job = job
        self._file = file
        self._keeps = keeps
        self._check = check
        self._kept: KeptDigests | None = None
        self._digests: Digests | None = None  # on record before this run; None: none in its scope
        self._is_first = False
        self._ahead: Ahead | None = None
        self._ahead_of: TrackJob | None = None  # pinned to the source that is scanned ahead
        plain = replace(job, moves=True, keep_seconds=None, fingerprint=Fingerprint())
        self.scope = bytes.fromhex(declaration_of(plain))  # names what decides what is recorded, and counts

    def __enter__(self) -> Self:
        """Stop at the end of the block what is still going on."""
        return self

    def begun(self) -> Self:
        """Begin, if it is known what is on record; the source is looked at from here on."""
        if self._job.catalog is None:
            return self
        try:
            self._kept = kept_digests(self._file, sealer_with(self._job.catalog.key_file))
            if _IN_THREADS and self._kept is not None and is_of_scope(self._kept, self.scope):
                self._begin(replace(self._job, source=look_at_source(self._job)), self._kept.digests)
        except RunError:  # it is found again, and told, when the run comes to it
            pass
        return self

    def _begin(self, pinned: TrackJob, digests: Digests) -> None:
        self._ahead = Ahead(partial(_march, pinned, digests), check=self._check)
        self._ahead_of = pinned

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop what is still going on."""
        if self._ahead is not None:
            self._ahead.close()

    def pieces(self, pinned: TrackJob, catalog: Catalog, known: CatalogJob) -> Iterator[TrackFound]:
        """Give what is found, piece by piece, directories before their content.

        `pinned`: the job, its source pinned to the directory that it is now.

        Raises: what `check` raises, and:
            RunError: a process of the scan was killed.
            OSError: the root that was there is gone.
        """
        self._is_first = known.last_run is None
        if self._is_first or known.scope != self.scope:
            yield from _march(pinned, None, self._check)
            return
        file = self._file if self._keeps else None
        digests = self._digests = digests_on_record(catalog, known, kept=self._kept, file=file)
        is_of_record = self._kept is not None and digests is self._kept.digests
        if self._ahead is not None and self._ahead_of == pinned and is_of_record:
            yield from self._ahead.pieces()
            return
        if _IN_THREADS:
            yield from _march(pinned, digests, self._check)
            return
        with tempfile.NamedTemporaryFile(prefix="dirsync-") as shared:
            yield from _march(pinned, digests.put_into(shared.name), self._check)

    def recorded(self, catalog: Catalog, now: CatalogJob, altered: AlteredDigests) -> None:
        """Hear how the job was recorded, and keep the digests for the next run."""
        few = altered.all()
        if not self._keeps or not few or (self._digests is None and not self._is_first):
            return
        try:
            keep_altered(self._file, catalog, now, before=self._digests, altered=few)
        except RunError as error:  # the run is recorded, whatever became of the connection since
            logger.warning("digests are not kept for the next run: %s", error)


def _march(pinned: TrackJob, digests: Digests | None, check: Check) -> Iterator[TrackFound]:
    """March a job's source; without digests every directory comes back."""
    identity = pinned.source.identity
    context = TrackContext(
        source=pinned.source,
        digests=digests,
        skip_symlinks=pinned.symlinks is SymlinkPolicy.SKIP,
        source_device=identity[0] if identity is not None and pinned.one_file_system else None,
    )
    root = TrackedDirectory(b"", root_scope(pinned))
    march = partial(track, context)
    return march_tree(march, [root], workers=pinned.workers, check=check, in_threads=_IN_THREADS)

"""`verify` of a track job: every file whose content is on record is read again."""

from __future__ import annotations

import datetime
import logging

from msgspec.structs import replace

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.contents import Contents
from dirsync.catalog.recording import Recording, recording
from dirsync.errors import RunError
from dirsync.march.driver import available_processors
from dirsync.march.sight import entries_in
from dirsync.model.change import Failure
from dirsync.model.content import Soundness
from dirsync.model.job import JobType, TrackJob
from dirsync.model.names import shown
from dirsync.model.recorded import CatalogJob, RecordedRun
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.ledger import Ledger, open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Stage, Totals
from dirsync.runner.places import look_at_source
from dirsync.runner.scrub import ScrubObserver, Tally, scrubbed
from dirsync.runner.tracking.catalogs import catalog_of, has_catalog, recorded_job
from dirsync.runner.tracking.ends import ending
from dirsync.runner.tracking.guarding import check_not_empty, check_same_source
from dirsync.runner.tracking.refreshing import Refresher, Reread
from dirsync.scan.sources import listing_in
from dirsync.trees.local import open_tree

logger = logging.getLogger(__name__)

_MAX_READERS = 8


def verify_tracked(
    job: TrackJob, *, state: str, observer: ScrubObserver, stop: Stop, budget_bytes: int | None
) -> RunResult:
    """Read a track job's files again, and tell how it ended; what fails raises nothing.

    No file is begun once `budget_bytes` were read (None: all are); those longest unread
    come first. The job's lock is held, so no run of it begins meanwhile.
    """
    started_at = _now()

    def scrub(counts: Counts, tally: Tally) -> None:
        with open_ledger(state) as ledger, locked_job(state, job.name):
            _Verifying(job, ledger, observer, stop, counts, tally, started_at).run(budget_bytes)

    return scrubbed(job, scrub, observer=observer)


class _Verifying:
    """One verification; `counts` and `tally` are filled as it goes."""

    def __init__(
        self,
        job: TrackJob,
        ledger: Ledger,
        observer: ScrubObserver,
        stop: Stop,
        counts: Counts,
        tally: Tally,
        started_at: datetime.datetime,
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._observer = observer
        self._deadline = Deadline(stop, timeout_seconds=None)
        self._counts = counts
        self._tally = tally
        self._started_at = started_at
        self._gone = 0  # files on record that are not there

    def run(self, budget_bytes: int | None) -> None:
        """Read what is on record, and bring what came of it into the catalog.

        Raises:
            RunError: the source is not there, or the catalog cannot be used.
            GuardTripped: the source is not believed, as a run would not; nothing was recorded.
            Cancelled: a signal came; nothing was recorded.
        """
        self._job = replace(self._job, source=look_at_source(self._job))
        if not has_catalog(self._job, self._ledger):
            raise RunError(f"'{self._job.name}': nothing is recorded yet; run the job once first")
        with catalog_of(self._job, self._ledger) as catalog:
            known = recorded_job(self._job, catalog, self._ledger)
            check_not_empty(self._job, known, seen=self._entries_at_the_top())
            run_id = max(self._ledger.reserve_id(), (known.last_run or 0) + 1)
            with recording(catalog, known, run_id=run_id) as rows:
                self._read(catalog, known, rows, budget_bytes)
                if self._gone:
                    lost = f"it lacks {self._gone:,} of the files on record"
                    check_same_source(self._job, self._ledger, lost=lost)
                self._commit(known, rows, run_id)

    def _entries_at_the_top(self) -> int:
        with open_tree(self._job.source) as source:
            return entries_in(listing_in(source, b""), b"")

    def _read(self, catalog: Catalog, known: CatalogJob, rows: Recording, budget_bytes: int | None) -> None:
        contents = Contents(catalog, known.job_id)
        files, byte_count = contents.totals()
        if not files and known.entries:
            self._observer.noticed("no content is on record: add hash to 'compare', and run the job")
        self._tally.left = files
        self._observer.stage(Stage.VERIFY)
        to_read = byte_count if budget_bytes is None else min(budget_bytes, byte_count)
        self._observer.planned(Totals(operations=files, bytes_to_copy=to_read))
        refresher = Refresher(
            self._job,
            catalog,
            known,
            rows,
            workers=self._job.workers or min(_MAX_READERS, available_processors()),
            check=self._deadline.check,
            failed=self._failed,
            told=self._told,
        )
        refresher.everything(budget_bytes=budget_bytes)

    def _commit(self, known: CatalogJob, rows: Recording, run_id: int) -> None:
        if not rows.has_rows:
            return
        run = RecordedRun(
            run_id=run_id,
            type=JobType.CHECK,
            started_at=self._started_at,
            finished_at=_now(),
            outcome=Outcome.PARTIAL if self._counts.failed else Outcome.SUCCEEDED,
            counts=self._counts,
            entries=known.entries,
            bytes_total=known.bytes_total,
        )
        rows.commit(run, scope=known.scope, ending=ending(self._ledger, self._job.name, before=known))

    def _told(self, reread: Reread) -> None:
        if not reread.is_comparable:
            if reread.reason is not None:
                self._tally.left -= 1
            self._gone += reread.is_gone
            return
        self._tally.left -= 1
        self._tally.files += 1
        self._tally.bytes_read += reread.row.size
        if reread.rotted:
            self._tally.rotted += 1
            self._counts.modified += 1
            logger.warning("rotted: '%s'", shown(reread.path))
            self._observer.rotted(reread.path, Soundness.ROTTED)
        self._observer.progressed(self._tally.files, self._tally.bytes_read)

    def _failed(self, failure: Failure) -> None:
        self._counts.failed += 1
        logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
        self._observer.failed(failure)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

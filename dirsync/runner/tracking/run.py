"""The stages of a track job's run, in their order."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.contents import Contents
from dirsync.catalog.opening import SQLITE, open_catalog
from dirsync.catalog.recording import Recording, recording
from dirsync.catalog.retention import pruned
from dirsync.errors import RunError
from dirsync.march.driver import available_processors
from dirsync.march.tracking import TrackFound
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Entry
from dirsync.model.job import JobType, OnError, TrackJob
from dirsync.model.names import in_words, shown
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob, Recorded, RecordedRun
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Deadline
from dirsync.runner.ledger import Ledger
from dirsync.runner.observer import Observer, Stage
from dirsync.runner.places import look_at_source
from dirsync.runner.source_identity import remember_source
from dirsync.runner.tracking.catalogs import catalog_of, has_catalog, recorded_job
from dirsync.runner.tracking.comparing import CameFirst, Comparing
from dirsync.runner.tracking.conclusion import Concluded, Conclusion
from dirsync.runner.tracking.ends import ending
from dirsync.runner.tracking.findings import Findings, Unfinished
from dirsync.runner.tracking.guarding import check_not_empty, check_same_source
from dirsync.runner.tracking.hashing import Hasher
from dirsync.runner.tracking.refreshing import Refresher, Reread
from dirsync.runner.tracking.scan import TrackScan
from dirsync.trees.local import open_tree

logger = logging.getLogger(__name__)

_MAX_HASHERS = 8
_NOTICES = "catalog_notices"  # the fact that holds what was last said of the catalog


class TrackStages:
    """Takes one track job through its stages; `counts` is filled as they go."""

    def __init__(
        self,
        job: TrackJob,
        scan: TrackScan,
        ledger: Ledger,
        *,
        run_id: int,
        started_at: datetime.datetime,
        observer: Observer,
        deadline: Deadline,
        dry_run: bool,
        counts: Counts,
    ) -> None:
        self._job = job
        self._scan = scan
        self._ledger = ledger
        self._run_id = run_id
        self._started_at = started_at
        self._observer = observer
        self._deadline = deadline
        self._dry_run = dry_run
        self._counts = counts
        self._bytes_of = dict.fromkeys(ChangeKind, 0)  # of files, by what became of them

    def run(self) -> None:
        """Go through all stages.

        Raises:
            RunError: the run ended early; its kind says why. The catalog is as it was.
        """
        try:
            self._job = replace(self._job, source=look_at_source(self._job))
            with self._catalog() as catalog:
                self._tell_notices(catalog)
                self._record(
                    catalog, recorded_job(self._job, catalog, None if self._dry_run else self._ledger)
                )
        except OSError as error:
            raise RunError(f"'{self._job.name}': the run could not go on: {in_words(error)}") from error

    def record(self, result: RunResult) -> None:
        """Do nothing: what a track job does is to record, and it is done."""

    def _tell_notices(self, catalog: Catalog) -> None:
        """Say what the catalog cannot do as well as others, once."""
        notices = " ".join(catalog.store.notices)
        if notices == (self._ledger.recall(self._job.name, _NOTICES) or ""):
            return
        for notice in catalog.store.notices:
            self._observer.noticed(notice)
        if not self._dry_run:
            self._ledger.remember(self._job.name, _NOTICES, notices)

    @contextlib.contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        """Open the job's catalog; a dry run of a job that has none yet gets one for its own time."""
        if not self._dry_run or has_catalog(self._job, self._ledger):
            with catalog_of(self._job, self._ledger) as catalog:
                yield catalog
            return
        with tempfile.TemporaryDirectory(prefix="dirsync-") as folder:
            place = CatalogPlace(url=f"{SQLITE}{folder}/catalog.db", key_file=os.path.join(folder, "none"))
            with open_catalog(place, may_create=True) as catalog:
                yield catalog

    def _record(self, catalog: Catalog, known: CatalogJob) -> None:
        run_id = max(self._run_id, (known.last_run or 0) + 1)  # the ledger may have been lost
        hasher = self._hasher(catalog, known)
        findings = Findings()
        try:
            with recording(catalog, known, run_id=run_id) as rows, contextlib.closing(findings):
                self._observer.stage(Stage.SCAN)
                due_before = self._due_before()
                comparing = self._scanned(catalog, known, rows, run_id, hasher, findings, due_before)
                self._check_guards(known, findings)
                conclusion = self._settled(catalog, known, rows, comparing, findings)
                self._refresh(catalog, known, rows, due_before, comparing.unfinished)
                self._deadline.check()
                self._observer.stage(Stage.RECORD)
                run = self._concluded(known, rows, run_id, comparing, conclusion)
                if not self._dry_run:
                    noted = ending(self._ledger, self._job.name, before=known)
                    after = rows.commit(run, scope=self._scan.scope, ending=noted)
                    self._scan.recorded(catalog, after, rows.digests)
                    self._prune(catalog)
        except BaseException:
            hasher.keep()
            raise
        if not self._dry_run:
            remember_source(self._job, self._ledger)
        logger.info("recorded: %d entries in the catalog", run.entries)

    def _prune(self, catalog: Catalog) -> None:
        """Drop the history that is older than the job keeps it, with the run itself well recorded."""
        known = catalog.job(self._job.name)
        if self._job.keep_seconds is None or known is None:
            return
        before = self._started_at - datetime.timedelta(seconds=self._job.keep_seconds)
        for notice in pruned(catalog, known, before=before):
            self._observer.noticed(notice)

    def _hasher(self, catalog: Catalog, known: CatalogJob) -> Hasher:
        workers = self._job.workers or min(_MAX_HASHERS, available_processors())
        contents = Contents(catalog, known.job_id)
        return Hasher(self._job, contents, workers=workers, check=self._deadline.check)

    # Scan and compare

    def _scanned(
        self,
        catalog: Catalog,
        known: CatalogJob,
        rows: Recording,
        run_id: int,
        hasher: Hasher,
        findings: Findings,
        due_before: int | None,
    ) -> Comparing:
        with open_tree(self._job.source) as source:
            comparing = Comparing(
                self._job,
                catalog,
                known.job_id,
                rows,
                run_id=run_id,
                source=source,
                hasher=hasher,
                findings=findings,
                came_first=self._came_first if known.last_run is None else None,
                scope_changed=known.scope != self._scan.scope,
                due_before=due_before,
                failed=self._failed,
            )
            for piece in self._scan.pieces(self._job, catalog, known):
                self._check_root(piece)
                comparing.take(piece)
                self._counts.scanned += piece.scanned
                self._observer.scanned(self._counts.scanned)
        return comparing

    def _check_root(self, piece: TrackFound) -> None:
        for failure in piece.unlisted:
            if not failure.path:
                raise RunError(f"'{self._job.name}': {failure.reason}")

    def _check_guards(self, known: CatalogJob, findings: Findings) -> None:
        """Check that what is gone is gone, and not merely elsewhere."""
        check_not_empty(self._job, known, seen=self._counts.scanned)
        if len(findings.went):
            check_same_source(
                self._job, self._ledger, lost=f"{len(findings.went):,} entries would be deleted"
            )

    def _due_before(self) -> int | None:
        """Say before when content was read that is due to be read again; None: none is."""
        refresh_seconds = self._job.fingerprint.refresh_seconds
        return None if refresh_seconds is None else int(time.time() - refresh_seconds)

    def _refresh(
        self,
        catalog: Catalog,
        known: CatalogJob,
        rows: Recording,
        due_before: int | None,
        unfinished: Mapping[int, Unfinished],
    ) -> None:
        """Read again what is due, and tell what rotted; what went is staged by now, and left alone."""
        refresher = Refresher(
            self._job,
            catalog,
            known,
            rows,
            workers=self._job.workers or min(_MAX_HASHERS, available_processors()),
            check=self._deadline.check,
            failed=self._failed,
            told=self._told_of_content,
        )
        refresher.overdue(before=due_before, unfinished=unfinished)

    def _told_of_content(self, reread: Reread) -> None:
        if reread.rotted:
            logger.warning("rotted: '%s'", shown(reread.path))
            self._observer.noticed(
                f"bit rot: '{shown(reread.path)}' has other content than on record, its size and times do not"
            )
            new = reread.row.entry(reread.path)
            change = Change(ChangeKind.MODIFIED, new, new, frozenset({Aspect.HASH}))
            self._counts.count(change)
            self._counts.bytes_copied = 0
            self._observer.changed(change)

    def _failed(self, failure: Failure) -> None:
        self._counts.failed += 1
        logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
        self._observer.failed(failure)
        if self._job.on_error is OnError.STOP:
            raise RunError("stopped at the first path that failed, as 'on_error: stop' asks")

    # What it comes to

    def _came_first(self, found: CameFirst) -> None:
        """Count and tell entries of the first run, which are no changes."""
        self._counts.created += found.entry_count
        self._bytes_of[ChangeKind.CREATED] += found.byte_count
        self._observer.created(found)

    def _settled(
        self,
        catalog: Catalog,
        known: CatalogJob,
        rows: Recording,
        comparing: Comparing,
        findings: Findings,
    ) -> Conclusion:
        conclusion = Conclusion(
            self._job,
            catalog,
            known.job_id,
            rows,
            findings=findings,
            moved=comparing.matching.moved,
            staged=comparing.matching.staged,
        )
        conclusion.settle()
        return conclusion

    def _concluded(
        self, known: CatalogJob, rows: Recording, run_id: int, comparing: Comparing, conclusion: Conclusion
    ) -> RecordedRun:
        for change in conclusion.changes():
            rows.change(
                change.path,
                kind=change.kind,
                old=change.old,
                new=change.new,
                aspects=change.aspects,
                severity=None if change.is_quiet else change.severity,
                old_path=change.old_path,
            )
            if not change.is_quiet:
                self._tell(change)
        return RecordedRun(
            run_id=run_id,
            type=JobType.TRACK,
            started_at=self._started_at,
            finished_at=datetime.datetime.now(datetime.UTC),
            outcome=Outcome.PARTIAL if self._counts.failed else Outcome.SUCCEEDED,
            counts=self._counts,
            entries=known.entries + comparing.entries_added - conclusion.entries_gone,
            bytes_total=known.bytes_total + comparing.bytes_added - conclusion.bytes_gone,
            bytes_added=self._bytes_of[ChangeKind.CREATED],
            bytes_modified=self._bytes_of[ChangeKind.MODIFIED],
            bytes_deleted=self._bytes_of[ChangeKind.DELETED],
            is_baseline=known.last_run is None,
        )

    def _tell(self, concluded: Concluded) -> None:
        change = _change_of(concluded)
        self._counts.count(change)
        self._counts.bytes_copied = 0
        row = concluded.new or concluded.old
        self._bytes_of[concluded.kind] += 0 if row is None else row.file_bytes
        self._observer.changed(change)


def _change_of(concluded: Concluded) -> Change:
    old_path = concluded.path if concluded.old_path is None else concluded.old_path
    return Change(
        concluded.kind,
        _entry(concluded.old, old_path),
        _entry(concluded.new, concluded.path),
        concluded.aspects,
    )


def _entry(row: Recorded | None, path: bytes) -> Entry | None:
    return None if row is None else row.entry(path)

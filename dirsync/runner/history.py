"""What a sync job changed, for the catalog's history: gathered as it is done, recorded at the end.

The mirror does not depend on it. Where the catalog cannot be used, the run says so and
ends as it would have; a run that is killed leaves nothing in the history.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dirsync.errors import RunError
from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import TwoTrees
from dirsync.model.result import RunResult
from dirsync.plan.packing import CHANGES
from dirsync.plan.spill import SpillList
from dirsync.runner.ledger import Ledger

if TYPE_CHECKING:
    from dirsync.model.new_files import NewFiles

_MANY = 4096  # changes, from which on it is asked whether they are needed

logger = logging.getLogger(__name__)


class History:
    """The changes of one run of a sync job; those of its first run are told as a count alone."""

    def __init__(self, job: TwoTrees, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger
        self._changes: SpillList[Change] = SpillList(packing=CHANGES)
        self._keeps: bool | None = None  # each change, besides counting it; None: not decided yet
        self._count = 0
        self._sizes = dict.fromkeys(ChangeKind, 0)  # bytes
        self.moved_from: Mapping[bytes, bytes] = {}  # by its new path, where what moved was before

    def note(self, change: Change) -> None:
        """Keep a change that was carried out."""
        if self._job.catalog is None:
            return
        self._count += 1
        self._sizes[change.kind] += _bytes_of(change)
        if self._keeps is not False:
            self._changes.append(change._replace(leader=None))

    def note_made(self, changes: Sequence[Change], *, byte_count: int) -> None:
        """Keep changes that were carried out: what was copied to where there was nothing."""
        if self._are_kept(len(changes), byte_count=byte_count):
            self._changes.extend(changes)

    def note_made_files(self, files: NewFiles, *, byte_count: int) -> None:
        """Keep the changes of files that were planned together."""
        if self._are_kept(files.entry_count, byte_count=byte_count):
            self._changes.extend(files.changes())

    def _are_kept(self, count: int, *, byte_count: int) -> bool:
        """Count what was created; tell whether its changes are kept."""
        if self._job.catalog is None:
            return False
        self._count += count
        self._sizes[ChangeKind.CREATED] += byte_count
        if self._keeps is None and self._count > _MANY:
            self._keeps = not self._is_first_run()
        return self._keeps is not False

    def _is_first_run(self) -> bool:
        """Whether the catalog knows no run of the job, so that this one will be told as a count alone."""
        from dirsync.runner.tracking.catalogs import catalog_of

        try:
            with catalog_of(self._job, self._ledger) as catalog:
                known = catalog.job(self._job.name)
        except RunError:  # what is the matter will be told in the end
            return False
        return known is None or known.last_run is None

    def record(self, result: RunResult) -> str | None:
        """Bring what was done into the catalog; tell why that could not be, None: it could."""
        try:
            if self._count:
                self._record(result)
        except RunError as error:
            logger.warning("the history was not recorded: %s", error)
            return f"the history of this run is not in the catalog: {error}"
        finally:
            self._changes.close()
        return None

    def _record(self, result: RunResult) -> None:
        from dirsync.catalog.recording import recording  # runs that change nothing need no catalog
        from dirsync.model.recorded import RecordedRun, recorded_of
        from dirsync.runner.tracking.catalogs import catalog_of, recorded_job
        from dirsync.runner.tracking.ends import ending

        with catalog_of(self._job, self._ledger) as catalog:
            known = recorded_job(self._job, catalog, self._ledger)
            if self._keeps is False and known.last_run is not None:
                raise RunError(f"'{self._job.name}': its catalog got another run meanwhile")
            run_id = max(result.run_id, (known.last_run or 0) + 1)
            with recording(catalog, known, run_id=run_id) as rows:
                for change in self._changes if known.last_run is not None else ():
                    rows.change(
                        change.path,
                        kind=change.kind,
                        old=change.old and recorded_of(change.old),
                        new=change.new and recorded_of(change.new),
                        aspects=change.aspects,
                        severity=None,
                        old_path=self.moved_from.get(change.path),
                    )
                sizes = self._sizes
                run = RecordedRun(
                    run_id=run_id,
                    type=result.type,
                    started_at=result.started_at,
                    finished_at=result.finished_at,
                    outcome=result.outcome,
                    counts=result.counts,
                    bytes_added=sizes[ChangeKind.CREATED],
                    bytes_modified=sizes[ChangeKind.MODIFIED],
                    bytes_deleted=sizes[ChangeKind.DELETED],
                    is_baseline=known.last_run is None,
                    error=result.error,
                )
                rows.commit(run, scope=known.scope, ending=ending(self._ledger, self._job.name, before=known))


def _bytes_of(change: Change) -> int:
    entry = change.new or change.old
    return entry.size if entry is not None and stat.S_ISREG(entry.mode) else 0

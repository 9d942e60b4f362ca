"""What a sync job changed, for the catalog's history: gathered as it is done, recorded at the end.

The mirror does not depend on it. Where the catalog cannot be used, the run says so and
ends as it would have; a run that is killed leaves nothing in the history.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dirsync.errors import RunError
from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import TwoTrees
from dirsync.model.recorded import Recorded, RecordedRun, recorded_of
from dirsync.model.result import RunResult
from dirsync.plan.packing import CHANGES
from dirsync.plan.spill import SpillList
from dirsync.runner.ledger import Ledger

logger = logging.getLogger(__name__)


class History:
    """The changes of one run of a sync job; those of its first run are told as a count alone."""

    def __init__(self, job: TwoTrees, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger
        self._changes: SpillList[Change] = SpillList(packing=CHANGES)
        self.moved_from: Mapping[bytes, bytes] = {}  # by its new path, where what moved was before

    def note(self, change: Change) -> None:
        """Keep a change that was carried out."""
        if self._job.catalog is not None:
            self._changes.append(change._replace(leader=None))

    def note_all(self, changes: Sequence[Change]) -> None:
        """Keep changes that were carried out, of files that were copied."""
        if self._job.catalog is not None:
            self._changes.extend(changes)

    def record(self, result: RunResult) -> str | None:
        """Bring what was done into the catalog; tell why that could not be, None: it could."""
        try:
            if len(self._changes):
                self._record(result)
        except RunError as error:
            logger.warning("the history was not recorded: %s", error)
            return f"the history of this run is not in the catalog: {error}"
        finally:
            self._changes.close()
        return None

    def _record(self, result: RunResult) -> None:
        from dirsync.catalog.recording import recording  # runs that change nothing need no catalog
        from dirsync.runner.tracking.catalogs import catalog_of, recorded_job
        from dirsync.runner.tracking.ends import ending

        with catalog_of(self._job, self._ledger) as catalog:
            known = recorded_job(self._job, catalog, self._ledger)
            run_id = max(result.run_id, (known.last_run or 0) + 1)
            with recording(catalog, known, run_id=run_id) as rows:
                sizes = dict.fromkeys(ChangeKind, 0)
                for change in self._changes:
                    entry = change.entry
                    sizes[change.kind] += entry.size if entry.kind is Kind.FILE else 0
                    if known.last_run is not None:
                        rows.change(
                            change.path,
                            kind=change.kind,
                            old=_recorded(change.old),
                            new=_recorded(change.new),
                            aspects=change.aspects,
                            severity=None,
                            old_path=self.moved_from.get(change.path),
                        )
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


def _recorded(entry: Entry | None) -> Recorded | None:
    return None if entry is None else recorded_of(entry)

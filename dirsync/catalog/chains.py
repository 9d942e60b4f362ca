"""Following the chains of a job: each change, run and acceptance against its link and the one before it.

After a row that is wrong the chain is taken up again, so that one row is one flaw.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.coverage import Coverage
from dirsync.catalog.flaws import Flaw, FlawKind
from dirsync.catalog.rows import (
    ACCEPTANCE_COLUMNS,
    RUN_COLUMNS,
    acceptance_of,
    change_of,
    row_of_acceptance,
    row_of_change,
    row_of_run,
    run_of,
)
from dirsync.catalog.schema import CHANGE_COLUMNS
from dirsync.catalog.seal import SEAL_BYTES, START
from dirsync.catalog.store import Row, Value
from dirsync.model.names import shown
from dirsync.model.recorded import Acceptance, CatalogJob, Checkpoint, RecordedChange, RecordedRun

_CHANGES, _RUNS = ", ".join(CHANGE_COLUMNS), ", ".join(RUN_COLUMNS)
_ACCEPTANCES = ", ".join(ACCEPTANCE_COLUMNS)

Links = tuple[bytes, ...]  # what the next row may be chained to; two where the last one is wrong
T = TypeVar("T")


class Chains:
    """The history of one job, from its beginning or its checkpoint on."""

    def __init__(
        self, catalog: Catalog, job: CatalogJob, *, beginning: bytes, checkpoint: Checkpoint | None
    ) -> None:
        self._store = catalog.store
        self._sealer = catalog.sealer
        self._job = job
        self._first_run = 0 if checkpoint is None else checkpoint.run_id
        self._first_change = 0 if checkpoint is None else checkpoint.change_id
        self.run_link = beginning if checkpoint is None else checkpoint.run_link  # of the last run followed
        change_link = beginning if checkpoint is None else checkpoint.change_link
        self._links: dict[int, Links] = {self._first_change: (change_link,)}  # by the last change of a run
        self.changes = 0
        self.runs = 0

    def flaws(self, coverage: Coverage) -> Iterator[Flaw]:
        """Find what is wrong in all of the history; `coverage` says which acceptance each change has."""
        job = self._job
        last = job.next_change - 1
        end = yield from self._changes(last=last, coverage=coverage)
        if end is not None and job.change_link not in end:
            yield self._flaw(FlawKind.END, "the last change is another one than the last run recorded")
        end, last_run = yield from self._runs(last=job.last_run or 0)
        if last_run != (job.last_run or 0):
            yield self._flaw(
                FlawKind.MISSING, f"run {job.last_run}, the last one, is missing", run_id=job.last_run
            )
        elif job.link not in end:
            yield self._flaw(FlawKind.END, "the last run is another one than was recorded last")

    def flaws_until(self, run: RecordedRun) -> Iterator[Flaw]:
        """Find what is wrong in the history up to the end of a run."""
        yield from self._changes(last=run.last_change, coverage=None)
        yield from self._runs(last=run.run_id)

    def change_link(self, change_id: int) -> bytes:
        """Give the link of the last change of a run that was followed."""
        return self._links[change_id][0]

    # Changes

    def _changes(self, *, last: int, coverage: Coverage | None) -> Generator[Flaw, None, Links | None]:
        """Follow the changes up to one; return what the next may be chained to (None: nobody knows)."""
        statement = f"SELECT {_CHANGES} FROM changes WHERE job_id = ?"
        values = [self._job.job_id]
        if coverage is None:
            statement, values = f"{statement} AND change_id <= ?", [*values, last]
        ends = set(self._ends_of_runs())
        expected = self._first_change + 1
        before: Links | None = self._links[self._first_change]
        for row in self._store.rows(f"{statement} ORDER BY change_id", values):
            change_id = row[0]
            if not isinstance(change_id, int) or not self._first_change < change_id <= last:
                yield self._extra_change(row)
                continue
            if change_id > expected:
                yield self._missing_changes(expected, change_id - 1)
                before = None
            expected = change_id + 1
            before = yield from self._change(row, before, coverage)
            if change_id in ends and before is not None:
                self._links[change_id] = before
        if expected <= last:
            yield self._missing_changes(expected, last)
            return None
        return before

    def _change(
        self, row: Row, before: Links | None, coverage: Coverage | None
    ) -> Generator[Flaw, None, Links | None]:
        self.changes += 1
        change, link = _change_of(row), _seal_of(row[-1])
        if change is None or link is None:
            yield self._foreign_change(row)
            return None if link is None else (link,)
        if coverage is not None and coverage.of(change) != change.accepted_by:
            yield self._wrongly_accepted(change, coverage.of(change))
        if before is None:
            return (link,)
        made = [self._sealer.change(each, change) for each in before]
        if link in made:
            return (link,)
        yield self._of_change(FlawKind.ALTERED, change, "is not as it was recorded")
        return (link, made[0])

    def _ends_of_runs(self) -> Iterator[int]:
        for (last,) in self._store.rows("SELECT last_change FROM runs WHERE job_id = ?", (self._job.job_id,)):
            if isinstance(last, int):
                yield last

    # Runs

    def _runs(self, *, last: int) -> Generator[Flaw, None, tuple[Links, int]]:
        """Follow the runs up to one; return what the next may be chained to, and the last there is."""
        before: Links = (self.run_link,)
        last_run, last_change = self._first_run, self._first_change
        statement = f"SELECT {_RUNS}, seal, link FROM runs WHERE job_id = ? AND run_id <= ? ORDER BY run_id"
        if last == (self._job.last_run or 0):
            yield from self._extra_runs()
        for *row, state, sealed in self._store.rows(statement, (self._job.job_id, last)):
            if isinstance(row[0], int) and row[0] <= self._first_run:
                continue
            self.runs += 1
            run, seals, link = _run_of(tuple(row)), _seal_of(state), _seal_of(sealed)
            if run is None or seals is None or link is None:
                yield self._flaw(
                    FlawKind.FOREIGN,
                    f"run {row[0]!r} holds what this program does not write",
                    run_id=row[0] if isinstance(row[0], int) else None,
                )
                before = before if link is None else (*before, link)
                last_run = row[0] if isinstance(row[0], int) else last_run
                continue
            made = self._links_of(run, before, int.from_bytes(seals, "big"))
            if link in made:
                before = (link,)
            else:
                yield self._altered_run(run, is_next=run.first_change == last_change + 1)
                before = (link, *made)
            last_run, last_change = run.run_id, run.last_change
            self.run_link = link
        return before, last_run

    def _links_of(self, run: RecordedRun, before: Links, state: int) -> list[bytes]:
        """Give the links that a run may have; none: its last change is not known."""
        changes = self._links.get(run.last_change, ())
        return [
            self._sealer.run(each, run, change_link=change, state=state)
            for each in before
            for change in changes
        ]

    def _extra_runs(self) -> Iterator[Flaw]:
        last = self._job.last_run or 0
        statement = "SELECT run_id FROM runs WHERE job_id = ? AND (run_id <= ? OR run_id > ?) ORDER BY run_id"
        for (run_id,) in self._store.rows(statement, (self._job.job_id, self._first_run, last)):
            yield self._flaw(
                FlawKind.EXTRA,
                f"run {run_id!r} is there, and none of that number was recorded",
                run_id=run_id if isinstance(run_id, int) else None,
            )

    # Acceptances

    def acceptances(self) -> Generator[Flaw, None, list[Acceptance]]:
        """Follow the acceptances; return those that could be read."""
        statement = f"SELECT {_ACCEPTANCES}, link FROM acceptances WHERE job_id = ? ORDER BY acceptance_id"
        before: Links = (START,)
        found: list[Acceptance] = []
        for *row, sealed in self._store.rows(statement, (self._job.job_id,)):
            acceptance, link = _acceptance_of(tuple(row)), _seal_of(sealed)
            if acceptance is None or link is None:
                yield self._flaw(
                    FlawKind.FOREIGN, f"acceptance {row[0]!r} holds what this program does not write"
                )
                before = before if link is None else (*before, link)
                continue
            found.append(acceptance)
            made = [self._sealer.acceptance(each, acceptance) for each in before]
            if link in made:
                before = (link,)
                continue
            yield self._flaw(
                FlawKind.ALTERED,
                f"acceptance {acceptance.acceptance_id}, of '{shown(acceptance.path)}', is not as it was "
                "recorded, or one before it is missing",
                path=acceptance.path,
            )
            before = (link, made[0])
        if self._job.acceptance_link not in before:
            yield self._flaw(FlawKind.END, "the last acceptance is another one than was recorded last")
        return found

    # Words

    def _flaw(
        self,
        kind: FlawKind,
        text: str,
        *,
        path: bytes | None = None,
        run_id: int | None = None,
        change_id: int | None = None,
    ) -> Flaw:
        return Flaw(kind, text, self._job.name, path, run_id, change_id)

    def _of_change(self, kind: FlawKind, change: RecordedChange, what: str) -> Flaw:
        text = f"change {change.change_id}, of '{shown(change.path)}' in run {change.run_id}, {what}"
        return self._flaw(kind, text, path=change.path, run_id=change.run_id, change_id=change.change_id)

    def _extra_change(self, row: Row) -> Flaw:
        change = _change_of(row)
        what = "is there, and none of that number was recorded"
        if change is None:
            return self._flaw(FlawKind.EXTRA, f"change {row[0]!r} {what}")
        return self._of_change(FlawKind.EXTRA, change, what)

    def _foreign_change(self, row: Row) -> Flaw:
        change_id, run_id, path = row[:3]
        return self._flaw(
            FlawKind.FOREIGN,
            f"change {change_id!r} holds what this program does not write",
            path=path if isinstance(path, bytes) else None,
            run_id=run_id if isinstance(run_id, int) else None,
            change_id=change_id if isinstance(change_id, int) else None,
        )

    def _missing_changes(self, first: int, last: int) -> Flaw:
        one = f"change {first} is missing"
        return self._flaw(
            FlawKind.MISSING,
            one if first == last else f"changes {first} to {last} are missing",
            change_id=first,
        )

    def _wrongly_accepted(self, change: RecordedChange, by: int | None) -> Flaw:
        marked = "open" if change.accepted_by is None else f"accepted (by {change.accepted_by})"
        right = "no acceptance covers it" if by is None else f"acceptance {by} covers it"
        return self._of_change(FlawKind.ALTERED, change, f"is marked as {marked}, but {right}")

    def _altered_run(self, run: RecordedRun, *, is_next: bool) -> Flaw:
        what = "is not as it was recorded" if is_next else "was altered, or one before it is missing"
        return self._flaw(FlawKind.ALTERED, f"run {run.run_id} {what}", run_id=run.run_id)


def _seal_of(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) and len(value) == SEAL_BYTES else None


def _change_of(row: Row) -> RecordedChange | None:
    """Make a change of a row; None: this program never wrote it."""
    change = as_written(change_of, row)
    return change if change is not None and row_of_change(change, b"")[:-1] == row[:-1] else None


def _run_of(row: Row) -> RecordedRun | None:
    run = as_written(run_of, row)
    return run if run is not None and row_of_run(run) == row else None


def _acceptance_of(row: Row) -> Acceptance | None:
    acceptance = as_written(acceptance_of, row)
    return acceptance if acceptance is not None and row_of_acceptance(acceptance) == row else None


def as_written(make: Callable[[Row], T], row: Row) -> T | None:
    """Make a noun of a row; None: no release ever wrote such a row."""
    try:
        return make(row)
    except (ValueError, TypeError, OverflowError):
        return None

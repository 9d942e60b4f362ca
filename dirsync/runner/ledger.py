"""The ledger: every run, from its begin to its end, in SQLite under the state directory.

A run's row is written before its first deed and completed after its last, each
time durably. A row without an outcome is a run that goes on, or one that was
cut off; who holds the job's lock knows which, and closes the latter as crashed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from dirsync.errors import RunError
from dirsync.model.job import JobType
from dirsync.model.names import escaped
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.runner.database import Database, open_database

if TYPE_CHECKING:
    from dirsync.model.tallies import RunsTally  # of reports

_COUNTS = tuple(name for name in Counts.__struct_fields__)
_COLUMNS = ", ".join(
    ("run_id", "job", "type", "started_at", "finished_at", "outcome", "dry_run", "error", "pid", *_COUNTS)
)


class RecordedRun(Struct, frozen=True, kw_only=True):
    """One run as the ledger holds it."""

    run_id: int
    job: str
    type: JobType
    started_at: datetime  # aware, UTC
    finished_at: datetime | None  # None: still running, or cut off nobody knows when
    outcome: Outcome | None  # None: running, or cut off and not closed yet
    dry_run: bool
    counts: Counts
    error: str | None  # None: nothing went wrong as a whole
    pid: int  # the process that ran it


class Ledger:
    """The record of all runs; made by `open_ledger`, used by the thread that opened it.

    Every call that writes is durable when it returns. All of them raise
    `RunError` when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connection = database.connection

    def begin(self, *, job: str, type: JobType, started_at: datetime, dry_run: bool) -> int:
        """Record that a run begins; return its id, which is never used again."""
        with self.database.translated():
            cursor = self._connection.execute(
                "INSERT INTO runs (job, type, started_at, dry_run, pid) VALUES (?, ?, ?, ?, ?)",
                (job, type.value, _written(started_at), dry_run, os.getpid()),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def reserve_id(self) -> int:
        """Give a run id that no run of the ledger has or will have: for what is recorded elsewhere."""
        with self.database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (job, type, started_at, dry_run, pid) VALUES ('', 'check', '', 1, 0)"
            )
            connection.execute("DELETE FROM runs WHERE run_id = ?", (cursor.lastrowid,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def note(self, result: RunResult) -> None:
        """Record what a run did that still goes on; if it is cut off, that stays."""
        self._update({name: getattr(result.counts, name) for name in _COUNTS}, result.run_id)

    def finish(self, result: RunResult) -> None:
        """Record how a run ended."""
        counts = {name: getattr(result.counts, name) for name in _COUNTS}
        how = {
            "finished_at": _written(result.finished_at),
            "outcome": result.outcome.value,
            "error": _storable(result.error),
        }
        self._update(how | counts, result.run_id)

    def _update(self, values: dict[str, object], run_id: int) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        with self.database.translated():
            cursor = self._connection.execute(
                f"UPDATE runs SET {columns} WHERE run_id = ?", (*values.values(), run_id)
            )
        if cursor.rowcount != 1:
            raise RunError(f"ledger '{escaped(self.database.path)}': run {run_id} was never begun")

    def close_crashed(self, job: str) -> list[int]:
        """Close the job's unfinished runs as crashed; return their ids.

        Call it only under the job's lock: that no other run of the job goes on
        is what makes an unfinished row a run cut off.
        """
        with self.database.translated():
            rows = self._connection.execute(
                "UPDATE runs SET outcome = ?, "
                "error = 'cut off: process ' || pid || ' ended before the run did' "
                "WHERE job = ? AND outcome IS NULL RETURNING run_id",
                (Outcome.CRASHED.value, job),
            ).fetchall()
        return sorted(run_id for (run_id,) in rows)

    def last_run(self, job: str, *, outcomes: frozenset[Outcome] | None = None) -> RecordedRun | None:
        """Find the job's newest run that was no dry run.

        With `outcomes`, the newest that ended so; without, one that still goes on or was cut off
        comes first: runs that were skipped meanwhile are newer.
        """
        if outcomes is None and (unfinished := self._unfinished(job)) is not None:
            return unfinished
        wanted = [outcome.value for outcome in outcomes or ()]
        condition = "" if outcomes is None else f"AND outcome IN ({', '.join('?' * len(wanted))})"
        rows = self._select(
            f"WHERE job = ? AND dry_run = 0 {condition} ORDER BY run_id DESC LIMIT 1", (job, *wanted)
        )
        return rows[0] if rows else None

    def _unfinished(self, job: str) -> RecordedRun | None:
        rows = self._select(
            "WHERE job = ? AND dry_run = 0 AND outcome IS NULL ORDER BY run_id DESC LIMIT 1", (job,)
        )
        return rows[0] if rows else None

    def first_run(self, job: str) -> RecordedRun | None:
        """Find the job's oldest run that was no dry run."""
        rows = self._select("WHERE job = ? AND dry_run = 0 ORDER BY run_id LIMIT 1", (job,))
        return rows[0] if rows else None

    def runs(self, job: str | None = None, *, limit: int = 20) -> list[RecordedRun]:
        """List the newest runs, of one job or of all; newest first."""
        if job is None:
            return self._select("ORDER BY run_id DESC LIMIT ?", (limit,))
        return self._select("WHERE job = ? ORDER BY run_id DESC LIMIT ?", (job, limit))

    def runs_ended(
        self, job: str, *, since: datetime, outcomes: frozenset[Outcome], limit: int
    ) -> list[RecordedRun]:
        """List the newest runs of a job since a moment that ended in one of these ways, newest first."""
        wanted = [outcome.value for outcome in outcomes]
        return self._select(
            "WHERE job = ? AND dry_run = 0 AND started_at >= ? "
            f"AND outcome IN ({', '.join('?' * len(wanted))}) ORDER BY run_id DESC LIMIT ?",
            (job, _written(since), *wanted, limit),
        )

    def tally(self, job: str, *, since: datetime) -> RunsTally:
        """Count the runs of a job that began at or after a moment and have ended, and what they did."""
        from dirsync.model.tallies import RunsTally

        sums = ", ".join(f"sum({name})" for name in _COUNTS)
        with self.database.translated():
            rows = self._connection.execute(
                f"SELECT outcome, count(*), {sums} FROM runs WHERE job = ? AND dry_run = 0 "
                "AND started_at >= ? AND outcome IS NOT NULL GROUP BY outcome",
                (job, _written(since)),
            ).fetchall()
            figures = [sum(column) for column in zip(*(row[2:] for row in rows), strict=True)]
            return RunsTally(
                outcomes={Outcome(outcome): count for outcome, count, *_ in rows},
                counts=Counts(**dict(zip(_COUNTS, figures, strict=False))),
            )

    def recall(self, job: str, key: str) -> str | None:
        """Give back what `remember` was told, or None if it never was."""
        with self.database.translated():
            row = self._connection.execute(
                "SELECT value FROM facts WHERE job = ? AND key = ?", (job, key)
            ).fetchone()
        return None if row is None else str(row[0])

    def recalled(self, key: str) -> dict[str, str]:
        """Give what `remember` was told under a key, by the job."""
        with self.database.translated():
            rows = self._connection.execute("SELECT job, value FROM facts WHERE key = ?", (key,)).fetchall()
        return {str(job): str(value) for job, value in rows}

    def remember(self, job: str, key: str, value: str) -> None:
        """Keep one small fact about a job from run to run."""
        with self.database.translated():
            self._connection.execute(
                "INSERT INTO facts (job, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (job, key) DO UPDATE SET value = excluded.value",
                (job, key, value),
            )

    def forget(self, job: str, key: str) -> None:
        """Drop what `remember` was told."""
        with self.database.translated():
            self._connection.execute("DELETE FROM facts WHERE job = ? AND key = ?", (job, key))

    def _select(self, clause: str, parameters: tuple[object, ...]) -> list[RecordedRun]:
        with self.database.translated():
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM runs {clause}", parameters).fetchall()
            return [_recorded(row) for row in rows]


@contextlib.contextmanager
def open_ledger(state: str) -> Iterator[Ledger]:
    """Open the ledger of a state directory, made on the first use.

    Each thread and each process opens its own; they may all be open at once.

    Raises:
        RunError: the database is corrupt, not writable, or of a later version.
    """
    with open_database(state) as database:
        yield Ledger(database)


def outcome_by_now(run: RecordedRun) -> Outcome | None:
    """Say how a run ended, also one that was cut off and is not closed yet; None: it goes on."""
    if run.outcome is not None or _is_alive(run.pid):
        return run.outcome
    return Outcome.CRASHED


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _recorded(row: tuple[object, ...]) -> RecordedRun:
    run_id, job, type_, started_at, finished_at, outcome, dry_run, error, pid, *counts = row
    return RecordedRun(
        run_id=int(str(run_id)),
        job=str(job),
        type=JobType(type_),
        started_at=datetime.fromisoformat(str(started_at)),
        finished_at=None if finished_at is None else datetime.fromisoformat(str(finished_at)),
        outcome=None if outcome is None else Outcome(outcome),
        dry_run=bool(dry_run),
        counts=Counts(**{name: int(str(count)) for name, count in zip(_COUNTS, counts, strict=True)}),
        error=None if error is None else str(error),
        pid=int(str(pid)),
    )


def _written(moment: datetime) -> str:
    """Write a moment so that its text sorts as it does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _storable(text: str | None) -> str | None:
    """Escape what SQLite cannot hold as text: bytes of names that are not UTF-8."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")

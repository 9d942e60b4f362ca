"""The index of versions: what each path was before each run, in the state database.

The rows of a run are written before its first deed, so nothing is displaced without
being found again; they are settled after its last, when those go whose deed was not
done. A run that was cut off is settled by the next.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.model.entry import Entry
from dirsync.model.place import VERSIONS
from dirsync.model.version import Before, BeforeKind, Version
from dirsync.runner.database import Database


class VersionRun(NamedTuple):
    """One run that kept what it displaced."""

    run_id: int
    started_at: str  # ISO 8601, UTC; sorts as it is
    area: bytes  # the path at the destination below which things are kept


class VersionIndex:
    """The versions of one job. All calls raise `RunError` where the database cannot be used."""

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        self._job = job

    # Writing, in the order of a run's life

    def begin(self, run_id: int, *, started_at: datetime.datetime, records: Iterable[Before]) -> bytes:
        """Record durably what a run is about to change; give the area where it keeps things."""
        at = started_at.astimezone(datetime.UTC)
        area = VERSIONS + b"/" + f"{at:%Y%m%dT%H%M%SZ}-{run_id}".encode()
        rows = (
            (self._job, run_id, record.path, record.kind.value, _entry_text(record.entry))
            for record in records
        )
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO version_runs VALUES (?, ?, ?, ?, 0)",
                (self._job, run_id, at.isoformat(timespec="microseconds"), area),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO before_runs (job, run_id, path, kind, entry) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
        return area

    def settle(self, run_id: int, *, undone: Iterable[Before] = ()) -> None:
        """Close the record of a run; `undone` are those of its records whose deed was not done."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM before_runs WHERE job = ? AND run_id = ? AND path = ? AND kind = ?",
                ((self._job, run_id, record.path, record.kind.value) for record in undone),
            )
            connection.execute(
                "UPDATE version_runs SET settled = 1 WHERE job = ? AND run_id = ?", (self._job, run_id)
            )

    def forget(self, run_id: int) -> None:
        """Drop a run and all its records."""
        with self._database.transaction() as connection:
            for table in ("before_runs", "version_runs"):
                connection.execute(f"DELETE FROM {table} WHERE job = ? AND run_id = ?", (self._job, run_id))

    def drop_object(self, run_id: int, path: bytes) -> None:
        """Note that a version is no longer kept."""
        with self._database.translated():
            self._database.connection.execute(
                "UPDATE before_runs SET kept = 0 WHERE job = ? AND run_id = ? AND path = ? AND kind = ?",
                (self._job, run_id, path, BeforeKind.OBJECT.value),
            )

    # Reading

    def runs(self, *, since: str = "", settled: bool | None = None) -> list[VersionRun]:
        """List runs that began at or after a moment (ISO 8601, UTC), newest first."""
        condition = "" if settled is None else f" AND settled = {int(settled)}"
        with self._database.translated():
            rows = self._database.connection.execute(
                "SELECT run_id, started_at, area FROM version_runs "
                f"WHERE job = ? AND started_at >= ?{condition} ORDER BY run_id DESC",
                (self._job, since),
            ).fetchall()
        return [VersionRun(run_id, started_at, bytes(area)) for run_id, started_at, area in rows]

    def records(self, run_id: int, kind: BeforeKind) -> Iterator[Before]:
        """Give a run's records of one kind, in the order of their paths."""
        with self._database.translated():
            for path, entry in self._database.connection.execute(
                "SELECT path, entry FROM before_runs "
                "WHERE job = ? AND run_id = ? AND kind = ? AND kept = 1 ORDER BY path",
                (self._job, run_id, kind.value),
            ):
                yield Before(bytes(path), kind, _entry_of(entry))

    def dropped(self, run_id: int) -> list[bytes]:
        """List the paths whose object of before a run is no longer kept."""
        with self._database.translated():
            rows = self._database.connection.execute(
                "SELECT path FROM before_runs WHERE job = ? AND run_id = ? AND kept = 0 ORDER BY path",
                (self._job, run_id),
            ).fetchall()
        return [bytes(path) for (path,) in rows]

    def versions(self, path: bytes | None = None) -> Iterator[Version]:
        """Give the objects kept at or beneath a path, or that hold it; newest first. None: all."""
        where, parameters = _at_beneath_or_above(path)
        with self._database.translated():
            for run_id, started_at, where_, entry in self._database.connection.execute(
                "SELECT run_id, started_at, path, entry "
                "FROM before_runs JOIN version_runs USING (job, run_id) "
                f"WHERE job = ? AND kind = 'object' AND kept = 1 {where} ORDER BY run_id DESC, path",
                (self._job, *parameters),
            ):
                seen = _entry_of(entry)
                assert seen is not None
                yield Version(run_id, started_at, bytes(where_), seen)

    def beyond_count(self, count: int) -> list[tuple[VersionRun, bytes]]:
        """List the versions of each path but for the newest `count`."""
        with self._database.translated():
            rows = self._database.connection.execute(
                "SELECT run_id, started_at, area, path FROM ("
                "  SELECT *, row_number() OVER (PARTITION BY path ORDER BY run_id DESC) AS place"
                "  FROM before_runs WHERE job = ? AND kind = 'object' AND kept = 1"
                ") JOIN version_runs USING (job, run_id) WHERE place > ?",
                (self._job, count),
            ).fetchall()
        return [(VersionRun(run_id, at, bytes(area)), bytes(path)) for run_id, at, area, path in rows]


def _at_beneath_or_above(path: bytes | None) -> tuple[str, tuple[bytes, ...]]:
    if not path:
        return "", ()
    above = [path[:position] for position, byte in enumerate(path) if byte == 0x2F]
    places = ", ".join("?" * (1 + len(above)))
    return f"AND (path IN ({places}) OR path > ? AND path < ?)", (path, *above, path + b"/", path + b"0")


def _entry_text(entry: Entry | None) -> str | None:
    """Write an entry as JSON: its numbers may pass the 64 bits that SQLite has (times after 2262)."""
    if entry is None:
        return None
    return json.dumps([entry.path.hex(), *entry[1:-1], None if entry.target is None else entry.target.hex()])


def _entry_of(text: str | None) -> Entry | None:
    if text is None:
        return None
    where, *numbers, target = json.loads(text)
    return Entry._make([bytes.fromhex(where), *numbers, None if target is None else bytes.fromhex(target)])

"""What changed in a job, in figures: counted in the database, for there may be millions of rows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

from dirsync.catalog.catalog import COUNTS, Catalog
from dirsync.catalog.rows import blob, number, written
from dirsync.catalog.store import Value
from dirsync.errors import RunError
from dirsync.model.change import ChangeKind
from dirsync.model.job import Severity
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Counts
from dirsync.model.tallies import Glimpse, SpanTally, SubtreeTally

_GLIMPSE = "change_id, run_id, path, kind, coalesce(new_mode, old_mode, 0), coalesce(new_size, old_size, 0)"
_COUNTED = "path, kind, old_mode, old_size, new_mode, new_size"
_OPEN = "accepted_by IS NULL AND severity IS NOT NULL"
_CHANGES_OF_A_RUN = "created + modified + metadata + moved + deleted"
_GLIMPSE_TYPES = (int, int, bytes, str, int, int)
_TYPE_BITS, _FILE, _DIRECTORY = 0o170000, 0o100000, 0o040000
_KINDS = {kind.value: kind for kind in ChangeKind}
_AT_ONCE = 400  # values in one statement


class Overview:
    """Counts what one job has in a catalog; for the thread that opened it."""

    def __init__(self, catalog: Catalog, job_id: int) -> None:
        self._store = catalog.store
        self._catalog = catalog
        self._job_id = job_id

    # What is open

    def open_counts(self) -> dict[Severity, int]:
        """Count the changes that nobody has accepted; a severity that none has is left out."""
        statement = f"SELECT severity, count(*) FROM changes WHERE job_id = ? AND {_OPEN} GROUP BY severity"
        rows = self._store.rows(statement, (self._job_id,))
        return {Severity(severity): number(count) for severity, count in rows}

    def open_glimpses(self, severity: Severity, *, limit: int) -> list[Glimpse]:
        """Give the newest changes of a severity that nobody has accepted, newest first."""
        statement = (
            f"SELECT change_id FROM changes WHERE job_id = ? AND severity = ? AND {_OPEN} "
            f"ORDER BY change_id DESC LIMIT {limit:d}"
        )
        ids = [number(id_) for (id_,) in self._store.rows(statement, (self._job_id, severity.value))]
        return [each for part in _parts(ids) for each in self._glimpses_with(part)]

    def open_rot(self, *, limit: int) -> tuple[int, list[RecordedChange]]:
        """Count the rot that nobody has accepted; give the newest of it."""
        where = f"job_id = ? AND rotted = 1 AND {_OPEN}"
        statement = f"SELECT change_id FROM changes WHERE {where} ORDER BY change_id DESC"
        ids = [number(id_) for (id_,) in self._store.rows(statement, (self._job_id,))]
        found = self.changes_with(ids[:limit])
        return len(ids), [found[change_id] for change_id in ids[:limit]]

    # What changed since

    def first_change_since(self, since: datetime.datetime) -> int | None:
        """Find the first change of the runs since a moment; None: there was no run."""
        statement = "SELECT min(first_change) FROM runs WHERE job_id = ? AND started_at >= ?"
        ((first,),) = self._store.rows(statement, (self._job_id, written(since)))
        return None if first is None else number(first)

    def counts_since(self, since: datetime.datetime) -> Counts:
        """Count the changes of the runs since a moment, as these told them; a first run has none."""
        kinds = [kind.value for kind in ChangeKind]
        sums = ", ".join(f"CAST(coalesce(sum({kind}), 0) AS BIGINT)" for kind in kinds)
        statement = f"SELECT {sums} FROM runs WHERE job_id = ? AND started_at >= ? AND is_baseline = 0"
        (row,) = self._store.rows(statement, (self._job_id, written(since)))
        return Counts(**dict(zip(kinds, map(number, row), strict=True)))

    def subtrees(self, *, first: int, depth: int) -> list[SubtreeTally]:
        """Count the changes from an id on by the directory they are in, cut at a depth (0: all is one).

        In no certain order.
        """
        inner = (
            f"SELECT {_COUNTED}, 0 AS cut_at FROM changes WHERE job_id = ? AND change_id >= ? AND {COUNTS}"
        )
        slash = self._store.first_slash("substr(path, cut_at + 1)")  # 0 where no other follows: it stays
        for level in range(depth):
            inner = f"SELECT {_COUNTED}, cut_at + {slash} AS cut_at FROM ({inner}) AS level_{level:d}"
        grown = f"sum({_bytes_of('new')} - {_bytes_of('old')})"
        statement = (
            f"SELECT substr(path, 1, cut_at), kind, count(*), CAST({grown} AS BIGINT) "
            f"FROM ({inner}) AS cut GROUP BY 1, 2 ORDER BY 1"
        )
        return list(_by_path(self._store.rows(statement, (self._job_id, first))))

    def glimpses(self, kind: ChangeKind, *, first: int, limit: int) -> Iterator[Glimpse]:
        """Give the newest changes of a kind from an id on, newest first."""
        rest = f"change_id >= ? AND kind = ? ORDER BY change_id DESC LIMIT {limit:d}"
        return self._glimpses(rest, [first, kind.value])

    def largest(self, *, first: int, limit: int) -> list[RecordedChange]:
        """Give the changes from an id on to the content of the largest files, largest first."""
        kinds = (ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.DELETED)
        size = f"CASE WHEN new_mode IS NULL THEN {_bytes_of('old')} ELSE {_bytes_of('new')} END"
        statement = (
            f"SELECT change_id, {size} AS size FROM changes WHERE job_id = ? AND change_id >= ? "
            f"AND kind IN ({', '.join('?' * len(kinds))}) ORDER BY 2 DESC, 1 LIMIT {limit:d}"
        )
        values = (self._job_id, first, *(kind.value for kind in kinds))
        ids = [number(change_id) for change_id, size in self._store.rows(statement, values) if size]
        found = self.changes_with(ids)
        return [found[change_id] for change_id in ids]

    def spans(self, begins: Sequence[datetime.datetime]) -> list[SpanTally]:
        """Count what the runs recorded in each span of time; a span ends where the next begins.

        The first run of a job adds to what there is, and to no figure of what changed.
        """
        whens = " ".join(f"WHEN started_at < ? THEN {position:d}" for position in range(len(begins) - 1))
        span = f"CASE {whens} ELSE {len(begins) - 1:d} END" if whens else "0"
        sums = ", ".join(
            f"CAST(sum(CASE WHEN is_baseline = 0 THEN {what} ELSE 0 END) AS BIGINT)"
            for what in (_CHANGES_OF_A_RUN, "bytes_added", "bytes_modified", "bytes_deleted")
        )
        statement = (
            f"SELECT span, count(*), {sums}, max(run_id) FROM (SELECT *, {span} AS span FROM runs "
            "WHERE job_id = ? AND started_at >= ?) AS spans GROUP BY span"
        )
        values: list[Value] = [*map(written, begins[1:]), self._job_id, written(begins[0])]
        found = {
            number(row[0]): [number(value) for value in row[1:]]
            for row in self._store.rows(statement, values)
        }
        sizes = self._sizes([figures[-1] for figures in found.values()])
        return [_span(begins_at, found.get(position), sizes) for position, begins_at in enumerate(begins)]

    def before(self, moment: datetime.datetime) -> tuple[int, int] | None:
        """Give the entries and the bytes in the catalog before a moment; None: no run was before it."""
        statement = "SELECT max(run_id) FROM runs WHERE job_id = ? AND started_at < ?"
        ((run_id,),) = self._store.rows(statement, (self._job_id, written(moment)))
        return None if run_id is None else self._sizes([number(run_id)])[number(run_id)]

    def changes_with(self, change_ids: Iterable[int]) -> dict[int, RecordedChange]:
        """Find changes by their ids."""
        return {
            change.change_id: change
            for part in _parts(sorted(set(change_ids)))
            for change in self._catalog.changes_with(self._job_id, part)
        }

    def _sizes(self, run_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        if not run_ids:
            return {}
        statement = (
            "SELECT run_id, entries, bytes_total FROM runs WHERE job_id = ? "
            f"AND run_id IN ({', '.join('?' * len(run_ids))})"
        )
        rows = self._store.rows(statement, (self._job_id, *run_ids))
        return {number(run_id): (number(entries), number(total)) for run_id, entries, total in rows}

    def _glimpses_with(self, change_ids: Sequence[int]) -> Iterator[Glimpse]:
        places = ", ".join("?" * len(change_ids))
        return self._glimpses(f"change_id IN ({places}) ORDER BY change_id DESC", change_ids)

    def _glimpses(self, rest: str, values: Sequence[Value]) -> Iterator[Glimpse]:
        statement = f"SELECT {_GLIMPSE} FROM changes WHERE job_id = ? AND {rest}"
        for row in self._store.rows(statement, (self._job_id, *values)):
            if tuple(map(type, row)) != _GLIMPSE_TYPES:
                raise RunError(f"{self._catalog.shown} holds a row that this program did not write")
            yield _glimpse(*row)  # type: ignore[arg-type]  # just looked at


def _glimpse(change_id: int, run_id: int, path: bytes, kind: str, mode: int, size: int) -> Glimpse:
    type_ = mode & _TYPE_BITS
    is_directory = type_ == _DIRECTORY
    return Glimpse(change_id, run_id, path, _KINDS[kind], is_directory, size if type_ == _FILE else 0)


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut ids into as many as one statement takes."""
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _bytes_of(side: str) -> str:
    """Give an expression: the bytes of a file on one side of a change, 0 of anything else."""
    return f"CASE WHEN ({side}_mode & {_TYPE_BITS}) = {_FILE} THEN coalesce({side}_size, 0) ELSE 0 END"


def _by_path(rows: Iterable[Sequence[Value]]) -> Iterator[SubtreeTally]:
    """Put the rows of one path, one a kind, together."""
    path: bytes | None = None
    counts, grown = Counts(), 0
    for cut, kind, count, grown_by in rows:
        if path is not None and blob(cut) != path:
            yield SubtreeTally(path=path.rstrip(b"/"), counts=counts, bytes_grown=grown)
            counts, grown = Counts(), 0
        path = blob(cut)
        setattr(counts, ChangeKind(kind).value, number(count))
        grown += number(grown_by)
    if path is not None:
        yield SubtreeTally(path=path.rstrip(b"/"), counts=counts, bytes_grown=grown)


def _span(
    begins_at: datetime.datetime, figures: list[int] | None, sizes: dict[int, tuple[int, int]]
) -> SpanTally:
    if figures is None:
        return SpanTally(begins_at=begins_at)
    runs, changes, added, modified, deleted, last_run = figures
    entries, bytes_total = sizes[last_run]
    return SpanTally(
        begins_at=begins_at,
        runs=runs,
        changes=changes,
        bytes_added=added,
        bytes_modified=modified,
        bytes_deleted=deleted,
        entries=entries,
        bytes_total=bytes_total,
    )

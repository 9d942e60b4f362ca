"""What happened to a path: its changes and those beneath it, newest first.

A path that was moved, or lies in a directory that was, is followed: what happened
before the move is told of the path it had then. Of a path that a directory above it took
along when it was moved away, that move is told.
"""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Collection, Iterator
from typing import NamedTuple

from dirsync.catalog.moves import path_after, path_before
from dirsync.catalog.overview import Overview
from dirsync.catalog.retention import checkpoint
from dirsync.model.change import ChangeKind
from dirsync.model.recorded import Checkpoint, Recorded, RecordedChange, RecordedRun
from dirsync.runner.recorded_jobs import Record
from dirsync.trees.handles import ancestors, split

_NEWEST = (1 << 63) - 1


class Event(NamedTuple):
    """One change, and the run that recorded it."""

    change: RecordedChange
    run: RecordedRun | None  # None: it is not in the catalog any more


class Trace:
    """The past of one path in one job's catalog."""

    def __init__(
        self,
        record: Record,
        path: bytes,
        *,
        since: datetime.datetime | None = None,
        kinds: Collection[ChangeKind] = (),
    ) -> None:
        """`since`: only what runs recorded that began then or later; no `kinds`: all."""
        self._catalog, self._known = record
        self._path = path
        self._since = since
        self._kinds = kinds
        self._runs: dict[int, RecordedRun | None] = {}

    def events(self) -> Iterator[Event]:
        """Give the changes, newest first; within one run, in no certain order."""
        first = self._first()
        if first is None:
            return
        path, last = self._path, _NEWEST
        while last >= first:
            move = self._moved_here(path, last=last)
            oldest = first if move is None else max(first, self._begin_of(move))
            yield from self._changes(path, first=oldest, last=last)
            if move is None or move.change_id < oldest:
                return
            if move.path != path and (not self._kinds or move.kind in self._kinds):
                yield self._event(move)
            path, last = path_before(move, path), oldest - 1

    def entry(self) -> Recorded | None:
        """Give what the catalog holds at the path now; None: nothing is there."""
        return self._entry(self._path)

    def _entry(self, path: bytes) -> Recorded | None:
        parent, name = split(path)
        row = self._catalog.entry_in(self._known.job_id, parent, name)
        return None if row is None or row.is_passage else row

    def baseline(self) -> RecordedRun | None:
        """Find the first run of the job, if the path is from before it; None: it came later.

        None as well where that run is not in the catalog any more.
        """
        first = self._catalog.first_run(self._known.job_id)
        if first is None or not first.is_baseline:
            return None
        path, last = self._path, _NEWEST
        while (move := self._moved_here(path, last=last)) is not None:
            path, last = path_before(move, path), self._begin_of(move) - 1
        is_from_later = self._catalog.was_created(self._known.job_id, path, first=1, last=last)
        return None if is_from_later else first

    def pruned(self) -> Checkpoint | None:
        """Find where the history begins, if what was before was pruned."""
        return checkpoint(self._catalog, self._known)

    def _first(self) -> int | None:
        if self._since is None:
            return 1
        return Overview(self._catalog, self._known.job_id).first_change_since(self._since)

    def _moved_here(self, path: bytes, *, last: int) -> RecordedChange | None:
        """Find the newest move that brought what is at a path to where it is; None: it was made there."""
        if not path or last < 1:
            return None
        move = self._catalog.last_move(self._known.job_id, [path, *ancestors(path)], last=last)
        if move is None or self._catalog.was_created(
            self._known.job_id, path, first=self._begin_of(move), last=last
        ):
            return None
        return move

    def _begin_of(self, move: RecordedChange) -> int:
        """Give the first change of the run that saw a move: what it tells has the new paths."""
        run = self._run(move.run_id)
        return move.change_id if run is None else run.first_change

    def _end_of(self, move: RecordedChange) -> int:
        run = self._run(move.run_id)
        return move.change_id if run is None else run.last_change

    def _changes(self, path: bytes, *, first: int, last: int) -> Iterator[Event]:
        kinds = [kind.value for kind in self._kinds]
        changes = self._catalog.changes(
            self._known.job_id, beneath=path, first=first, last=last, kinds=kinds, newest_first=True
        )
        is_asked_for = not self._kinds or ChangeKind.MOVED in self._kinds
        away = self._taken_along(path, first=first, last=last) if is_asked_for else iter(())
        for change in heapq.merge(changes, away, key=_id, reverse=True):
            yield self._event(change)

    def _taken_along(self, path: bytes, *, first: int, last: int) -> Iterator[RecordedChange]:
        """Give the moves of directories above a path that took what was at it away, newest first."""
        above = list(ancestors(path))
        if not above or last < first:
            return
        for move in self._catalog.moves_off(self._known.job_id, above, first=first, last=last):
            if self._came_along(path_after(move, path), move):
                yield move

    def _came_along(self, path: bytes, move: RecordedChange) -> bool:
        """Whether something was at a path when a move had brought the directory above it there."""
        change = self._catalog.first_change_at(self._known.job_id, path, first=self._begin_of(move))
        until = _NEWEST if change is None else self._begin_of(change) - 1
        if any(self._moved_on(path, first=self._end_of(move) + 1, last=until)):
            return True
        if change is not None:
            return change.kind not in (ChangeKind.CREATED, ChangeKind.MOVED)
        return self._entry(path) is not None

    def _moved_on(self, path: bytes, *, first: int, last: int) -> Iterator[RecordedChange]:
        """Give the moves that took what was at a path away, by itself or with a directory above it."""
        yield from self._catalog.moves_off(self._known.job_id, [path], first=first, last=last)
        yield from self._taken_along(path, first=first, last=last)

    def _event(self, change: RecordedChange) -> Event:
        return Event(change, self._run(change.run_id))

    def _run(self, run_id: int) -> RecordedRun | None:
        if run_id not in self._runs:
            self._runs[run_id] = self._catalog.run(self._known.job_id, run_id)
        return self._runs[run_id]


def _id(change: RecordedChange) -> int:
    return change.change_id

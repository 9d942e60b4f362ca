"""One run's versions: recorded before the first deed, settled after the last, expired in time."""

from __future__ import annotations

import datetime
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator

from dirsync.errors import RunError
from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import DeletePolicy, MirrorJob
from dirsync.model.names import shown
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import VERSIONS
from dirsync.model.version import Before, BeforeKind
from dirsync.plan.plan import Plan
from dirsync.runner.ledger import Ledger
from dirsync.runner.versions import VersionIndex, VersionRun
from dirsync.trees.handles import join, split
from dirsync.trees.local import LocalTree, open_tree
from dirsync.trees.removal import remove_whole

logger = logging.getLogger(__name__)

_AREA_NAME = re.compile(rb"(\d{8}T\d{6}Z)-\d+")


NOTHING = (Before(b"", BeforeKind.ABSENT, None),)  # of a destination that a run makes


def records_of(plan: Plan) -> Iterator[Before]:
    """Give what each path is before a plan is carried out: one record for a directory that goes whole.

    A directory in it that something is moved out of has its own, for its mtime changes first.
    """
    emptied: set[bytes] = set()
    covered: set[bytes] = set()  # directories that come or go: what is beneath comes or goes with them
    for phase in Phase:
        for operation in plan.operations(phase):
            if operation.change.kind is ChangeKind.MOVED:
                record: Before | None = _record_of_move(operation.change, plan)
                emptied.add(split(operation.change.old.path)[0] if operation.change.old else b"")
            elif _is_covered(operation, covered) and operation.change.path not in emptied:
                record = None
            else:
                record = _record(operation)
            if _comes_or_goes_whole(operation):
                covered.add(operation.change.path)
            if record is not None:
                yield record


def _is_covered(operation: Operation, covered: set[bytes]) -> bool:
    return operation.phase is not Phase.FINISH_DIRECTORIES and split(operation.change.path)[0] in covered


def _comes_or_goes_whole(operation: Operation) -> bool:
    change = operation.change
    if operation.phase is Phase.FINISH_DIRECTORIES:
        return False
    if change.old is None:
        return change.entry.is_directory
    return change.displaces and (change.old.is_directory or change.entry.is_directory)


def _record_of_move(change: Change, plan: Plan) -> Before:
    """Tell where something is before the run, also if a directory above it moves first."""
    assert change.old is not None
    old = change.old._replace(path=plan.moved_from[change.path])
    return Before(change.path, BeforeKind.MOVED, old)


def _record(operation: Operation) -> Before | None:
    change = operation.change
    if operation.phase is Phase.SWEEP:
        return None
    if change.old is None:
        if operation.phase is Phase.FINISH_DIRECTORIES and change.path:
            return None  # of a directory that was made
        return Before(change.path, BeforeKind.ABSENT, None)
    kind = BeforeKind.OBJECT if change.displaces else BeforeKind.METADATA
    return Before(change.path, kind, change.old)


class Displacing:
    """The versions of one job's runs; every call is made under the job's lock."""

    def __init__(self, job: MirrorJob, index: VersionIndex) -> None:
        """Work for a job whose destination is there and pinned."""
        self._job = job
        self._index = index

    def settle_cut_off(self) -> None:
        """Settle the runs before this one that were cut off.

        Raises:
            RunError: the database cannot be used, or the destination not be looked at.
        """
        for run in self._index.runs(settled=False):
            self.settle(run)

    def settle(self, run: VersionRun) -> None:
        """Drop the records of deeds that were not done.

        What lies in a slot and is not the recorded object stays until its area expires: it
        is a new object that was not exchanged yet, or what somebody put there meanwhile.
        """
        with open_tree(self._job.destination) as tree:
            self._index.settle(run.run_id, undone=list(self._undone(run, tree)))

    def _undone(self, run: VersionRun, tree: LocalTree) -> Iterator[Before]:
        for record in self._index.records(run.run_id, BeforeKind.OBJECT):
            if not _is_there(tree, join(run.area, record.path), record):
                yield record
        for record in self._index.records(run.run_id, BeforeKind.MOVED):
            if not _is_there(tree, record.path, record):
                yield record

    def expire(self, *, now: datetime.datetime) -> None:
        """Give up the versions whose time is over, and those beyond the count.

        A record goes before what it tells of, so none ever claims what is not there.
        """
        versions = self._job.versions
        with open_tree(self._job.destination) as tree:
            if versions.keep_seconds is not None:
                oldest = now - datetime.timedelta(seconds=versions.keep_seconds)
                self._expire_runs(tree, oldest)
                self._remove_unknown_areas(tree, oldest)
            self._expire_beyond_count(tree)

    def expire_beyond_count(self) -> None:
        """Give up the versions beyond the count: of a run that is done, when its result is durable."""
        with open_tree(self._job.destination) as tree:
            self._expire_beyond_count(tree)

    def _expire_beyond_count(self, tree: LocalTree) -> None:
        count = self._job.versions.count
        if count is None:
            return
        for run, path in self._index.beyond_count(count):
            self._index.drop_object(run.run_id, path)
            _removed(tree, join(run.area, path))

    def _expire_runs(self, tree: LocalTree, oldest: datetime.datetime) -> None:
        limit = oldest.astimezone(datetime.UTC).isoformat(timespec="microseconds")
        for run in self._index.runs():
            if run.started_at < limit:
                self._index.forget(run.run_id)
                _removed(tree, run.area)

    def _remove_unknown_areas(self, tree: LocalTree, oldest: datetime.datetime) -> None:
        """Remove areas that no record tells of any more: of a state directory that was lost, say."""
        known = {run.area for run in self._index.runs()}
        for name in _area_names(tree):
            found = _AREA_NAME.fullmatch(name)
            if found is None or join(VERSIONS, name) in known:
                continue
            began = datetime.datetime.strptime(found[1].decode(), "%Y%m%dT%H%M%SZ")
            if began.replace(tzinfo=datetime.UTC) < oldest:
                _removed(tree, join(VERSIONS, name))


def open_versions(
    job: MirrorJob, ledger: Ledger, *, now: datetime.datetime, there: bool
) -> VersionIndex | None:
    """Give the index of versions, in order and without those whose time is over; None: none are kept.

    `there`: the job has a destination already.
    """
    if job.delete is not DeletePolicy.TRASH:
        return None
    versions = VersionIndex(ledger.database, job.name)
    if there:
        displacing = Displacing(job, versions)
        displacing.settle_cut_off()
        displacing.expire(now=now)
    return versions


def _area_names(tree: LocalTree) -> Iterable[bytes]:
    try:
        return [os.fsencode(name) for name in os.listdir(tree.handles.handle(VERSIONS))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"the versions at '{shown(VERSIONS)}' cannot be listed: {error.strerror}") from error


def _is_there(tree: LocalTree, path: bytes, record: Before) -> bool:
    """Whether the object that a record tells of is at a path: the same one, or its copy.

    Raises:
        RunError: nobody can tell.
    """
    assert record.entry is not None
    try:
        now = tree.entry(path)
    except (FileNotFoundError, NotADirectoryError):  # or something else stands where a directory would
        return False
    except OSError as error:
        raise RunError(f"the version '{shown(path)}' cannot be looked at: {error.strerror}") from error
    if now is None or stat.S_IFMT(now.mode) != stat.S_IFMT(record.entry.mode):
        return False
    copied = (now.size, now.mtime_ns, now.target) == (
        record.entry.size,
        record.entry.mtime_ns,
        record.entry.target,
    )
    return now.ino == record.entry.ino or (copied and not now.is_directory)


def _removed(tree: LocalTree, path: bytes) -> None:
    try:
        remove_whole(tree, path)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("version cannot be removed: '%s': %s", shown(path), error.strerror)

"""Bringing back what was: from the versions and the replica of a job, into its source or elsewhere.

The past is planned against what the target holds now, and the plan carried out as a
run's is: whole files, durable, nothing outside the target touched.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from dirsync.compare.rules import rules_for
from dirsync.errors import RunError
from dirsync.march.driver import available_processors
from dirsync.mirror.mirror import Mirror
from dirsync.mirror.settings import settings_for
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import Compare, Durability, MirrorJob
from dirsync.model.names import shown
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts
from dirsync.model.stop import Deadline
from dirsync.model.version import Version
from dirsync.plan.plan import Plan
from dirsync.runner.displacing import Displacing
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.past import Past, PastTree
from dirsync.runner.places import create_destination, look_at_destination, pinned
from dirsync.runner.versions import VersionIndex
from dirsync.trees.handles import ancestors, split
from dirsync.trees.local import OPEN_ROOT, LocalTree, capabilities_of, open_tree

_METADATA = (Compare.MODE, Compare.OWNERSHIP)


class Request(Struct, frozen=True, kw_only=True):
    """What is to be brought back."""

    path: bytes  # relative to the root; b"" is all
    at: datetime.datetime | None  # aware; None: as it last was
    to: bytes | None  # absolute; the directory that stands for the root; None: the job's source
    overwrite: bool  # files and links that are there now give way


class Restore:
    """One restore; it holds the job's lock, so no run changes what it reads."""

    def __init__(self, job: MirrorJob, request: Request, *, observer: Observer, deadline: Deadline) -> None:
        self._job = job
        self._request = request
        self._observer = observer
        self._deadline = deadline
        self._done = 0
        self._moved = 0
        self.counts = Counts()

    def run(self, *, state: str) -> None:
        """Bring it back; `counts` says what came of it.

        Raises:
            RunError: there is nothing to bring back, or no place to bring it to.
            Busy: a run of the job goes on.
            Cancelled: the deadline passed.
        """
        with locked_job(state, self._job.name), open_ledger(state) as ledger:
            index = VersionIndex(ledger.database, self._job.name)
            try:
                self._run(index, state=state)
            except OSError as error:
                raise RunError(
                    f"'{self._job.name}': the restore could not go on: {error.strerror}"
                ) from error

    def _run(self, index: VersionIndex, *, state: str) -> None:
        self._job = replace(self._job, destination=look_at_destination(self._job))
        Displacing(self._job, index).settle_cut_off()
        with open_tree(self._job.destination) as replica:
            past = Past(replica)
            self._go_back(past, index)
            target = self._target()
            plan = Plan(folder=state)
            try:
                with open_tree(target) as tree, self._past_tree(past) as was:
                    likeness = _Likeness(self._job, self._request, was=was, now=tree, target=target)
                    self._plan(past, tree, plan, likeness)
                for failure in plan.failures:
                    self.failed(failure)
                self._carry_out(plan, past, target)
            finally:
                plan.close()

    def _past_tree(self, past: Past) -> PastTree:
        return PastTree(os.open(self._job.destination.path, OPEN_ROOT), past)

    def _go_back(self, past: Past, index: VersionIndex) -> None:
        """Go back to the moment asked for, else until there is something at the path.

        Raises:
            RunError: nothing was there.
        """
        at, path = self._request.at, self._request.path
        if at is not None:
            self._check_kept(at)
            since = at.astimezone(datetime.UTC).isoformat(timespec="microseconds")
            for run in index.runs(since=since):
                past.undo(run, index)
        for run in index.runs() if at is None else ():
            if past.entry(path) is not None or past.lost:
                return
            past.undo(run, index)
        if past.entry(path) is None and not past.lost:  # what is lost is told as a failure
            when = "" if at is None else f" at {at.astimezone():%Y-%m-%d %H:%M:%S}"
            raise RunError(
                f"'{self._job.name}': nothing was at '{shown(path)}'{when}; "
                f"'dirsync versions {self._job.name}' lists what is kept"
            )

    def _check_kept(self, at: datetime.datetime) -> None:
        keep = self._job.versions.keep_seconds
        if keep is None:
            return
        oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=keep)
        if at < oldest:
            raise RunError(
                f"'{self._job.name}': versions are kept since {oldest.astimezone():%Y-%m-%d %H:%M:%S} "
                "(versions: {keep: …}); name a later time"
            )

    def _target(self) -> LocalPlace:
        """Give the directory to restore into, made if only it is missing."""
        place = self._named_target()
        if not os.path.lexists(place.path):
            create_destination(replace(self._job, destination=place))
        return pinned(place, os.stat(place.path))

    # Planning

    def _named_target(self) -> LocalPlace:
        if self._request.to:
            return LocalPlace(path=self._request.to)
        if isinstance(self._job.source, LocalPlace):
            return LocalPlace(path=self._job.source.path)
        raise RunError(
            f"'{self._job.name}': its source is on another machine, where nothing is restored; say --to DIR"
        )

    def _plan(self, past: Past, tree: LocalTree, plan: Plan, likeness: _Likeness) -> None:
        above = [past.entry(parent) for parent in reversed(list(ancestors(self._request.path)))]
        for entry in above:
            if entry is not None and _there(tree, entry.path) is None:
                _make_directory(plan, entry)
        for entry in past.walk(self._request.path):
            self._deadline.check()
            if not entry.path:
                self._decide_on_root(entry, tree, plan)
            elif entry.kind is not Kind.SPECIAL:
                self._decide(entry, _there(tree, entry.path), plan, likeness)
        reason = "its version of that time is no longer kept (versions: {count: …})"
        for path in dict.fromkeys(past.lost):
            plan.failures.append(Failure(path, reason))

    def _decide_on_root(self, entry: Entry, tree: LocalTree, plan: Plan) -> None:
        """Give the target the metadata of the root where it is empty, so made or meant for this."""
        if not os.listdir(tree.handles.root):
            _finish_directory(plan, entry)

    def _decide(self, entry: Entry, now: Entry | None, plan: Plan, likeness: _Likeness) -> None:
        if now is None and entry.is_directory:
            _make_directory(plan, entry)
        elif now is None:
            plan.add(Operation(Phase.COPY, Change(ChangeKind.CREATED, None, entry)))
        elif now.path != entry.path:
            reason = f"a {now.kind.value} is where its directory was: '{shown(now.path)}'; move that away"
            plan.failures.append(Failure(entry.path, reason))
        elif entry.is_directory and now.is_directory:
            pass  # what is missing in it is brought back
        elif entry.is_directory or now.is_directory:
            plan.failures.append(Failure(entry.path, f"a {now.kind.value} is in its way; move that away"))
        elif likeness.agree(entry, now, check=self._deadline.check):
            pass
        elif self._request.overwrite:
            change = Change(ChangeKind.MODIFIED, now, entry, frozenset({Aspect.HASH}))
            plan.add(Operation(Phase.COPY, change))
        else:
            reason = "another is there now; add --overwrite, or restore elsewhere with --to DIR"
            plan.failures.append(Failure(entry.path, reason))

    # Carrying out

    def _carry_out(self, plan: Plan, past: Past, target: LocalPlace) -> None:
        self._observer.stage(Stage.MIRROR)
        self._observer.planned(Totals(operations=len(plan), bytes_to_copy=plan.counts.bytes_copied))
        job = replace(self._job, durability=Durability.FULL)
        mirror = Mirror(
            lambda: self._past_tree(past),
            target,
            settings=settings_for(job, capabilities_of(target.path), version_area=None),
            workers=available_processors(),
            deadline=self._deadline,
            watcher=self,
        )
        mirror.carry_out(plan)

    def done(self, operation: Operation) -> None:
        """Count what was brought back."""
        if operation.counted:
            self.counts.count(operation.change)
            self._observer.changed(operation.change)
        self._done += 1
        self._observer.progressed(self._done, self._moved)

    def made_files(self, files: NewFiles) -> None:
        """Count files that were brought back, and had been planned together."""
        self.made(files.operations())

    def made(self, operations: Sequence[Operation]) -> None:
        """Count files and symlinks that were brought back to where there was nothing."""
        for operation in operations:
            self.done(operation)

    def failed(self, failure: Failure) -> None:
        """Count a path that was given up."""
        self.counts.failed += 1
        self._observer.failed(failure)

    def noticed(self, text: str) -> None:
        """Pass on what the target cannot keep."""
        self._observer.noticed(text)

    def moved(self, byte_count: int) -> None:
        """Pass progress on."""
        self._moved += byte_count
        self._observer.progressed(self._done, self._moved)


class _Likeness:
    """Whether what is there now is what was there then, in all that the job carries over.

    Content is read where the job compares it, where times say nothing, and of a file that is asked
    for by itself: only that tells a file that has rotted.
    """

    def __init__(
        self, job: MirrorJob, request: Request, *, was: PastTree, now: LocalTree, target: LocalPlace
    ) -> None:
        self._algorithm = job.comparison.algorithm
        self._request = request
        self._was = was
        self._now = now
        kept_then, kept_now = (capabilities_of(place.path) for place in (job.destination, target))
        carried = replace(job.comparison, by=job.comparison.by | {Compare.SIZE, Compare.MTIME, *_METADATA})
        rules = rules_for(replace(job, comparison=carried), source=kept_then, destination=kept_now)
        keeps_owners = kept_then.any_owner or not kept_now.any_owner
        self._rules = replace(rules, ownership=rules.ownership and keeps_owners)

    def agree(self, then: Entry, now: Entry, *, check: Callable[[], None]) -> bool:
        """Whether nothing of an object has to be brought back.

        Raises:
            Cancelled: `check` says so.
        """
        if self._rules.aspects(then, now):
            return False
        reads = self._rules.hash is not None or not self._rules.mtime or then.path == self._request.path
        if now.kind is not Kind.FILE or not reads:
            return True
        try:
            one, other = (
                tree.content(then.path, self._algorithm, check=check, lasting=False).hash
                for tree in (self._was, self._now)
            )
        except OSError:  # which is told when it is to be brought back
            return False
        return one == other


def _make_directory(plan: Plan, entry: Entry) -> None:
    plan.add(Operation(Phase.MAKE_DIRECTORIES, Change(ChangeKind.CREATED, None, entry)))
    _finish_directory(plan, entry)


def _finish_directory(plan: Plan, entry: Entry) -> None:
    finish = Change(ChangeKind.METADATA, None, entry)
    plan.add(Operation(Phase.FINISH_DIRECTORIES, finish, counted=False))


def _there(tree: LocalTree, path: bytes) -> Entry | None:
    """Look at what is at a path of the target now, or where a directory above it was.

    Where a directory above is missing, nothing is.
    """
    try:
        return tree.entry(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return _there(tree, split(path)[0])


def versions_of(job: MirrorJob, path: bytes | None, *, state: str) -> Iterator[Version]:
    """Give the versions kept at or beneath a path, newest first; None: all of a job."""
    with open_ledger(state) as ledger:
        yield from VersionIndex(ledger.database, job.name).versions(path)

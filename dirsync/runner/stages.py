"""The stages of one run, in their order; nothing else knows it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os

from dirsync.compare.rules import rules_for
from dirsync.errors import GuardTripped, RunError
from dirsync.march.driver import available_processors
from dirsync.mirror.mirror import Mirror
from dirsync.mirror.settings import settings_for
from dirsync.model.attributes import Namespace
from dirsync.model.capabilities import Capabilities
from dirsync.model.change import Failure
from dirsync.model.job import Durability, Job, JobType, OnError, Preserve
from dirsync.model.names import local_text, shown
from dirsync.model.operation import Operation
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts, Outcome
from dirsync.model.stop import Deadline
from dirsync.plan.guards import check_guards
from dirsync.plan.plan import Plan
from dirsync.runner.ledger import Ledger
from dirsync.runner.lock import locked_directory
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import Places, create_destination, look_at_places, pinned
from dirsync.runner.scanning import Scan, allocated_bytes
from dirsync.trees import fsops
from dirsync.trees.local import OPEN_ROOT, capabilities_of, open_tree
from dirsync.trees.mounts import file_system_identity

logger = logging.getLogger(__name__)

_MARKER_SIDES = "marker sides"
_SOURCE_IDENTITY = "source file system"
_MAX_COPY_WORKERS = 8


class Stages:
    """Takes one job through its stages; `counts` is filled as they go."""

    def __init__(
        self,
        job: Job,
        ledger: Ledger,
        *,
        state: str,
        observer: Observer,
        deadline: Deadline,
        dry_run: bool,
        counts: Counts,
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._state = state
        self._observer = observer
        self._deadline = deadline
        self._changes_nothing = dry_run or job.type is JobType.CHECK
        self._counts = counts
        self._operations_done = 0
        self._bytes_moved = 0

    def run(self) -> None:
        """Go through all stages.

        Raises:
            RunError: the run ended early; its kind says why.
        """
        try:
            self._run()
        except OSError as error:
            raise RunError(f"'{self._job.name}': the run could not go on: {_in_words(error)}") from error

    def _run(self) -> None:
        places = look_at_places(self._job, marker_seen=self._remembered_sides())
        self._pin(places.source, places.destination)
        if self._job.type is JobType.CHECK and places.destination is None:
            raise RunError(f"'{self._job.name}': destination '{self._job.destination}' does not exist")
        with contextlib.ExitStack() as until_the_end:
            self._hold_open(self._job.source, until_the_end)
            if self._changes_nothing:
                self._only_tell(places)
                return
            if places.destination is not None:
                self._lock_destination(until_the_end)
            self._sync(places, until_the_end)

    def _pin(self, source: LocalPlace, destination: LocalPlace | None) -> None:
        """From here on these two directories are meant, and no others that take their paths."""
        self._job = dataclasses.replace(
            self._job, source=source, destination=destination or self._job.destination
        )

    def _hold_open(self, place: LocalPlace, until: contextlib.ExitStack) -> int:
        """Keep a root open, so that its file system cannot be unmounted unnoticed."""
        fd = os.open(place.path, OPEN_ROOT)
        until.callback(os.close, fd)
        return fd

    def _lock_destination(self, until: contextlib.ExitStack) -> None:
        fd = self._hold_open(self._job.destination, until)
        self._pin(self._job.source, pinned(self._job.destination, os.fstat(fd)))
        until.enter_context(locked_directory(fd, shown=str(self._job.destination)))

    def _remembered_sides(self) -> frozenset[str]:
        sides = self._ledger.recall(self._job.name, _MARKER_SIDES)
        return frozenset(sides.split(",")) - {""} if sides else frozenset()

    # Jobs and runs that change nothing

    def _only_tell(self, places: Places) -> None:
        plan = self._plan(places)
        try:
            self._count_as_planned(plan.counts)
            for change in plan.changes():
                self._observer.changed(change)
            if self._job.type is JobType.SYNC:
                self._check_guards(plan, places)
        finally:
            plan.close()

    def _count_as_planned(self, planned: Counts) -> None:
        counts = self._counts
        counts.created, counts.modified, counts.metadata = planned.created, planned.modified, planned.metadata
        counts.moved, counts.deleted = planned.moved, planned.deleted
        counts.bytes_copied = planned.bytes_copied if self._job.type is JobType.SYNC else 0

    # Sync

    def _sync(self, places: Places, until_the_end: contextlib.ExitStack) -> None:
        plan = self._plan(places)
        try:
            self._stop_if_asked_to(plan)
            self._check_guards(plan, places)
            self._deadline.check()
            self._check_writable(plan, places)
            if places.destination is None:
                create_destination(self._job)
                self._lock_destination(until_the_end)
            self._carry_out(plan)
            self._make_durable(plan)
        finally:
            plan.close()
        self._remember(places)

    def _plan(self, places: Places) -> Plan:
        self._observer.stage(Stage.SCAN)
        kept = capabilities_of(self._nearest_destination(places))
        source = capabilities_of(self._job.source.path)
        self._tell_what_is_not_kept(source, kept)
        rules = rules_for(self._job, source=source, destination=kept)
        self._rules = rules
        scan = Scan(self._job, places, rules, observer=self._observer, deadline=self._deadline)
        plan = scan.plan(folder=self._state)
        self._counts.scanned = plan.counts.scanned
        for failure in plan.failures:
            self.failed(failure)
        logger.info("scanned: %d entries, %d steps planned", plan.counts.scanned, len(plan))
        return plan

    def _nearest_destination(self, places: Places) -> bytes:
        path = self._job.destination.path
        return path if places.destination is not None else os.path.dirname(path)

    def _tell_what_is_not_kept(self, source: Capabilities, kept: Capabilities) -> None:
        wanted = self._job.preserve
        unkept = source.attributes - kept.attributes
        lost = [
            name
            for name, is_lost in (
                ("modes", Preserve.MODE in wanted and not kept.modes),
                ("owners", Preserve.OWNERSHIP in wanted and not kept.modes),
                ("symlinks", Preserve.SYMLINKS in wanted and not kept.symlinks),
                ("hard links", Preserve.HARDLINKS in wanted and not kept.hard_links),
                ("extended attributes", Preserve.XATTRS in wanted and Namespace.USER in unkept),
                ("ACLs", Preserve.ACLS in wanted and Namespace.ACL in unkept),
                ("times finer than 1 s", Preserve.MTIME in wanted and kept.mtime_resolution_ns >= 10**9),
            )
            if is_lost
        ]
        if lost:
            self._observer.noticed(f"the destination's file system does not keep {', '.join(lost)}")

    def _stop_if_asked_to(self, plan: Plan) -> None:
        if self._job.on_error is OnError.STOP and len(plan.failures):
            raise RunError("stopped before the first change: paths failed, and 'on_error: stop' is set")

    def _check_guards(self, plan: Plan, places: Places) -> None:
        space = os.statvfs(self._nearest_destination(places))
        check_guards(self._job.guard, plan, space=space, allocated=lambda: allocated_bytes(self._job, plan))
        before = self._ledger.recall(self._job.name, _SOURCE_IDENTITY)
        now = file_system_identity(self._job.source.path)
        if plan.counts.deleted and before and now and before != now:
            raise GuardTripped(
                f"guard source: the source is on another file system than on the last run (it was {before}, "
                f"it is {now}), and {plan.counts.deleted:,} entries would be deleted; "
                "mount the right one, or, if this one is right, run once with 'delete: keep'"
            )

    def _check_writable(self, plan: Plan, places: Places) -> None:
        """Say once what would otherwise be said of every path."""
        read_only = getattr(os, "ST_RDONLY", 0)
        if len(plan) and os.statvfs(self._nearest_destination(places)).f_flag & read_only:
            raise RunError(
                f"'{self._job.name}': destination '{self._job.destination}' is on a read-only file system; "
                "mount it for writing"
            )

    def _carry_out(self, plan: Plan) -> None:
        self._observer.stage(Stage.MIRROR)
        self._observer.planned(Totals(operations=len(plan), bytes_to_copy=plan.counts.bytes_copied))
        mirror = Mirror(
            self._job.source,
            self._job.destination,
            settings=settings_for(self._job, self._rules.kept),
            workers=self._job.workers or min(_MAX_COPY_WORKERS, available_processors()),
            deadline=self._deadline,
            watcher=self,
        )
        mirror.carry_out(plan.operations)

    def _make_durable(self, plan: Plan) -> None:
        """Have everything on disk before the ledger says so; also what a run cut off had left."""
        if self._job.durability is Durability.NONE:
            return
        last = self._ledger.last_run(self._job.name, outcomes=frozenset(Outcome))
        if not len(plan) and last is not None and last.outcome is Outcome.SUCCEEDED:
            return
        self._observer.stage(Stage.SYNC_DISK)
        with open_tree(self._job.destination) as tree:
            try:
                fsops.sync_file_system(tree.handles.root)
            except OSError as error:
                what = f"'{self._job.name}': what was written cannot be made durable"
                raise RunError(f"{what}: {error.strerror}") from error

    def _remember(self, places: Places) -> None:
        """Keep what the next run's guards want to know."""
        identity = file_system_identity(self._job.source.path)
        if identity is not None:
            self._ledger.remember(self._job.name, _SOURCE_IDENTITY, identity)
        if self._job.guard.marker is not None:
            after = look_at_places(self._job, marker_seen=places.marker_sides)
            self._ledger.remember(self._job.name, _MARKER_SIDES, ",".join(sorted(after.marker_sides)))

    # What the mirror tells

    def done(self, operation: Operation) -> None:
        """Count an operation that was carried out."""
        if operation.counted:
            self._counts.count(operation.change)
            self._observer.changed(operation.change)
        self._operations_done += 1
        self._observer.progressed(self._operations_done, self._bytes_moved)

    def failed(self, failure: Failure) -> None:
        """Count a path that was given up."""
        self._counts.failed += 1
        logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
        self._observer.failed(failure)

    def noticed(self, text: str) -> None:
        """Pass on what the destination cannot keep."""
        logger.info("notice: %s", text)
        self._observer.noticed(text)

    def moved(self, byte_count: int) -> None:
        """Pass progress on."""
        if byte_count:
            self._bytes_moved += byte_count
            self._observer.progressed(self._operations_done, self._bytes_moved)


def _in_words(error: OSError) -> str:
    where = f"'{local_text(os.fsencode(error.filename))}': " if error.filename else ""
    return f"{where}{error.strerror or error}"

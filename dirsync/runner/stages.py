"""The stages of one run, in their order; nothing else knows it."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dirsync.compare.rules import rules_for
from dirsync.errors import RunError
from dirsync.march.driver import available_processors
from dirsync.model.job import JobType, MirrorJob, OnError, OnTrip, Verify
from dirsync.model.marks import Marks
from dirsync.model.names import in_words
from dirsync.model.operation import Phase
from dirsync.model.place import LocalPlace, Place
from dirsync.model.result import Counts, RunResult
from dirsync.model.stop import Deadline
from dirsync.model.version import Before
from dirsync.plan.plan import Plan
from dirsync.runner.displacing import NOTHING, Displacing, open_versions, records_of
from dirsync.runner.durability import make_durable, needs_barrier
from dirsync.runner.ends import capabilities_at
from dirsync.runner.extent import Extent
from dirsync.runner.hashes import HashRecord
from dirsync.runner.held_place import remove_plan
from dirsync.runner.history import History
from dirsync.runner.judging import Judging
from dirsync.runner.kept import check_writable, what_is_not_kept
from dirsync.runner.ledger import Ledger
from dirsync.runner.lock import locked_directory
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import Places, create_destination, look_at_places, nearest_destination, pinned
from dirsync.runner.reach import within_reach
from dirsync.runner.renames import Renames
from dirsync.runner.rot import RotSieve, replicas_told
from dirsync.runner.scanning import Scan
from dirsync.runner.source_identity import remember_source
from dirsync.runner.telling import Telling
from dirsync.runner.unverified import Unverified
from dirsync.runner.versions import VersionIndex
from dirsync.trees.local import capabilities_of, open_root, open_tree
from dirsync.trees.mounts import mounted_beneath

if TYPE_CHECKING:
    from dirsync.mirror.settings import Settings

logger = logging.getLogger(__name__)

_MARKER_SIDES = "marker sides"
_MAX_COPY_WORKERS = 8


class Stages:
    """Takes one job through its stages; `counts` is filled as they go."""

    def __init__(
        self,
        job: MirrorJob,
        ledger: Ledger,
        *,
        run_id: int,
        started_at: datetime.datetime,
        state: str,
        observer: Observer,
        deadline: Deadline,
        dry_run: bool,
        counts: Counts,
        saves_plan: bool = False,
        marks: Marks | None = None,
    ) -> None:
        """`saves_plan`: hold the plan for `approve`, though no guard tripped.

        `marks`: nothing else has changed in the source since a complete pass (None: all may have).
        """
        self._marks = marks
        self._job = job
        self._ledger = ledger
        self._run_id = run_id
        self._started_at = started_at
        self._state = state
        self._observer = observer
        self._deadline = deadline
        self._changes_nothing = dry_run or job.type is JobType.CHECK
        self._saves_plan = saves_plan
        self._counts = counts
        self._unverified = Unverified(ledger.database, job=job.name)
        self._history = History(job, ledger)
        self._extent = Extent(job, ledger)
        self._record = HashRecord(
            ledger.database, job=job.name, algorithm=job.comparison.algorithm, keeps=not dry_run
        )

    def run(self) -> None:
        """Go through all stages.

        Raises:
            RunError: the run ended early; its kind says why.
        """
        try:
            try:
                with within_reach(self._job.source, check=self._deadline.check) as source:
                    self._job = replace(self._job, source=source)
                    self._run()
            finally:
                self._record.flush()
        except OSError as error:
            raise RunError(f"'{self._job.name}': the run could not go on: {in_words(error)}") from error

    def record(self, result: RunResult) -> None:
        """Bring what was done into the catalog's history, now that it is known how it ended."""
        told = self._history.record(result)
        if told is not None:
            self._observer.noticed(told)

    def _run(self) -> None:
        places = look_at_places(self._job, marker_seen=self._remembered_sides())
        self._pin(places.source, places.destination)
        self._renames = Renames(self._job, self._ledger, folder=self._state)
        self._telling = Telling(
            self._counts,
            observer=self._observer,
            renames=self._renames,
            record=self._record,
            unverified=None if self._job.verify is Verify.NONE else self._unverified,
            history=self._history,
        )
        if self._job.type is JobType.CHECK and places.destination is None:
            raise RunError(f"'{self._job.name}': destination '{self._job.destination}' does not exist")
        with contextlib.ExitStack() as until_the_end:
            if isinstance(self._job.source, LocalPlace):
                self._hold_open(self._job.source, until_the_end)
            if self._changes_nothing:
                self._only_tell(places)
                return
            if places.destination is not None:
                self._lock_destination(until_the_end)
            self._sync(places, until_the_end)

    def _pin(self, source: Place, destination: LocalPlace | None) -> None:
        """From here on these two directories are meant, and no others that take their paths."""
        self._job = replace(self._job, source=source, destination=destination or self._job.destination)

    def _hold_open(self, place: LocalPlace, until: contextlib.ExitStack) -> int:
        """Keep a root open, so that its file system cannot be unmounted unnoticed."""
        fd = open_root(place)
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
            self._telling.planned(plan.counts, copies=self._job.type is JobType.SYNC)
            for change in plan.changes():
                self._observer.changed(change)
            if self._job.type is JobType.SYNC:
                self._judge(plan, places)
        finally:
            plan.close()

    # Sync

    def _sync(self, places: Places, until_the_end: contextlib.ExitStack) -> None:
        there = places.destination is not None
        versions = open_versions(self._job, self._ledger, now=self._started_at, there=there)
        plan = self._plan(places)
        self._history.moved_from = plan.moved_from
        try:
            self._stop_if_asked_to(plan)
            self._judge(plan, places)
            self._deadline.check()
            check_writable(self._job, plan, places)
            if places.destination is None:
                create_destination(self._job)
                self._lock_destination(until_the_end)
            self._unverified.follow(plan.moved_from)
            if self._job.verify is not Verify.NONE:
                self._unverified.note(plan.operations(Phase.COPY))
            if versions is None:
                self._carry_out(plan, version_area=None)
            else:
                records = NOTHING if places.destination is None else records_of(plan)
                self._carry_out_keeping(plan, versions, records=records)
            self._make_durable(plan)
            self._renames.record(plan)
        finally:
            plan.close()
        self._verify(places)
        self._remember(places)
        if not self._counts.failed:
            remove_plan(self._state, self._job.name)
            if versions is not None and self._counts.changes:
                Displacing(self._job, versions).expire_beyond_count()

    def _plan(self, places: Places) -> Plan:
        self._observer.stage(Stage.SCAN)
        self._look_at_capabilities(places)
        sieve = RotSieve(self._job, self._record, check=self._deadline.check)
        scan = Scan(
            self._job,
            places,
            self._rules,
            observer=self._observer,
            deadline=self._deadline,
            sieve=sieve.sift,
            marks=self._marks if self._extent.is_known else None,
        )
        pair = partial(self._renames.pair, context=scan.context, sieve=sieve, deadline=self._deadline)
        plan = scan.plan(folder=self._state, pair=pair)
        self._extent.note(plan, is_whole=scan.is_whole)
        if sieve.rotted_replicas:
            copied = self._job.type is JobType.SYNC
            self._observer.noticed(replicas_told(sieve.rotted_replicas, copied=copied))
        self._counts.scanned = plan.counts.scanned
        for failure in plan.failures:
            self._telling.failed(failure)
        logger.info("scanned: %d entries, %d steps planned", plan.counts.scanned, len(plan))
        return plan

    def _look_at_capabilities(self, places: Places) -> None:
        kept = capabilities_of(nearest_destination(self._job, places))
        source = capabilities_at(self._job.source)
        for sentence in what_is_not_kept(self._job, source=source, destination=kept):
            self._observer.noticed(sentence)
        self._rules = rules_for(self._job, source=source, destination=kept)

    def _stop_if_asked_to(self, plan: Plan) -> None:
        if self._job.on_error is OnError.STOP and len(plan.failures):
            raise RunError("stopped before the first change: paths failed, and 'on_error: stop' is set")

    def _judge(self, plan: Plan, places: Places) -> None:
        """Let the plan pass its guards, or hold it until somebody approves it."""
        judging = Judging(self._job, places, ledger=self._ledger, state=self._state)
        holds = self._saves_plan or (not self._changes_nothing and self._job.guard.on_trip is OnTrip.HOLD)
        told = judging.judge(plan, holds=holds, saves=self._saves_plan)
        if told is not None:
            self._observer.noticed(told)

    def _carry_out_keeping(self, plan: Plan, versions: VersionIndex, *, records: Iterable[Before]) -> None:
        """Carry out a plan, and keep what it displaces as versions."""
        if not len(plan):
            return
        area = versions.begin(self._run_id, started_at=self._started_at, records=records)
        failed_before = self._counts.failed
        self._carry_out(plan, version_area=area)
        if self._counts.failed == failed_before and not any(plan.operations(Phase.LINK)):
            versions.settle(self._run_id)
        else:  # a name that could not be linked may be what it was
            Displacing(self._job, versions).settle_cut_off()

    def _carry_out(self, plan: Plan, *, version_area: bytes | None) -> None:
        from dirsync.mirror.mirror import Mirror  # most runs find nothing to do

        self._observer.stage(Stage.MIRROR)
        self._telling.mounts = mounted_beneath(self._job.destination.path)
        self._observer.planned(Totals(operations=len(plan), bytes_to_copy=plan.counts.bytes_copied))
        mirror = Mirror(
            partial(open_tree, self._job.source),
            self._job.destination,
            settings=self._settings(version_area=version_area),
            workers=self._workers(),
            deadline=self._deadline,
            watcher=self._telling,
        )
        self._renames.before_first_step(plan)
        try:
            mirror.carry_out(plan)
        finally:
            self._renames.after_last_step(refused=mirror.refused_a_move)

    def _workers(self) -> int:
        return self._job.workers or min(_MAX_COPY_WORKERS, available_processors())

    def _settings(self, *, version_area: bytes | None) -> Settings:
        from dirsync.mirror.settings import settings_for

        return settings_for(self._job, self._rules.kept, version_area=version_area)

    def _make_durable(self, plan: Plan) -> None:
        """Have everything on disk before the ledger says so; also what a run cut off had left."""
        if needs_barrier(self._job, plan, self._ledger):
            self._observer.stage(Stage.SYNC_DISK)
            make_durable(self._job, mounts=self._telling.mounts_touched)

    def _verify(self, places: Places) -> None:
        """Read back what was written, this time or by a run that was cut off before it could."""
        if self._job.verify is Verify.NONE:
            return
        from dirsync.runner.verification import Verification  # few jobs ask for it

        self._observer.stage(Stage.VERIFY)
        verification = Verification(
            self._job,
            self._rules,
            record=self._record,
            unverified=self._unverified,
            observer=self._observer,
            deadline=self._deadline,
            workers=self._workers(),
            tell=self._telling.failed,
        )
        verification.written(given_up=self._telling.given_up)
        if self._job.verify is Verify.ALL:
            there = replace(places, destination=self._job.destination)
            verification.everything(there, folder=self._state, given_up=self._telling.given_up)

    def _remember(self, places: Places) -> None:
        """Keep what the next run's guards want to know."""
        remember_source(self._job, self._ledger)
        self._extent.remember()
        if self._job.guard.marker is not None:
            after = look_at_places(self._job, marker_seen=places.marker_sides)
            self._ledger.remember(self._job.name, _MARKER_SIDES, ",".join(sorted(after.marker_sides)))

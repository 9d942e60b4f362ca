"""A scrub of one job: its files are read again at both ends and compared with the record.

Both ends are marched as a run would march them; what differs at a glance is told as a
check job tells it. What should be equal is read from the disks, those longest unverified
first. Nothing changes at either end; what was read goes on record in batches, so a scrub
that is stopped goes on where it was.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from dirsync.compare.rules import rules_for
from dirsync.errors import PathError, RunError
from dirsync.march.driver import available_processors
from dirsync.march.found import Found
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.content import Soundness, Stamp, judged
from dirsync.model.job import Job, JobType, MirrorJob
from dirsync.model.names import local_text, shown
from dirsync.model.result import Counts, RunResult
from dirsync.model.stop import Deadline, Stop
from dirsync.plan.plan import Plan
from dirsync.runner.candidates import Candidate, Candidates
from dirsync.runner.context import running
from dirsync.runner.database import Database, open_database
from dirsync.runner.ends import capabilities_at
from dirsync.runner.hashes import HashRecord
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import Places, look_at_places
from dirsync.runner.reach import within_reach
from dirsync.runner.reading import Contents, Ends, in_threads, read_both
from dirsync.runner.run import NO_RUN_ID, outcome_of
from dirsync.runner.scanning import Scan
from dirsync.trees.handles import allow_many_handles
from dirsync.trees.local import capabilities_of

logger = logging.getLogger(__name__)

_MAX_READERS = 8


class Tally(Struct, kw_only=True):
    """What a scrub has read, and what it found."""

    files: int = 0  # read and compared
    bytes_read: int = 0  # of each of the two ends
    rotted: int = 0
    left: int = 0  # files that should be equal and were not read: the budget, or they changed meanwhile


class ScrubObserver(Observer, Protocol):
    """Watches a scrub."""

    def rotted(self, path: bytes, soundness: Soundness) -> None:
        """A file, its replica or both have rotted."""

    def scrubbed(self, result: RunResult, tally: Tally) -> None:
        """The scrub is over; the last call, in place of `finished`."""


class Examined(NamedTuple):
    """One file after it was read at both ends."""

    candidate: Candidate
    contents: Contents | None  # None: it could not be read
    failure: Failure | None


def verify_job(
    job: MirrorJob, *, state: str, observer: ScrubObserver, stop: Stop, budget_bytes: int | None
) -> RunResult:
    """Scrub a job, and tell how it ended; a scrub that fails raises nothing.

    No file is begun once `budget_bytes` of files were read (None: all of them are). The
    job's time limit is for its runs. Its lock is held, so no run of it begins meanwhile.
    """

    def scrub(counts: Counts, tally: Tally) -> None:
        with open_database(state) as database, locked_job(state, job.name):
            deadline = Deadline(stop, timeout_seconds=None)
            _Scrub(job, database, observer, deadline, counts, tally).run(state, budget_bytes)

    return scrubbed(job, scrub, observer=observer)


def scrubbed(job: Job, scrub: Callable[[Counts, Tally], None], *, observer: ScrubObserver) -> RunResult:
    """Let a scrub run that fills its counts and its tally, and tell how it ended."""
    started_at = _now()
    allow_many_handles()
    counts, tally = Counts(), Tally()
    error: RunError | None = None
    with running(job.name):
        try:
            scrub(counts, tally)
        except RunError as caught:
            error = caught
        except OSError as caught:
            where = f"'{local_text(caught.filename)}': " if isinstance(caught.filename, bytes) else ""
            error = RunError(f"'{job.name}': could not go on: {where}{caught.strerror or caught}")
        logger.info(
            "verified: %d files, %d rotted, %d differ, %d failed",
            tally.files,
            tally.rotted,
            counts.changes - tally.rotted,
            counts.failed,
        )
        result = RunResult(
            job=job.name,
            run_id=NO_RUN_ID,
            type=JobType.CHECK,
            outcome=outcome_of(counts, error),
            dry_run=False,
            started_at=started_at,
            finished_at=_now(),
            counts=counts,
            error=str(error) if error is not None else None,
            signal_number=getattr(error, "signal_number", None),
        )
        observer.scrubbed(result, tally)
    return result


class _Scrub:
    """One scrub; `counts` and `tally` are filled as it goes."""

    def __init__(
        self,
        job: MirrorJob,
        database: Database,
        observer: ScrubObserver,
        deadline: Deadline,
        counts: Counts,
        tally: Tally,
    ) -> None:
        algorithm = job.comparison.algorithm
        self._job = job
        self._observer = observer
        self._deadline = deadline
        self._counts = counts
        self._tally = tally
        self._record = HashRecord(database, job=job.name, algorithm=algorithm)
        self._candidates = Candidates(database, job=job.name, algorithm=algorithm)

    def run(self, state: str, budget_bytes: int | None) -> None:
        """Go through both ends.

        Raises:
            RunError: an end is not there or not within reach, or the database cannot be used.
            Cancelled: a signal came; what was read is on record.
            OSError: a root is gone.
        """
        with within_reach(self._job.source, check=self._deadline.check) as source:
            self._job = replace(self._job, source=source)
            self._go_through(state, budget_bytes)

    def _go_through(self, state: str, budget_bytes: int | None) -> None:
        places = look_at_places(self._job, marker_seen=frozenset())
        if places.destination is None:
            raise RunError(f"'{self._job.name}': destination '{self._job.destination}' does not exist")
        self._job = replace(
            self._job, type=JobType.CHECK, source=places.source, destination=places.destination
        )
        self._scan(places, state)
        self._read(budget_bytes)

    def _scan(self, places: Places, state: str) -> None:
        """Tell what differs at a glance, and collect what should be equal."""
        self._observer.stage(Stage.SCAN)
        rules = rules_for(
            self._job,
            source=capabilities_at(self._job.source),
            destination=capabilities_of(self._job.destination.path),
        )
        rules = replace(rules, size=True, hash=None)
        plan = Scan(
            self._job,
            places,
            rules,
            observer=self._observer,
            deadline=self._deadline,
            sieve=self._collect,
            lists_equal=True,
        ).plan(folder=state)
        try:
            self._tell(plan)
            if not len(plan.failures):
                self._candidates.forget_others()
        finally:
            plan.close()

    def _collect(self, found: Found) -> None:
        if found.equal:
            self._candidates.add(found.equal)

    def _tell(self, plan: Plan) -> None:
        self._counts.scanned = plan.counts.scanned
        for failure in plan.failures:
            self._failed(failure)
        for change in plan.changes():
            self._differs(change)

    def _differs(self, change: Change) -> None:
        self._counts.count(change)
        self._counts.bytes_copied = 0  # nothing is
        self._observer.changed(change)

    def _failed(self, failure: Failure) -> None:
        self._counts.failed += 1
        logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
        self._observer.failed(failure)

    # Reading

    def _read(self, budget_bytes: int | None) -> None:
        self._candidates.arrange()
        files, byte_count = self._candidates.totals()
        self._tally.left = files
        self._observer.stage(Stage.VERIFY)
        to_read = byte_count if budget_bytes is None else min(budget_bytes, byte_count)
        self._observer.planned(Totals(operations=files, bytes_to_copy=to_read))
        workers = self._job.workers or min(_MAX_READERS, available_processors())
        chosen = _within(self._candidates.in_order(), budget_bytes)
        try:
            for examined in in_threads(chosen, self._examine, job=self._job, workers=workers):
                self._take(examined)
                self._observer.progressed(self._tally.files, self._tally.bytes_read)
        finally:
            self._record.flush()

    def _examine(self, ends: Ends, candidate: Candidate) -> Examined:
        """Read one file at both ends; in a thread."""
        path, algorithm = candidate.stamp.path, self._job.comparison.algorithm
        try:
            contents = read_both(ends, path, algorithm, check=self._deadline.check)
        except PathError as error:
            return Examined(candidate, None, Failure(path, error.reason))
        return Examined(candidate, contents, None)

    def _take(self, examined: Examined) -> None:
        candidate, contents, failure = examined
        if failure is not None:
            self._failed(failure)
            self._tally.left -= 1
            return
        assert contents is not None
        if not contents.source.unchanged or Stamp.of(contents.source_entry) != candidate.stamp:
            logger.debug("changed while it was verified: '%s'", shown(candidate.stamp.path))
            return
        self._tally.left -= 1
        self._tally.files += 1
        self._tally.bytes_read += candidate.stamp.size
        self._judge(candidate, contents)

    def _judge(self, candidate: Candidate, contents: Contents) -> None:
        source, replica = contents.source.hash, contents.replica.hash
        soundness = judged(source=source, replica=replica, on_record=candidate.on_record)
        match soundness:
            case Soundness.SOUND:
                if contents.source.certain:
                    self._record.add(candidate.stamp, source)
            case Soundness.DIFFERENT:
                self._differs(
                    Change(
                        ChangeKind.MODIFIED,
                        contents.replica_entry,
                        contents.source_entry,
                        frozenset({Aspect.HASH}),
                    )
                )
            case _:
                self._tally.rotted += 1
                self._counts.modified += 1
                logger.warning("%s: '%s'", soundness.value, shown(candidate.stamp.path))
                self._observer.rotted(candidate.stamp.path, soundness)


def _within(candidates: Iterator[Candidate], budget_bytes: int | None) -> Iterator[Candidate]:
    """Give candidates until their bytes have used a budget up; at least one, so that each has its turn."""
    used_bytes = 0
    for candidate in candidates:
        if budget_bytes is not None and used_bytes >= max(budget_bytes, 1):
            return
        used_bytes += candidate.stamp.size
        yield candidate


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

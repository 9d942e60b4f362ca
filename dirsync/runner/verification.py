"""Reading back what was written: after it was made durable, before the ledger says so.

`verify: written` reads every copied file at both ends, the replica from the disk.
`verify: all` then compares all of both ends by hash, as a march does. A replica that
turns out bad is marked, so that the next run copies it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from dirsync.compare.rules import CONTENT, Rules
from dirsync.errors import PathError, RunError
from dirsync.mirror.marking import mark_for_copying
from dirsync.mirror.unchanged import entry_now
from dirsync.model.change import Aspect, Change, Failure
from dirsync.model.content import Stamp
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import MirrorJob, OnError
from dirsync.model.names import shown
from dirsync.model.stop import Deadline
from dirsync.runner.hashes import HashRecord
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import Places
from dirsync.runner.reading import Contents, Ends, in_threads, read_both
from dirsync.runner.rot import RotSieve
from dirsync.runner.scanning import Scan
from dirsync.runner.unverified import Unverified, Written
from dirsync.trees.local import LocalTree, open_tree

logger = logging.getLogger(__name__)

_AGAIN = "; the next run copies it again"
_DROPPED_AT_ONCE = 200  # paths whose notes are taken off together

Tell = Callable[[Failure], None]


class ReadBack(NamedTuple):
    """What came of reading one file back; with nothing set but the path, it has changed."""

    path: bytes
    contents: Contents | None = None  # set: both ends agree
    reason: str | None = None  # set: why the path is given up
    again: bool = False  # the next run is to read it back
    is_gone: bool = False  # from both ends: it moved, or was deleted as it should


class Verification:
    """Verifies what one run and those before it wrote; `tell` is told each path that is not right."""

    def __init__(
        self,
        job: MirrorJob,
        rules: Rules,
        *,
        record: HashRecord,
        unverified: Unverified,
        observer: Observer,
        deadline: Deadline,
        workers: int,
        tell: Tell,
    ) -> None:
        self._job = job
        self._rules = replace(rules, size=True)
        self._record = record
        self._unverified = unverified
        self._observer = observer
        self._deadline = deadline
        self._workers = workers
        self._tell = tell
        self._changed: list[bytes] = []  # the first one is named, all are counted
        self._changed_count = 0

    def written(self, *, given_up: set[bytes]) -> None:
        """Read back every file that was copied; `given_up` holds the paths that failed, as they are told.

        Raises:
            Cancelled: the deadline passed; what is left is read back by the next run.
            RunError: a path failed and the job asked to stop there.
        """
        count = len(self._unverified)
        self._observer.planned(Totals(operations=count, bytes_to_copy=0))
        finished: list[bytes] = []
        results = in_threads(self._unverified.all(), self._read_back, job=self._job, workers=self._workers)
        try:
            for done, result in enumerate(results, 1):
                self._take(result, given_up=given_up)
                if not result.again:
                    finished.append(result.path)
                if len(finished) == _DROPPED_AT_ONCE:
                    self._drop(finished)
                self._observer.progressed(done, 0)
        finally:
            self._drop(finished)
        self._tell_what_changed()
        logger.info("read back: %d files", count)

    def _drop(self, finished: list[bytes]) -> None:
        """Take the notes off, once the record of these files is durable."""
        self._record.flush()
        if finished:
            self._unverified.drop(finished)
            finished.clear()

    def _take(self, result: ReadBack, *, given_up: set[bytes]) -> None:
        if result.reason is not None:
            if result.path not in given_up:
                self._tell(Failure(result.path, result.reason))
                self._stop_if_asked_to()
        elif result.contents is None:
            if result.path not in given_up and not result.is_gone:
                self._changed = self._changed or [result.path]
                self._changed_count += 1
        elif result.contents.source.certain:
            self._record.add(Stamp.of(result.contents.source_entry), result.contents.source.hash)

    def _stop_if_asked_to(self) -> None:
        if self._job.on_error is OnError.STOP:
            raise RunError("stopped at the first path that failed, as 'on_error: stop' asks")

    def _tell_what_changed(self) -> None:
        if self._changed:
            others = f" and {self._changed_count - 1:,} more" if self._changed_count > 1 else ""
            self._observer.noticed(
                f"changed since it was copied, so left for the next run: '{shown(self._changed[0])}'{others}"
            )

    # In threads

    def _read_back(self, ends: Ends, written: Written) -> ReadBack:
        path = written.path
        try:
            new, old = entry_now(ends.source, path), entry_now(ends.destination, path)
            if new is None or old is None or not self._should_be_equal(new, old):
                return ReadBack(path, is_gone=new is None and old is None)
            algorithm = self._job.comparison.algorithm
            contents = read_both(ends, path, algorithm, check=self._deadline.check)
            if contents.agree:
                return ReadBack(path, contents)
            if ends.source.entry(path) != contents.source_entry:
                return ReadBack(path, again=True)
            return ReadBack(path, reason=self._given_up(ends.destination, contents, written))
        except PathError as error:
            return ReadBack(path, reason=error.reason)
        except OSError as error:
            return ReadBack(path, reason=f"cannot be read back: {error.strerror}")

    def _should_be_equal(self, new: Entry, old: Entry) -> bool:
        return new.kind is Kind.FILE and not self._rules.aspects(new, old) & CONTENT

    def _given_up(self, tree: LocalTree, contents: Contents, written: Written) -> str:
        """Mark a bad replica, and say what is wrong with it."""
        if contents.source_entry.ctime_ns == written.ctime_ns:
            what = "reads back different from what was written"
        else:
            what = "reads back different from the source, though nothing else that is compared differs"
        return what + self._marked(tree, contents.replica_entry)

    def _marked(self, tree: LocalTree, replica: Entry) -> str:
        if not self._rules.mtime:  # nothing that the job compares can tell the next run
            return ""
        try:
            mark_for_copying(tree, replica)
        except PathError:  # somebody else has changed it, which the next run sees
            return _AGAIN
        except OSError as error:
            return f", and cannot be marked for the next run: {error.strerror}"
        return _AGAIN

    # Everything

    def everything(self, places: Places, *, folder: str, given_up: set[bytes]) -> None:
        """Compare all of both ends by hash, from the disks; each difference is a failure of its path.

        Raises:
            Cancelled: the deadline passed.
            RunError: an end could not be scanned at all, or a path failed and the job
                asked to stop there.
        """
        self._observer.stage(Stage.SCAN)
        sieve = RotSieve(self._job, self._record, check=self._deadline.check)
        rules = replace(self._rules, hash=self._job.comparison.algorithm)
        scan = Scan(
            self._job,
            places,
            rules,
            observer=self._observer,
            deadline=self._deadline,
            sieve=sieve.sift,
            reads_disk=True,
        )
        plan = scan.plan(folder=folder)
        try:
            with open_tree(self._job.destination) as destination:
                for failure in self._failures(plan.failures, plan.changes(), sieve, destination):
                    if failure.path not in given_up:
                        self._tell(failure)
                        self._stop_if_asked_to()
            logger.info("compared by hash: %d entries", plan.counts.scanned)
        finally:
            plan.close()

    def _failures(
        self,
        failures: Iterable[Failure],
        changes: Iterator[Change],
        sieve: RotSieve,
        destination: LocalTree,
    ) -> Iterator[Failure]:
        yield from failures
        rotted = set(sieve.rotted_replicas)
        for change in changes:
            if change.path in rotted and change.old is not None:
                reason = "bit rot: the content of the replica changed though its size and mtime did not"
                yield Failure(change.path, reason + self._marked(destination, change.old))
            else:
                yield Failure(change.path, f"differs after the run: {_in_words(change)}")


def _in_words(change: Change) -> str:
    if change.old is None:
        return "missing at the destination"
    if change.new is None:
        return "only at the destination"
    return ", ".join(
        "content" if aspect is Aspect.HASH else aspect.value for aspect in Aspect if aspect in change.aspects
    )

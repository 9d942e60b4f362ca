"""A run whose destination is another machine's: that machine carries it out, and asks about the source.

The agent there takes the job through the same stages as any run; what it wants to know of the
source it asks, and this end answers as an agent would. What it tells is passed on as it comes.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
from collections.abc import Iterator
from typing import assert_never

from dirsync.answers.answering import Answerer
from dirsync.errors import Cancelled, GuardTripped, RunError, Skipped
from dirsync.model.change import Failure
from dirsync.model.job import JobType, PushJob
from dirsync.model.names import shown
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.serving import Access
from dirsync.model.stop import Deadline
from dirsync.runner.conversation import Conversation
from dirsync.runner.history import History
from dirsync.runner.ledger import Ledger
from dirsync.runner.observer import Observer, Stage, Totals
from dirsync.runner.places import look_at_one_source
from dirsync.trees.far.http import Wire
from dirsync.trees.local import open_root
from dirsync.wire.beliefs import check_path, one_line
from dirsync.wire.runs import (
    Asked,
    AtStage,
    Began,
    Changed,
    Ended,
    Figures,
    GivenUp,
    Noticed,
    Order,
    Told,
    change_of,
    name_of_job,
    ordered_job,
)

logger = logging.getLogger(__name__)

_CLIENT = "name at the far end"
_LARGEST_COUNT = 2**62


class PushStages:
    """Has one job carried out at its far end; `counts` is filled when it is over."""

    def __init__(
        self,
        job: PushJob,
        ledger: Ledger,
        *,
        run_id: int,
        started_at: datetime.datetime,
        observer: Observer,
        deadline: Deadline,
        dry_run: bool,
        counts: Counts,
        saves_plan: bool = False,
        approves: bool = False,
    ) -> None:
        """`approves`: have the plan carried out that is held there."""
        self._job = job
        self._ledger = ledger
        self._observer = observer
        self._deadline = deadline
        self._dry_run = dry_run
        self._changes_nothing = dry_run or job.type is JobType.CHECK
        self._counts = counts
        self._saves_plan = saves_plan
        self._approves = approves
        self._history = History(job, ledger)
        self._far_name = job.name  # what the far end calls the job

    def run(self) -> None:
        """Order the run, and stay with it to its end.

        Raises:
            RunError: it ended early, there or here; its kind says why.
        """
        source = look_at_one_source(self._job)
        assert isinstance(source, LocalPlace)
        client = self._client()
        self._far_name = name_of_job(self._job.name, client=client)
        try:
            with _held_open(source), contextlib.closing(Wire(self._job.destination)) as wire:
                ended = Conversation(
                    wire,
                    Answerer(source, access=Access.READ, check=self._deadline.check),
                    tell=self._tell,
                    deadline=self._deadline,
                ).until_it_ended(self._order(client))
        except OSError as error:
            raise RunError(f"'{self._job.name}': the run could not go on: {error.strerror}") from error
        self._take(ended)

    def record(self, result: RunResult) -> None:
        """Bring what was done into the catalog's history."""
        told = self._history.record(result)
        if told is not None:
            self._observer.noticed(told)

    def _client(self) -> str:
        """Name this machine's job at the far end, the same in each run."""
        client = self._ledger.recall(self._job.name, _CLIENT)
        if not client:
            client = os.urandom(8).hex()
            if not self._dry_run or self._saves_plan:
                self._ledger.remember(self._job.name, _CLIENT, client)
        return client

    def _order(self, client: str) -> Order:
        return Order(
            root=self._job.destination.beneath,
            client=client,
            job=self._job.name,
            ordered=ordered_job(self._job),
            dry_run=self._dry_run,
            saves_plan=self._saves_plan,
            approves=self._approves,
        )

    def _tell(self, told: Told) -> None:
        """Pass on what the far end tells."""
        match told:
            case AtStage():
                with contextlib.suppress(ValueError):  # of a later version
                    self._observer.stage(Stage(told.stage))
            case Figures():
                self._show(told)
            case Changed():
                change = change_of(told)
                self._observer.changed(change)
                if not self._changes_nothing:
                    self._history.note(change)
            case GivenUp():
                check_path(told.path)
                failure = Failure(told.path, self._in_our_words(told.reason))
                logger.warning("given up: '%s': %s", shown(failure.path), failure.reason)
                self._observer.failed(failure)
            case Noticed():
                self._observer.noticed(f"{self._job.destination.address}: {self._in_our_words(told.text)}")
            case Began() | Asked() | Ended():
                pass
            case _:
                assert_never(told)

    def _in_our_words(self, text: str) -> str:
        """Give what the far end says, with the name that the job has here."""
        return one_line(text).replace(self._far_name, self._job.name)

    def _show(self, figures: Figures) -> None:
        if figures.scanned is not None:
            self._observer.scanned(figures.scanned)
        if figures.operations_planned is not None:
            totals = Totals(operations=figures.operations_planned, bytes_to_copy=figures.bytes_planned or 0)
            self._observer.planned(totals)
        if figures.operations is not None:
            self._observer.progressed(figures.operations, figures.bytes_copied or 0)

    def _take(self, ended: Ended) -> None:
        """Take over how it ended.

        Raises:
            RunError: it ended early.
        """
        for name in self._counts.__struct_fields__:
            setattr(self._counts, name, min(max(0, ended.counts.get(name, 0)), _LARGEST_COUNT))
        error = self._in_our_words(ended.error or "the far end does not say why")
        match _outcome(ended.outcome):
            case Outcome.SUCCEEDED | Outcome.PARTIAL:
                return
            case Outcome.HELD:
                raise GuardTripped(error)
            case Outcome.SKIPPED:
                raise Skipped(error)
            case Outcome.CANCELLED:
                self._deadline.check()
                where = self._job.destination.address
                raise Cancelled(f"the run was ended at {where}: {error}", signal_number=None)
            case _:
                self._deadline.check()
                raise RunError(error)


def _outcome(name: str) -> Outcome:
    try:
        return Outcome(name)
    except ValueError:
        return Outcome.FAILED


@contextlib.contextmanager
def _held_open(source: LocalPlace) -> Iterator[None]:
    """Keep a root open, so that its file system cannot be unmounted unnoticed."""
    fd = open_root(source)
    try:
        yield
    finally:
        os.close(fd)

"""When people are told: once, again when it is another trouble or another day, and when it is over."""

from __future__ import annotations

import datetime
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.cli.output.told import ToldWords
from dirsync.model.change import Failure
from dirsync.model.job import Job
from dirsync.model.notifier import Notifier, Notify, Occasion, Secret, WebhookNotifier
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.notify.happening import EndedRun
from dirsync.runner import collecting
from dirsync.runner.collecting import Collecting
from dirsync.runner.ledger import open_ledger
from dirsync.runner.observer import Silent
from dirsync.runner.outbox import Outbox
from tests.jobs import Watched, sync_job
from tests.tidings import BEGUN_AT, created, deleted, result
from tests.webhooks import WebHook, web_hook

TROUBLES = frozenset({Occasion.FAILURE, Occasion.PARTIAL, Occasion.HELD, Occasion.STALE})


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with web_hook() as running:
        yield running


class Household:
    """A job whose runs are told, with the state that lasts from program to program."""

    def __init__(self, folder: Path, hook: WebHook) -> None:
        self.state = folder / "state"
        self.hook = hook
        self.unsent: list[str] = []  # what the log says to people of messages that were not sent
        self.on: frozenset[Occasion] = TROUBLES

    @property
    def job(self) -> Job:
        job = sync_job(self.state / "s", self.state / "d")
        return replace(job, name="photos", notify=(Notify(to="hook", on=self.on),))

    def outbox(self, *, pauses: tuple[float, ...] = (0.0, 0.0), **more: Notifier) -> Outbox:
        """Begin a program."""
        return Outbox(
            {"hook": WebhookNotifier(name="hook", url=Secret(self.hook.url)), **more},
            state=str(self.state),
            words=ToldWords(),
            mask=str,
            pauses=pauses,
        )

    def ended(self, ended: RunResult, *failed: bytes) -> list[str]:
        """Run the job once, in a program of its own; give the subjects of what was told."""

        def run(outbox: Outbox) -> None:
            observer = outbox.watching(self.job, Silent())
            for path in failed:
                observer.failed(Failure(path, "Permission denied"))
            observer.finished(ended)

        return self.told(run)

    def told(self, deed: Callable[[Outbox], None]) -> list[str]:
        """Do something in a program of its own; give the subjects of what was told."""
        before = len(self.hook.posted)
        outbox = self.outbox()
        deed(outbox)
        outbox.close(seconds=10, stop=Stop())
        return self.hook.subjects[before:]

    def let_pass(self, hours: float) -> None:
        """Have everything that was told be so much longer ago."""
        with open_ledger(str(self.state)) as ledger:
            for trouble in ("run", "stale"):
                key = f"told/{trouble}/hook"
                known = ledger.recall("photos", key)
                if known is not None:
                    signature, at = json.loads(known)
                    earlier = datetime.datetime.fromisoformat(at) - datetime.timedelta(hours=hours)
                    ledger.remember("photos", key, json.dumps([signature, earlier.isoformat()]))


class _ForPeople(logging.Handler):
    """Keeps the lines that people are shown, whatever runs go on."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if vars(record).get("for_people"):
            self._lines.append(record.getMessage())


@pytest.fixture
def household(tmp_path: Path, hook: WebHook) -> Iterator[Household]:
    house = Household(tmp_path, hook)
    for_people = _ForPeople(house.unsent)
    logger = logging.getLogger("dirsync.runner.outbox")
    logger.addHandler(for_people)
    yield house
    logger.removeHandler(for_people)


def failed(error: str = "'photos': source '/s' does not exist") -> RunResult:
    return result(outcome=Outcome.FAILED, error=error)


def partial(count: int) -> RunResult:
    return result(outcome=Outcome.PARTIAL, counts=Counts(failed=count))


DONE = result()
CHANGED = result(counts=Counts(created=2))


def test_the_same_failure_is_told_once(household: Household) -> None:
    assert household.ended(failed()) == ["photos: failed: source '/s' does not exist"]
    assert household.ended(failed()) == []
    assert household.ended(failed("'photos': another")) == ["photos: failed: another"]
    assert household.ended(failed()) == ["photos: failed: source '/s' does not exist"]


def test_the_same_failure_is_told_again_a_day_later(household: Household) -> None:
    household.ended(failed())
    household.let_pass(hours=21)
    assert household.ended(failed()) == []

    household.let_pass(hours=2)
    assert len(household.ended(failed())) == 1
    assert household.ended(failed()) == []


def test_the_same_paths_in_another_order_are_the_same_failure(household: Household) -> None:
    assert household.ended(partial(2), b"a", b"b") == ["photos: 2 failed"]
    assert household.ended(partial(2), b"b", b"a") == []
    assert household.ended(partial(2), b"a", b"c") == ["photos: 2 failed"]
    assert household.ended(partial(3), b"a", b"c", b"c") == ["photos: 3 failed"]


def test_a_plan_that_is_held_is_the_same_trouble_whatever_its_figures(household: Household) -> None:
    def held(error: str) -> RunResult:
        return result(outcome=Outcome.HELD, error=error)

    assert len(household.ended(held("max_delete: 1,020 of 2,000 entries (51.0%)"))) == 1
    assert household.ended(held("max_delete: 1,021 of 2,003 entries (51%)")) == []
    assert len(household.ended(held("min_free: 1.2 GB would be left"))) == 1


def test_success_after_a_failure_is_told_once(household: Household) -> None:
    household.ended(failed())

    assert household.ended(CHANGED) == ["photos: well again"]
    assert household.ended(CHANGED) == []
    assert household.ended(failed()) == ["photos: failed: source '/s' does not exist"]


def test_a_partial_run_after_a_failure_is_not_well(household: Household) -> None:
    household.on = frozenset({Occasion.FAILURE})
    household.ended(failed())

    assert household.ended(partial(1), b"a") == []
    assert household.ended(DONE) == ["photos: well again"]


def test_skipped_and_interrupted_runs_tell_nothing_and_end_nothing(household: Household) -> None:
    household.ended(failed())

    assert household.ended(result(outcome=Outcome.SKIPPED, error="busy")) == []
    assert household.ended(result(outcome=Outcome.CANCELLED, error="stopped")) == []
    assert household.ended(DONE) == ["photos: well again"]


@pytest.mark.parametrize(
    ("on", "ended", "told"),
    [
        (Occasion.SUCCESS, DONE, ["photos: nothing changed"]),
        (Occasion.SUCCESS, CHANGED, ["photos: 2 copied"]),
        (Occasion.CHANGES, DONE, []),
        (Occasion.CHANGES, CHANGED, ["photos: 2 copied"]),
        (Occasion.HELD, result(outcome=Outcome.HELD, error="too much"), ["photos: held: too much"]),
        (Occasion.HELD, failed(), []),
        (Occasion.FAILURE, partial(1), []),
    ],
)
def test_a_notifier_is_told_of_what_it_is_declared_for(
    household: Household, on: Occasion, ended: RunResult, told: list[str]
) -> None:
    household.on = frozenset({on})

    assert household.ended(ended) == told


def test_every_success_is_told_where_that_is_asked_for(household: Household) -> None:
    household.on = frozenset({Occasion.SUCCESS, Occasion.CHANGES})

    assert [household.ended(CHANGED) for _ in range(2)] == [["photos: 2 copied"]] * 2


def test_what_was_not_taken_counts_as_not_told(household: Household) -> None:
    household.hook.answers = [(403, {})]

    assert household.ended(failed()) == []
    assert household.unsent == [
        f"message not sent: 'hook': {household.hook.url} refused the message: 403 Forbidden"
    ]
    assert household.ended(failed()) == ["photos: failed: source '/s' does not exist"]

    household.hook.answers = [(500, {})] * 3
    assert household.ended(DONE) == []
    assert household.ended(DONE) == ["photos: well again"]


def test_what_may_pass_is_tried_three_times(household: Household) -> None:
    household.hook.answers = [(503, {}), (500, {})]

    assert household.ended(failed()) == ["photos: failed: source '/s' does not exist"]
    assert household.unsent == []


def test_a_ledger_that_cannot_be_used_keeps_nobody_from_being_told(household: Household) -> None:
    """Neither does it have the same told by every run of one program."""
    household.state.mkdir()
    (household.state / "ledger.db").write_bytes(b"no database" * 1_000)
    broken = failed("ledger 'x' is corrupt")

    def runs(outbox: Outbox) -> None:
        for _ in range(3):
            outbox.watching(household.job, Silent()).finished(broken)

    assert household.told(runs) == ["photos: failed: ledger 'x' is corrupt"]


def test_a_stale_job_is_told_once_and_when_it_is_over(household: Household) -> None:
    def stale(outbox: Outbox, *, over: bool = False) -> None:
        outbox.stale(household.job, last_success_at=BEGUN_AT, stale_after_seconds=3600, over=over)

    first = household.told(stale)
    assert len(first) == 1
    assert first[0].startswith("photos: stale: no success for ")
    assert household.told(stale) == []

    assert household.told(lambda outbox: stale(outbox, over=True)) == ["photos: well again"]
    assert household.told(lambda outbox: stale(outbox, over=True)) == []
    assert household.ended(DONE) == []


def test_a_stale_job_and_its_failure_are_over_together(household: Household) -> None:
    household.ended(failed())
    household.told(
        lambda outbox: outbox.stale(household.job, last_success_at=None, stale_after_seconds=3600, over=False)
    )

    assert household.ended(DONE) == ["photos: well again"]
    assert (
        household.told(
            lambda outbox: outbox.stale(
                household.job, last_success_at=BEGUN_AT, stale_after_seconds=3600, over=True
            )
        )
        == []
    )


def test_two_declarations_for_one_notifier_are_one_message(household: Household) -> None:
    job = replace(
        household.job,
        notify=(
            Notify(to="hook", on=frozenset({Occasion.SUCCESS})),
            Notify(to="hook", on=frozenset({Occasion.CHANGES})),
        ),
    )

    assert household.told(lambda outbox: outbox.watching(job, Silent()).finished(CHANGED)) == [
        "photos: 2 copied"
    ]


def test_a_notifier_that_hangs_holds_up_no_other_and_not_the_end(household: Household) -> None:
    with web_hook() as slow:
        slow.delay_seconds = 60
        outbox = household.outbox(slow=WebhookNotifier(name="slow", url=Secret(slow.url)))
        notify = (Notify(to="slow"), Notify(to="hook"))
        begun_at = time.monotonic()
        outbox.watching(replace(household.job, notify=notify), Silent()).finished(failed())
        took_seconds = time.monotonic() - begun_at
        outbox.close(seconds=0.5, stop=Stop())

        assert took_seconds < 0.5
        assert time.monotonic() - begun_at < 10
        assert household.hook.subjects == ["photos: failed: source '/s' does not exist"]
        assert household.unsent == ["message not sent: 'slow': it took too long"]


def test_a_request_to_stop_ends_the_waiting(household: Household) -> None:
    household.hook.answers = [(503, {})] * 10
    stop = Stop()
    outbox = household.outbox(pauses=(60.0,))
    outbox.watching(household.job, Silent()).finished(failed())
    threading.Timer(0.2, stop.request, args=(15,)).start()
    begun_at = time.monotonic()

    outbox.close(seconds=60, stop=stop)

    assert time.monotonic() - begun_at < 10
    assert len(household.unsent) == 1


# What is kept of a run


def collected(deed: Callable[[Collecting], None]) -> tuple[EndedRun, Watched]:
    ended: list[EndedRun] = []
    inner = Watched()
    observer = Collecting(inner, ended=ended.append)
    deed(observer)
    observer.finished(DONE)
    return ended[0], inner


def test_only_so_much_is_kept_of_a_run_and_the_rest_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "KEPT", 3)

    def much(observer: Collecting) -> None:
        for number in range(10):
            observer.changed(created(b"new%d" % number))
        for number in range(5):
            observer.changed(deleted(b"old%d" % number))
            observer.failed(Failure(b"bad%d" % number, "no"))

    run, inner = collected(much)

    kept = run.kept
    assert [len(kept.failures), len(kept.deletions), len(kept.others)] == [3, 3, 3]
    assert (kept.failure_count, kept.deletion_count, kept.other_count) == (5, 5, 10)
    assert (len(inner.changes), len(inner.failures)) == (15, 5)


def test_a_job_that_tells_nobody_keeps_nothing(household: Household) -> None:
    inner = Silent()

    assert household.outbox().watching(replace(household.job, notify=()), inner) is inner

"""A daemon killed at random and started again: its ledger is true, its locks are free."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dirsync.model.result import Outcome
from dirsync.runner.ledger import RecordedRun, open_ledger
from tests.program import CHECKOUT
from tests.small_daemon import INTERVALS

KILLS = int(os.environ.get("DIRSYNC_EXAMPLES", "12"))


@contextmanager
def daemon(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give a small daemon; what it says goes to a file beside its state."""
    with (
        (state.parent / "said").open("ab") as said,
        subprocess.Popen(
            [sys.executable, "-m", "tests.small_daemon", str(state)], cwd=CHECKOUT, stderr=said
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def killed_at_random(state: Path, *, times: int, seed: int) -> list[datetime]:
    """Start the daemon and kill it, again and again; return the moments of the kills."""
    random_ = random.Random(seed)
    moments = []
    for _ in range(times):
        with daemon(state) as process:
            time.sleep(random_.uniform(0.3, 2.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(datetime.now(UTC))
    return moments


def stopped_in_order(state: Path, *, after_seconds: float) -> float:
    """Start the daemon, stop it, and return how long that took."""
    with daemon(state) as process:
        time.sleep(after_seconds)
        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        return time.monotonic() - asked_at


def recorded(state: Path, name: str) -> list[RecordedRun]:
    with open_ledger(str(state)) as ledger:
        return ledger.runs(name, limit=100_000)[::-1]


def end_of(run: RecordedRun, kills: list[datetime]) -> datetime:
    """Give when a run ended; one that was cut off ended with the next kill."""
    return run.finished_at or min(kill for kill in kills if kill >= run.started_at)


def test_ledger_of_a_daemon_killed_at_random_is_true(tmp_path: Path) -> None:
    """Every run begun is finished or closed, none overlap, none comes early, none is lost."""
    state = tmp_path / "state"
    kills = killed_at_random(state, times=KILLS, seed=7)
    took = stopped_in_order(state, after_seconds=3)

    assert took < 5
    said = (tmp_path / "said").read_text()
    assert said.count("Traceback") == said.count("'failing' broke off")
    crashed = 0
    for name, interval in INTERVALS.items():
        runs = recorded(state, name)
        crashed += sum(run.outcome is Outcome.CRASHED for run in runs)
        assert all(run.outcome is not None for run in runs), name
        assert len(runs) > KILLS / 2
        for before, after in itertools.pairwise(runs):
            assert after.started_at >= end_of(before, kills), "two at once"
            assert after.started_at - before.started_at >= timedelta(seconds=interval), "too early"
    assert crashed > 0  # else nothing was put to the test


def test_orderly_stop_leaves_nothing_unfinished(tmp_path: Path) -> None:
    """SIGTERM lets runs end, within five seconds."""
    took = stopped_in_order(tmp_path / "state", after_seconds=1.5)

    assert took < 5
    for name in INTERVALS:
        assert all(run.outcome is not None for run in recorded(tmp_path / "state", name))

"""The daemon under a stepped clock, killed at random: nothing lost, doubled or overlapping.

`python benchmarks/daemon_soak.py --seconds 600` starts `python run.py -c jobs.yaml`
with three jobs of different schedules under libfaketime (Debian: faketime), sets its
clock forwards and back by up to a day while it runs, kills it with SIGKILL and starts
it again, and then audits the ledger. Exit code 0: the ledger is true.

The audit works in real time: a recorded moment is what the faked clock showed, and
which setting of the clock it belongs to follows from the order of the runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from dirsync.model.result import Outcome
from dirsync.runner.ledger import RecordedRun, open_ledger

CHECKOUT = Path(__file__).parents[1]
STEPS = (3600, -1800, 45, -45, 86400, -86400, 7, -7, 600, -600)  # seconds
FILES = 400  # a job, so that a run takes a moment
SLACK_SECONDS = 4.0  # a loaded machine's start of a process, and one look around


class Turn(NamedTuple):
    """How often a job should run, in real seconds."""

    shortest: float
    longest: float


JOBS: dict[str, tuple[dict[str, object], Turn]] = {
    "interval": ({"interval": "7s"}, Turn(7, 7)),
    "jittered": ({"schedule": {"every": "20s", "jitter": "5s"}}, Turn(20, 25)),
    "cron": ({"schedule": {"cron": "* * * * *", "timezone": "Europe/Berlin"}}, Turn(0, 60)),
}


@dataclass(kw_only=True)
class History:
    """What was done to the daemon; real seconds since 1970."""

    settings: list[tuple[float, float]] = field(default_factory=list)  # moment, error of the clock
    ups: list[float] = field(default_factory=list)
    downs: list[float] = field(default_factory=list)  # as many as ups, once it has ended

    def steps_within(self, begin: float, end: float) -> list[float]:
        """List by how much the clock was set between two moments."""
        pairs = itertools.pairwise(self.settings)
        return [after[1] - before[1] for before, after in pairs if begin - 1 <= after[0] <= end + 1]

    def seconds_down_within(self, begin: float, end: float) -> float:
        """Measure how long no daemon ran between two moments."""
        gaps = zip(self.downs, self.ups[1:], strict=False)
        return sum(max(0.0, min(up, end) - max(down, begin)) for down, up in gaps)


class Soak:
    """One daemon, its clock and its jobs, in a directory of their own."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder = folder
        self.history = History()
        self._random = random.Random(seed)
        self._clock = folder / "clock"
        self._declare()
        self._set_clock(0.0)

    @property
    def state(self) -> str:
        """The state directory."""
        return str(self.folder / "state")

    def run(self, seconds: float, *, kill_every: float, step_every: float) -> tuple[int, float]:
        """Let it live and die; return the exit code of its orderly end and how long that took."""
        ends_at = time.time() + seconds
        next_step = time.time() + self._random.expovariate(1 / step_every)
        process = self._start()
        next_kill = time.time() + self._random.expovariate(1 / kill_every)
        while time.time() < ends_at:
            time.sleep(0.05)
            if time.time() >= next_step:
                self._set_clock(self.history.settings[-1][1] + self._random.choice(STEPS))
                self._change_a_source()
                next_step = time.time() + self._random.expovariate(1 / step_every)
            if time.time() >= next_kill:
                if self._random.random() < 0.7:
                    self._wait_for_a_run()
                self._end(process, signal.SIGKILL)
                time.sleep(self._random.uniform(0, 3))
                process = self._start()
                next_kill = time.time() + self._random.expovariate(1 / kill_every)
        self._set_clock(self.history.settings[-1][1])
        time.sleep(10)  # each job that was cut off runs again and closes its row
        asked_at = time.monotonic()
        return self._end(process, signal.SIGTERM), time.monotonic() - asked_at

    def runs(self, job: str) -> list[RecordedRun]:
        """Read all runs of a job, oldest first."""
        with open_ledger(self.state) as ledger:
            return ledger.runs(job, limit=1_000_000)[::-1]

    def _declare(self) -> None:
        jobs = {}
        for name, (timing, _) in JOBS.items():
            source = self.folder / name / "source"
            source.mkdir(parents=True)
            for number in range(FILES):
                (source / f"{number}.txt").write_text(f"{name} {number}\n")
            jobs[name] = {"source": str(source), "destination": str(self.folder / name / "mirror"), **timing}
        declaration = {"version": 1, "state": self.state, "jobs": jobs}
        (self.folder / "jobs.yaml").write_text(json.dumps(declaration))

    def _change_a_source(self) -> None:
        name = self._random.choice(list(JOBS))
        for number in self._random.sample(range(FILES), k=FILES // 4):
            (self.folder / name / "source" / f"{number}.txt").write_bytes(self._random.randbytes(5000))

    def _wait_for_a_run(self) -> None:
        """Wait until the frequent job is at work, and a moment longer, so that a kill hits it."""
        for number in range(FILES):
            (self.folder / "interval" / "source" / f"{number}.txt").write_bytes(self._random.randbytes(5000))
        give_up_at = time.time() + 20
        with open_ledger(self.state) as ledger:
            while time.time() < give_up_at:
                last = ledger.last_run("interval")
                if last is not None and last.outcome is None:
                    break
                time.sleep(0.005)
        time.sleep(self._random.uniform(0, 0.15))

    def _set_clock(self, wrong_by: float) -> None:
        new = self._clock.with_suffix(".new")
        new.write_text(f"{wrong_by:+.0f}\n")
        new.rename(self._clock)
        self.history.settings.append((time.time(), wrong_by))

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "LD_PRELOAD": _faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        command = [sys.executable, str(CHECKOUT / "run.py"), "-c", str(self.folder / "jobs.yaml")]
        with (self.folder / "said").open("ab") as said:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL
            )
        self.history.ups.append(time.time())
        return process

    def _end(self, process: subprocess.Popen[bytes], number: signal.Signals) -> int:
        if process.poll() is not None:
            raise SystemExit(f"the daemon ended by itself with {process.returncode}; see {self.folder}/said")
        process.send_signal(number)
        code = process.wait()
        self.history.downs.append(time.time())
        return code


class Span(NamedTuple):
    """One run in real time."""

    begin: float
    end: float


def real_spans(runs: Sequence[RecordedRun], history: History, turn: Turn) -> list[Span]:
    """Find when the runs of one job, oldest first, really were."""
    spans: list[Span] = []
    for run in runs:
        begin = real_begin(run, history, turn, before=spans[-1] if spans else Span(0.0, 0.0))
        if run.finished_at is None:  # cut off, by the next kill
            end = next(down for down in history.downs if down >= begin)
        else:
            end = known(next(real_moments(run.finished_at, history, earliest=begin), None), run.finished_at)
        spans.append(Span(begin, end))
    return spans


def real_begin(run: RecordedRun, history: History, turn: Turn, *, before: Span) -> float:
    """Find when a run really began: after the one before it had ended, if any reading allows that.

    A clock that is set back shows some times twice. By 7 s while a run is due every 7 s,
    it shows at the next start what it showed when it was set: of two such readings, one
    of them a run too many, the other is the true one.
    """
    moments = list(real_moments(run.started_at, history, earliest=before.end))
    moments = moments or list(real_moments(run.started_at, history, earliest=before.begin))
    in_time = (moment for moment in moments if not came_early(turn, before.begin, moment, history))
    return known(next(in_time, moments[0] if moments else None), run.started_at)


def real_moments(shown: datetime, history: History, *, earliest: float) -> Iterator[float]:
    """Give the moments, from `earliest` on, at which the faked clock showed a time."""
    ends = [moment for moment, _ in history.settings[1:]] + [float("inf")]
    for (begin, wrong_by), end in zip(history.settings, ends, strict=True):
        moment = shown.timestamp() - wrong_by
        if begin - 0.25 <= moment <= end + 0.25 and moment >= earliest - 0.001:
            yield moment


def known(moment: float | None, shown: datetime) -> float:
    """Give a moment that must be there."""
    if moment is None:
        raise SystemExit(f"the clock never showed {shown} when it should have")
    return moment


def problems_of(job: str, runs: Sequence[RecordedRun], history: History) -> list[str]:
    """Say what is wrong with a job's runs; nothing, if the ledger is true."""
    problems = [f"run {run.run_id} was never closed" for run in runs if run.outcome is None]
    good = {Outcome.SUCCEEDED, Outcome.CRASHED, Outcome.SKIPPED, Outcome.CANCELLED, None}
    problems += [f"run {run.run_id} {run.outcome}: {run.error}" for run in runs if run.outcome not in good]
    spans = real_spans(runs, history, JOBS[job][1])
    for number, (before, after) in enumerate(itertools.pairwise(spans)):
        which = f"runs {runs[number].run_id} and {runs[number + 1].run_id}"
        if after.begin < before.end - 0.001:
            problems.append(f"{which} overlap")
        if came_early(JOBS[job][1], before.begin, after.begin, history):
            problems.append(f"{which} are {after.begin - before.begin:.1f} s apart: one is too many")
    starts = [history.ups[0], *(span.begin for span in spans), history.downs[-1]]
    problems += [
        f"no run for {after - before:.1f} s after {datetime.fromtimestamp(before, UTC)}: one was lost"
        for before, after in itertools.pairwise(starts)
        if came_late(JOBS[job][1], before, after, history)
    ]
    return problems + doubled_minutes(runs if job == "cron" else (), history)


def came_late(turn: Turn, before: float, after: float, history: History) -> bool:
    """Whether the time between two starts is longer than the schedule and the clock allow."""
    steps = history.steps_within(before, after)
    behind = sum(min(-step, turn.longest) for step in steps if step < 0)
    down = history.seconds_down_within(before, after)
    return after - before > turn.longest + behind + down + SLACK_SECONDS


def came_early(turn: Turn, before: float, after: float, history: History) -> bool:
    """Whether the time between two starts is shorter than that; a cron line has no such time."""
    ahead = sum(step for step in history.steps_within(before, after) if step > 0)
    return after - before < turn.shortest - ahead - 0.1


def doubled_minutes(runs: Sequence[RecordedRun], history: History) -> list[str]:
    """Find minutes of one and the same setting of the clock that had two starts."""
    moments = [span.begin for span in real_spans(runs, history, JOBS["cron"][1])]
    setting = [sum(begin <= moment + 0.5 for begin, _ in history.settings) for moment in moments]
    minutes = Counter(zip(setting, (f"{run.started_at:%d %H:%M}" for run in runs), strict=True))
    return [f"minute {minute} had {count} starts" for (_, minute), count in minutes.items() if count > 1]


def report(soak: Soak) -> list[str]:
    """Print the table; return every problem."""
    everything = []
    print(f"{'job':10}{'runs':>6}{'succeeded':>11}{'crashed':>9}{'skipped':>9}{'gap, s':>16}  problems")
    for job in JOBS:
        runs = soak.runs(job)
        problems = problems_of(job, runs, soak.history)
        outcomes = Counter(run.outcome for run in runs)
        starts = [span.begin for span in real_spans(runs, soak.history, JOBS[job][1])]
        gaps = [after - before for before, after in itertools.pairwise(starts)] or [0.0]
        counts = [outcomes[outcome] for outcome in (Outcome.SUCCEEDED, Outcome.CRASHED, Outcome.SKIPPED)]
        print(
            f"{job:10}{len(runs):>6}{counts[0]:>11}{counts[1]:>9}{counts[2]:>9}"
            f"{min(gaps):>8.1f}{max(gaps):>8.1f}  {len(problems)}"
        )
        everything += [f"{job}: {problem}" for problem in problems]
    return everything


def _faketime_library() -> str:
    found = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
    if not found:
        raise SystemExit("libfaketime is not here; apt-get install faketime")
    return str(found[0])


def main() -> int:
    """Run the soak and audit it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--kill-every", type=float, default=25, help="mean seconds between kills")
    parser.add_argument("--step-every", type=float, default=15, help="mean seconds between clock steps")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="daemon_soak."))
    soak = Soak(folder, seed=chosen.seed)
    code, took = soak.run(chosen.seconds, kill_every=chosen.kill_every, step_every=chosen.step_every)
    history = soak.history
    print(
        f"{timedelta(seconds=round(chosen.seconds))} from {datetime.now(UTC):%Y-%m-%d}, seed {chosen.seed}: "
        f"{len(history.downs) - 1} kills, {len(history.settings) - 2} steps of the clock; "
        f"ended by SIGTERM with {code} in {took:.1f} s; {folder}"
    )
    problems = report(soak)
    if code != 128 + signal.SIGTERM or took > 5:
        problems.append(f"the daemon ended with {code} after {took:.1f} s")
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""Timing whole processes side by side: A B C, B C A, C A B, so that drift hits all alike.

A round is one run of each contender, in an order that turns. Only runs of one round are
compared. A round in which something else used the machine is spoiled: it is dropped and
done again. Where too few rounds stay clean, the least spoiled are taken as well, chosen by
what others used and never by what was measured, and the result says so.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import CHECKOUT, Contender
from benchmarks.descendants import adopt_orphans, await_children, children, user_seconds
from benchmarks.scenarios import Scenario

FOREIGN_SHARE = 0.10  # of one processor: more than this used by others during a run spoils its round
FOREIGN_FLOOR_SECONDS = 0.03  # so little is nothing: /proc/stat counts in ticks of 10 ms
ATTEMPTS = 2  # rounds tried, at most, for each one wanted
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"  # where it is set, Python compiles this program anew each time
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One run."""

    elapsed_seconds: float
    foreign_seconds: float  # processor time that others used meanwhile, steal included

    @property
    def foreign_share(self) -> float:
        """What others used, as a share of one processor; 0 for what the clock cannot tell."""
        return (
            0.0
            if self.foreign_seconds <= FOREIGN_FLOOR_SECONDS
            else self.foreign_seconds / self.elapsed_seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One run of each contender, by name."""

    timings: dict[str, Timing]

    @property
    def foreign_share(self) -> float:
        """What others used in the run that they disturbed most."""
        return max(timing.foreign_share for timing in self.timings.values())

    @property
    def spoiled(self) -> bool:
        """Whether the round says more about the machine than about the contenders."""
        return self.foreign_share > FOREIGN_SHARE

    def seconds(self, name: str) -> float:
        """Give how long one contender took."""
        return self.timings[name].elapsed_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a scenario."""

    scenario: Scenario
    rounds: list[Round]  # those kept
    tried: int

    @property
    def spoiled(self) -> int:
        """How many of the kept rounds are spoiled."""
        return sum(each.spoiled for each in self.rounds)


class UnequalWork(Exception):
    """A contender failed, or left another tree than the source."""


def measure(scenario: Scenario, among: list[Contender], *, source: Path, workplace: Path) -> Measured:
    """Run rounds until enough are clean, or enough were tried; the first only warms up.

    Raises:
        UnequalWork: a contender's command failed.
    """
    adopt_orphans()
    _round(scenario, among, source=source, workplace=workplace, number=0)
    tried: list[Round] = []
    while len(tried) < ATTEMPTS * scenario.rounds and _clean(tried) < scenario.rounds:
        number = len(tried) + 1
        order = _turned(among, number)
        tried.append(_round(scenario, order, source=source, workplace=workplace, number=number))
    kept = sorted(tried, key=lambda each: each.foreign_share)[: scenario.rounds]
    return Measured(scenario=scenario, rounds=kept, tried=len(tried))


def _clean(rounds: list[Round]) -> int:
    return sum(not each.spoiled for each in rounds)


def _turned(among: list[Contender], number: int) -> list[Contender]:
    first = number % len(among)
    return among[first:] + among[:first]


def _round(
    scenario: Scenario, among: list[Contender], *, source: Path, workplace: Path, number: int
) -> Round:
    scenario.before_round(source, number)
    timings = {}
    for contender in among:
        destination = destination_of(contender, workplace)
        scenario.before_run(destination)
        if scenario.first_copy or number == 0:
            contender.forget()
        if scenario.first_copy or scenario.change is not None:
            os.sync()
        timings[contender.name] = _timed(contender, contender.command(source, destination))
    return Round(timings=timings)


def destination_of(contender: Contender, workplace: Path) -> Path:
    """Give the directory that is a contender's own."""
    return workplace / f"to-{contender.name}"


def _timed(contender: Contender, command: list[str]) -> Timing:
    standing = children()
    busy_before, own_before = _busy_seconds(), user_seconds()
    inherited = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    environment = {**inherited, **contender.environment}
    began_at = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd=CHECKOUT
    )
    elapsed = time.perf_counter() - began_at
    await_children(besides=standing)
    foreign = _busy_seconds() - busy_before - (user_seconds() - own_before)
    if done.returncode:
        raise UnequalWork(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return Timing(elapsed_seconds=elapsed, foreign_seconds=foreign)


def _busy_seconds() -> float:
    """Give the processor time that user processes and other machines took since boot.

    System time is left out: it holds the kernel's own threads, which write back what
    the contender itself wrote. Source: proc_stat(5).
    """
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, steal = int(fields[0]), int(fields[1]), int(fields[7])
    return (user + nice + steal) * _TICK_SECONDS

"""All the sweeps, long, and a table of what they found: `python -m tests.sweeps [NAME…]`.

A sweep that reaches fewer points than asked for has failed, as has one that finds a
violation. `DIRSYNC_SWEEP_KILL=500`, say, asks for another number of points (for the
race: seconds a kind), `DIRSYNC_SWEEP_WORKERS` for another number of processes than two.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial

from tests.sweeps.error import sweep_errors
from tests.sweeps.images import Cut, FileSystem
from tests.sweeps.kill import sweep_double_kills, sweep_kills
from tests.sweeps.power_cut import SYNCED_FILES, sweep_power_cuts, sweep_synced
from tests.sweeps.race import KINDS, seconds_until_control_loses, sweep_race
from tests.sweeps.refusal import sweep_refusals
from tests.sweeps.scenarios import SCENARIOS, Scenario, drawn, keeping_versions
from tests.sweeps.tally import Tally, asked_of

Part = Callable[[], Tally]

_EVERY_OPERATION = 1_000  # more than any scenario has
_SHOWN_VIOLATIONS = 20
_CONTROL_PATIENCE_SECONDS = 10.0


def main(names: list[str]) -> int:
    """Run the sweeps that are named, or all; give the exit code."""
    unknown = [name for name in names if name not in SWEEPS]
    if unknown:
        print(f"no sweep is named '{unknown[0]}'; there are: {', '.join(SWEEPS)}", file=sys.stderr)
        return 2
    logging.disable(logging.CRITICAL)  # runs that fail are what this is about
    print(f"{'sweep':<34}{'points':>10}{'violations':>12}{'seconds':>9}", flush=True)
    found = [_shown(tally) for name in names or SWEEPS for tally in SWEEPS[name]()]
    for violation in [violation for tally in found for violation in tally.violations][:_SHOWN_VIOLATIONS]:
        print(violation)
    return 0 if all(tally.is_good for tally in found) else 1


def _shown(tally: Tally) -> Tally:
    """Print a sweep's row, and what it says besides."""
    row = f"{tally.sweep:<34}{tally.points:>10,}{len(tally.violations):>12,}{tally.seconds:>9,.0f}"
    short = f"   fewer than the {tally.asked:,} asked for" if tally.points < tally.asked else ""
    print(row + short, *(f"  {note}" for note in tally.notes), sep="\n", flush=True)
    return tally


def _scenarios() -> Iterator[Scenario]:
    """Give those with names, then drawn ones without end."""
    yield from SCENARIOS
    yield from map(keeping_versions, SCENARIOS)
    yield from map(drawn, itertools.count())


def _kills() -> Iterator[Tally]:
    parts = (partial(sweep_kills, scenario, at_most=_EVERY_OPERATION) for scenario in _scenarios())
    yield _swept("kill", parts, asked=asked_of("kill", usual=100_000))


def _double_kills() -> Iterator[Tally]:
    parts = (partial(sweep_double_kills, scenario, at_most=12, again_at_most=12) for scenario in _scenarios())
    yield _swept("kill twice", parts, asked=asked_of("twice", usual=5_000))


def _refusals() -> Iterator[Tally]:
    parts = (partial(sweep_refusals, scenario, at_most=40) for scenario in _scenarios())
    yield _swept("refused", parts, asked=asked_of("refused", usual=10_000))


def _power_cuts() -> Iterator[Tally]:
    for file_system, how in itertools.product(FileSystem, Cut):
        parts = (
            partial(sweep_power_cuts, [scenario], file_system=file_system, how=how, each_at_most=60)
            for scenario in _scenarios()
        )
        name = f"power cut, {file_system.type_name}, flag {how.value}"
        yield _swept(name, parts, asked=asked_of("cut", usual=5_000))


def _synced() -> Iterator[Tally]:
    for file_system, how in itertools.product(FileSystem, Cut):
        part = partial(sweep_synced, file_system=file_system, how=how)
        yield _swept(f"synced, {file_system.type_name}, flag {how.value}", iter([part]), asked=SYNCED_FILES)


def _errors() -> Iterator[Tally]:
    asked = asked_of("error", usual=5_000)
    shares = asked_of("workers", usual=2)
    parts = (partial(sweep_errors, asked=asked, share=share, shares=shares) for share in range(shares))
    yield _swept("error", parts, asked=asked)


def _machine() -> Iterator[Tally]:
    from tests.sweeps.machine import sweep_sequences  # here: hypothesis would make every fork dearer

    asked = asked_of("machine", usual=2_000)
    yield _swept("state machine", iter([partial(sweep_sequences, asked=asked)]), asked=asked)


def _race() -> Iterator[Tally]:
    """Race one kind after the other: the attacker needs a processor of his own."""
    seconds = asked_of("race", usual=60)
    control = Tally(sweep="symlink race, control by paths", asked=1)
    control.seconds = seconds_until_control_loses(patience_seconds=_CONTROL_PATIENCE_SECONDS) or 0.0
    control.points = int(control.seconds > 0)
    control.notes.append(f"it loses after {control.seconds:.3f} s")
    yield control
    for kind in KINDS:
        part = partial(sweep_race, kind, seconds=seconds)
        yield _swept(f"symlink race, {kind}", iter([part]), asked=1)


def _swept(name: str, parts: Iterator[Part], *, asked: int) -> Tally:
    """Run parts side by side until enough points were made; each part is finished."""
    total = Tally(sweep=name, asked=asked)
    began_at = time.monotonic()
    workers = asked_of("workers", usual=2)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as executor:
        running: set[Future[Tally]] = {executor.submit(part) for part in itertools.islice(parts, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
            if total.points < asked:
                running |= {executor.submit(part) for part in itertools.islice(parts, len(done))}
    total.seconds = time.monotonic() - began_at
    return total


SWEEPS: dict[str, Callable[[], Iterator[Tally]]] = {
    "kill": _kills,
    "twice": _double_kills,
    "refused": _refusals,
    "cut": _power_cuts,
    "synced": _synced,
    "error": _errors,
    "machine": _machine,
    "race": _race,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

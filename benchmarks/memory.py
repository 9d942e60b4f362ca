"""Peak memory of all processes together: `python -m benchmarks.memory [--entries N N] [--at DIRECTORY]`.

Of two trees, the second larger: a first copy, then runs that find nothing to do, by this program
and by rsync. Memory is looked at every few milliseconds, which slows what is measured, so nothing
is timed here.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import CHECKOUT, Asked, Contender, contenders
from benchmarks.descendants import adopt_orphans, resident_bytes
from benchmarks.measure import UnequalWork, destination_of
from benchmarks.report import Section
from benchmarks.trees import Shape, build

_LOOK_EVERY_SECONDS = 0.01
_RUNS = 3  # that find nothing to do: the largest counts
_MB = 1_000_000
ENTRIES = (320_000, 1_000_000)
GROWTH_ALLOWED = 1.2
UNCHANGED_ALLOWED_BYTES = 120 * _MB


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--entries", type=int, nargs=2, default=ENTRIES, metavar="N")
    parser.add_argument("--at", type=Path, default=CHECKOUT / "benchmarks" / "work", metavar="DIRECTORY")
    asked = parser.parse_args()
    found = section(asked.at.absolute(), asked.entries)
    print(found.text)
    return 0 if found.is_met else 1


def section(workplace: Path, entries: Sequence[int] = ENTRIES) -> Section:
    """Measure two trees, the second larger.

    Raises:
        UnequalWork: a program failed.
    """
    adopt_orphans()
    smaller, larger = (_peaks(each, workplace) for each in entries)
    rows = [
        f"| {count:,} | {name} | {first / _MB:.0f} | {later / _MB:.0f} |"
        for count, peaks in zip(entries, (smaller, larger), strict=True)
        for name, (first, later) in peaks.items()
    ]
    bars = _bars(smaller, larger)
    lines = [
        "| entries | program | first copy, MB | unchanged, MB |",
        "|---|---|---|---|",
        *rows,
        "",
        *(f"- {told}: {'met' if is_met else '**not met**'}." for told, is_met in bars),
    ]
    return Section("\n".join(lines) + "\n", all(is_met for _, is_met in bars))


def _peaks(entries: int, workplace: Path) -> dict[str, tuple[int, int]]:
    """Give the peaks of each program in bytes: of a first copy, and of a run with nothing to do."""
    place = workplace / "memory"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        build(place / "source", Shape(files=entries * 31 // 32, largest_bytes=64))  # about so many
        found = {}
        for contender in contenders(place, Asked(peers=("rsync",))):
            destination_of(contender, place).mkdir()
            first, *later = (_peak(contender, place) for _ in range(1 + _RUNS))
            found[contender.name] = (first, max(later))
        return found
    finally:
        shutil.rmtree(place)


def _peak(contender: Contender, place: Path) -> int:
    command = contender.command(place / "source", destination_of(contender, place))
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=CHECKOUT) as process:
        while process.poll() is None:
            peak = max(peak, resident_bytes())
            time.sleep(_LOOK_EVERY_SECONDS)
    if process.returncode:
        raise UnequalWork(f"{contender.name}: exit {process.returncode}")
    return peak


def _bars(smaller: dict[str, tuple[int, int]], larger: dict[str, tuple[int, int]]) -> list[tuple[str, bool]]:
    """Give each bar in words, and whether it is met."""
    (_, few), (first, many) = smaller["dirsync"], larger["dirsync"]
    bars = [
        (
            f"unchanged, it grows {many / few:.2f} times, allowed are {GROWTH_ALLOWED}",
            many < GROWTH_ALLOWED * few,
        ),
        (
            f"unchanged, it takes {many / _MB:.0f} MB, allowed are {UNCHANGED_ALLOWED_BYTES / _MB:.0f}",
            many < UNCHANGED_ALLOWED_BYTES,
        ),
    ]
    if "rsync" in larger:
        allowed = larger["rsync"][0]
        told = f"a first copy takes {first / _MB:.0f} MB, allowed are rsync's {allowed / _MB:.0f}"
        bars.append((told, first <= allowed))
    return bars


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnequalWork as error:
        sys.exit(f"no result: {error}")

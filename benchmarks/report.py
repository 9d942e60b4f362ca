"""The page that says what was measured, on what, and how to do it again."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import Contender
from benchmarks.measure import ATTEMPTS, FOREIGN_FLOOR_SECONDS, FOREIGN_SHARE, Measured


class Section(NamedTuple):
    """What was found, as a part of the page."""

    text: str
    is_met: bool  # each bar in it


_PAGE = """# Benchmarks

Written by `make bench`; run it again to compare on your machine.

## How it is measured

Whole processes, by the clock on the wall. A round runs every program once; the order turns from
round to round (A B C, B C A, …), and a ratio compares two runs of one round. One round warms the
page cache up and is not counted. A round is spoiled, dropped and done again if, during one of its
runs, other processes or other machines on the same host used more than {share:.0%} of a processor (and
more than {floor:.0f} ms). At most {attempts} rounds are tried for each one wanted; where fewer stay
clean, the least spoiled are taken as well, by what others used and never by what was measured, and the
table says so. Each program has a destination of its own. Where it has to copy, the destination is reset
and the disk is synced before each run, outside the measured time. After the last round every destination
is compared with the source: names, kinds, sizes, contents and the mtimes of files must agree, or there is
no result.

Programs that keep a catalog start without one in the first round, and before each first scan. PostgreSQL
is one server for all who use it, Debian's as it comes but for `shared_buffers=1GB` and `max_wal_size=4GB`;
its processor time counts as theirs. After the last round each must have as many entries on record as the
source has. delta-tracker (`benchmarks/delta_tracker.py`) is fs-delta-tracker's method, written from its
description: rows as text through one COPY, and one merge that writes every row again. `--lean` does
the same work as fast as that goes: binary COPY from each process, and only rows that differ are
written. The stat walk (`benchmarks/stat_walk.py`) keeps nothing: it is what a scan in Python, with
all it sees thrown away, comes to.

Some contenders keep nothing, and show what a part of the work costs. The limit (`benchmarks/limit.c`) is a
C program that asks of every entry what it is, on both sides at once, and compares nothing. Start-up is
dirsync over an empty tree. Reading is `cat` over both sides at once.

A ratio below 1 means that dirsync was faster. Medians; the range in brackets. A bar is what a table has to
come to; it is checked on the median of the rounds.

## Results

{tables}
{missing}{more}
## Machine and versions

{machine}

{versions}

## Again

```
make bench              # everything; writes this page
make bench SIZE=small   # small trees, few rounds; prints only
.venv/bin/python -m benchmarks.run --scenario unchanged-320k --rounds 11
.venv/bin/python -m benchmarks.run --scenario big-file --big-gib 16
.venv/bin/python -m benchmarks.many_jobs
.venv/bin/python -m benchmarks.memory
.venv/bin/python -m benchmarks.watching
.venv/bin/python -m benchmarks.system_calls
```
"""


def page(
    results: list[Measured], among: list[Contender], *, workplace: Path, more: Mapping[str, Section]
) -> str:
    """Write the whole page; `more`: sections by their titles."""
    return _PAGE.format(
        share=FOREIGN_SHARE,
        floor=FOREIGN_FLOOR_SECONDS * 1000,
        attempts=ATTEMPTS,
        tables="\n".join(table(measured) for measured in results),
        more="".join(f"\n### {title}\n\n{section.text}" for title, section in more.items()),
        missing="".join(f"{name} was not installed.\n" for name in _missing(among)),
        machine=_machine(workplace),
        versions="\n".join(f"- **{each.name}**: {each.version} (`{each.shown}`)" for each in among),
    )


def _missing(among: list[Contender]) -> list[str]:
    found = {each.name for each in among}
    return [name for name in ("rsync", "rclone", "limit", "aide") if name not in found]


def table(measured: Measured) -> str:
    """Write the table of one scenario."""
    kept, spoiled = len(measured.rounds), measured.spoiled
    busy = f"; the machine was busy: {spoiled} of them are spoiled" if spoiled else ""
    rows = [
        f"### {measured.scenario.title[0].upper()}{measured.scenario.title[1:]}",
        "",
        "| program | seconds | dirsync takes |",
        "|---|---|---|",
        *(_row(measured, name) for name in sorted(measured.rounds[0].timings, key=_dirsync_first)),
        "",
        f"Rounds: {kept} of {measured.tried}{busy}.",
        *_bars(measured),
    ]
    return "\n".join(rows) + "\n"


def _bars(measured: Measured) -> list[str]:
    """Say which bars are met, where there are any."""
    told = [bar.in_words(measured) for bar in measured.scenario.bars if bar.applies(measured)]
    return ["", *(f"- {line}." for line in told)] if told else []


def _dirsync_first(name: str) -> tuple[bool, str]:
    return name != "dirsync", name


def _row(measured: Measured, name: str) -> str:
    seconds = [each.seconds(name) for each in measured.rounds]
    return f"| {name} | {spread(seconds, digits=3)} | {_taken(measured, name)} |"


def _taken(measured: Measured, name: str) -> str:
    """Say how much of a peer's time this program takes, where both were measured."""
    if name == "dirsync" or "dirsync" not in measured.rounds[0].timings:
        return ""
    ratios = [each.seconds("dirsync") / each.seconds(name) for each in measured.rounds]
    return f"{spread(ratios, digits=2)} × {name}"


def spread(figures: list[float], *, digits: int) -> str:
    """Give the median, and the range in brackets."""
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _machine(workplace: Path) -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} processors, {memory_gib:.0f} GiB; {_file_system(workplace)}; "
        f"Linux {platform.release().split('-')[0]}; Python {platform.python_version()}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _file_system(workplace: Path) -> str:
    """Name the kind of file system that a place lies on."""
    device = os.stat(workplace).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[2] == wanted:
            return line.split(" - ", 1)[1].split()[0]
    return "unknown file system"

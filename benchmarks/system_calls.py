"""System calls a file of a first copy: `python -m benchmarks.system_calls [--files N] [--at DIRECTORY]`.

Counted by strace, in all processes; what the same program calls for an empty tree is taken off.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.contenders import CHECKOUT
from benchmarks.report import Section
from benchmarks.trees import Shape, build

_FILES = 10_000
_LEAST = 0.05  # calls a file: fewer are told together
_OTHERS = "all others"

Command = Callable[[Path, Path], list[str]]


def main() -> int:
    """Count, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.system_calls", description=__doc__)
    parser.add_argument("--files", type=int, default=_FILES)
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    print(section(asked.at, files=asked.files).text)
    return 0


def section(workplace: Path, *, files: int = _FILES) -> Section:
    """Count the calls of this program and its peers for one tree, and tell them side by side."""
    with tempfile.TemporaryDirectory(prefix="system-calls-", dir=workplace) as folder:
        place = Path(folder)
        build(place / "source", Shape(files=files))
        (place / "empty").mkdir()
        commands: dict[str, Command] = {
            "dirsync": lambda source, to: _dirsync(place, source, to),
            "rsync -a": lambda source, to: ["rsync", "-a", f"{source}/", f"{to}/"],
            "cp -a": lambda source, to: ["cp", "-a", f"{source}/.", f"{to}/"],
        }
        counted = {
            name: _per_file(place, command, files) for name, command in commands.items() if _is_there(name)
        }
    lines = [
        f"{files:,} files; of each program's calls what it calls for an empty tree is taken off. The files' "
        "directories are part of it.",
        "",
        *_table(counted),
    ]
    return Section("\n".join(lines) + "\n", is_met=True)


def _is_there(name: str) -> bool:
    return name == "dirsync" or shutil.which(name.split()[0]) is not None


def _dirsync(place: Path, source: Path, to: Path) -> list[str]:
    jobs = place / "jobs.yaml"
    guard = {"source_not_empty": False}
    job = {"source": str(source), "destination": str(to), "durability": "none", "workers": 1, "guard": guard}
    jobs.write_text(json.dumps({"version": 1, "state": str(place / "state"), "jobs": {"copy": job}}))
    return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--now", "-q"]


def _per_file(place: Path, command: Command, files: int) -> Mapping[str, float]:
    whole = _counted(place, command, place / "source")
    start = _counted(place, command, place / "empty")
    return {name: (whole[name] - start[name]) / files for name in whole}


def _counted(place: Path, command: Command, source: Path) -> Counter[str]:
    """Count the calls of one copy to a new place."""
    to, told = place / "to", place / "told"
    to.mkdir()
    subprocess.run(["strace", "-f", "-c", "-o", str(told), *command(source, to)], check=True)
    shutil.rmtree(to)
    rows = [line.split() for line in told.read_text().splitlines()]
    return Counter({row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()})


def _table(counted: Mapping[str, Mapping[str, float]]) -> list[str]:
    often = {name for calls in counted.values() for name, count in calls.items() if count >= _LEAST}
    often.discard("total")
    order = sorted(often, key=lambda name: -max(calls.get(name, 0.0) for calls in counted.values()))
    rows = [(name, [calls.get(name, 0.0) for calls in counted.values()]) for name in order]
    sums = [calls.get("total", 0.0) for calls in counted.values()]
    told = [sum(column) for column in zip(*(counts for _, counts in rows), strict=True)]
    rows.append((_OTHERS, [total - seen for total, seen in zip(sums, told, strict=True)]))
    rows.append(("together", sums))
    return [
        f"| call | {' | '.join(counted)} |",
        f"|---|{'---|' * len(counted)}",
        *(f"| {name} | {' | '.join(f'{count:.2f}' for count in counts)} |" for name, counts in rows),
    ]


if __name__ == "__main__":
    sys.exit(main())

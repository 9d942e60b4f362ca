"""A watched tree: `python -m benchmarks.watching [--files N] [--changes N] [--at DIRECTORY]`.

How soon a change in it is mirrored, and what the scheduler costs in between.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contenders import CHECKOUT
from benchmarks.report import Section, spread
from benchmarks.trees import Shape, build

_FILES = 1_000_000
_CHANGES = 20
ALLOWED_SECONDS = 1.0
_IDLE_SECONDS = 10.0
_PATIENCE_SECONDS = 1200.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--files", type=int, default=_FILES)
    parser.add_argument("--changes", type=int, default=_CHANGES)
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    found = section(asked.at, files=asked.files, changes=asked.changes)
    print(found.text)
    return 0 if found.is_met else 1


def section(workplace: Path, *, files: int = _FILES, changes: int = _CHANGES) -> Section:
    """Build a tree, watch it, change it, and tell what came of it."""
    with tempfile.TemporaryDirectory(prefix="watching-", dir=workplace) as folder:
        place = Path(folder)
        shape = Shape(files=files)
        build(place / "source", shape)
        _run_once(place)
        with _scheduler(place) as process:
            began_at = time.monotonic()
            _until_watched(place)
            watched_after = time.monotonic() - began_at
            mirrored_after = [_mirrored_after(place, number) for number in range(changes)]
            before = _cpu_seconds(process.pid)
            time.sleep(_IDLE_SECONDS)
            idle = _cpu_seconds(process.pid) - before
            memory = _memory_mb(process.pid)
    is_met = max(mirrored_after) < ALLOWED_SECONDS
    lines = [
        f"{shape.entries:,} entries: all watched, and looked at, after {watched_after:.1f} s. Then a "
        f"change is mirrored after {spread(mirrored_after, digits=2)} s ({changes} changes). In between the "
        f"scheduler takes {idle:.2f} s of processor time in {_IDLE_SECONDS:.0f} s, and {memory:.0f} MB.",
        "",
        f"- Allowed is {ALLOWED_SECONDS:g} s for a change: {'met' if is_met else '**not met**'}.",
    ]
    return Section("\n".join(lines) + "\n", is_met)


def _jobs(place: Path) -> Path:
    file = place / "jobs.yaml"
    ends = {"source": str(place / "source"), "destination": str(place / "destination")}
    job = {**ends, "durability": "none", "delete": "remove", "watch": True}
    file.write_text(json.dumps({"version": 1, "state": str(place / "state"), "jobs": {"watched": job}}))
    return file


def _command(place: Path) -> list[str]:
    return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(_jobs(place)), "--progress", "none"]


def _run_once(place: Path) -> None:
    subprocess.run([*_command(place), "--now"], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _scheduler(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        open(place / "said", "wb") as said,
        subprocess.Popen([*_command(place), "-v"], stdout=said, stderr=said) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def _until_watched(place: Path) -> None:
    """Wait for the first run to end: from then on only what changes is looked at."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while b"unchanged:" not in (place / "said").read_bytes():
        if time.monotonic() > ends_at:
            raise SystemExit(f"nothing came: {(place / 'said').read_text()}")
        time.sleep(0.05)


def _mirrored_after(place: Path, number: int) -> float:
    """Change a file, and say after how many seconds its replica is the same."""
    folders = sorted(each for each in (place / "source").iterdir() if each.is_dir())
    file = folders[number % len(folders)] / f"changed-{number}"
    replica = place / "destination" / file.relative_to(place / "source")
    file.write_text(str(number))
    began_at = time.monotonic()
    while not replica.is_file():
        if time.monotonic() - began_at > _PATIENCE_SECONDS:
            raise SystemExit(f"'{file}' was never mirrored")
        time.sleep(0.002)
    return time.monotonic() - began_at


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    sys.exit(main())

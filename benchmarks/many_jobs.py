"""A thousand jobs in one file: `python -m benchmarks.many_jobs [--jobs N]`.

Two times, each of a whole process: `check`, which loads and validates; and the scheduler, from its
start until the first line of the first run: by then all jobs are loaded, checked and scheduled.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contenders import CHECKOUT
from benchmarks.report import Section, spread

_ROUNDS = 5
ALLOWED_SECONDS = 1.0


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, metavar="N")
    found = section(parser.parse_args().jobs)
    print(found.text)
    return 0 if found.is_met else 1


def section(jobs: int = 1_000) -> Section:
    """Measure so many jobs."""
    with tempfile.TemporaryDirectory(prefix="many-jobs-") as folder:
        # A file a round, with a state of its own: a job that has run is not due again.
        files = [str(_declared(Path(folder) / str(each), jobs)) for each in range(_ROUNDS)]
        program = [sys.executable, str(CHECKOUT / "run.py")]
        checked = [_ended_after([*program, "check", "-c", file]) for file in files]
        begun = [_first_line_after([*program, "-c", file, "--json"]) for file in files]
    is_met = statistics.median(begun) < ALLOWED_SECONDS
    lines = [
        f"{jobs:,} jobs loaded and checked: {spread(checked, digits=3)} s; loaded, checked and scheduled, to "
        f"the first line of the first run: {spread(begun, digits=3)} s.",
        "",
        f"- Allowed is {ALLOWED_SECONDS:g} s: {'met' if is_met else '**not met**'}.",
    ]
    return Section("\n".join(lines) + "\n", is_met)


def _declared(folder: Path, count: int) -> Path:
    """Declare so many jobs, of which all but the first are due next month at the earliest."""
    later = {"cron": f"0 3 1 {time.localtime().tm_mon % 12 + 1} *"}
    declared: dict[str, dict[str, object]] = {}
    folder.mkdir()
    for number in range(count):
        source = folder / f"source{number:04}"
        source.mkdir()
        declared[f"job{number:04}"] = {
            "source": str(source),
            "destination": str(folder / f"destination{number:04}"),
            "exclude": ["*.tmp", f"/cache{number}/"],
            **({"interval": "1h"} if number == 0 else {"schedule": later}),
        }
    jobs = folder / "jobs.yaml"
    jobs.write_text(json.dumps({"version": 1, "state": str(folder / "state"), "jobs": declared}, indent=1))
    return jobs


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _ended_after(command: list[str]) -> float:
    began_at = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())
    return time.perf_counter() - began_at


def _first_line_after(command: list[str]) -> float:
    began_at = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - began_at
        process.terminate()
        process.stdout.read()
    if not line:
        sys.exit(f"no result: {' '.join(command)} printed nothing")
    return elapsed


if __name__ == "__main__":
    sys.exit(main())

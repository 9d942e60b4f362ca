"""The whole program, run as a user would: a jobs.yaml, a command line, an exit code.

Whatever a run meets, it keeps two promises that are checked here for all of them: no
traceback, and with `--json` nothing on stdout but JSON lines that end with a result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
NOBODY = 65534
PATIENCE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Ended:
    """What a finished process left."""

    code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The one result of the one job."""
        assert self.events, f"nothing on stdout; stderr: {self.stderr}"
        assert [event["event"] for event in self.events].count("result") == 1, self.stdout
        assert self.events[-1]["event"] == "result"
        return self.events[-1]

    @property
    def outcome(self) -> tuple[int, str]:
        """Exit code and outcome, which must tell the same story."""
        return self.code, self.result["outcome"]

    @property
    def counts(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: count for name, count in self.result["counts"].items() if count}

    def paths(self, event: str) -> set[str]:
        """Give the paths of all changes, or of all failures."""
        return {line["path"] for line in self.events if line["event"] == event}


def jobs_file(folder: Path, **declared: Any) -> Path:
    """Declare one job, `mirror`: source `folder/s`, destination `folder/d`, unless said otherwise."""
    job = {
        "source": str(folder / "s"),
        "destination": str(folder / "d"),
        "delete": "remove",
        "durability": "none",
        "guard": {"max_delete": "off", "min_free": "off", "source_not_empty": False},
    }
    path = folder / "jobs.yaml"
    path.write_text(
        json.dumps({"version": 1, "state": str(folder / "state"), "jobs": {"mirror": job | declared}})
    )
    return path


def argv(jobs: Path, *more: str) -> list[str]:
    """Give the command that runs all jobs once."""
    return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--now", "--json", *more]


def run_now(jobs: Path, *more: str, through: Sequence[str] = ()) -> Ended:
    """Run every job once, through another command where one is given."""
    return ended([*through, *argv(jobs, *more)])


def ended(command: Sequence[str], *, cwd: Path | None = None) -> Ended:
    """Run a command to its end, and check what holds for every run."""
    process = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL
    )
    return checked(Ended(process.returncode, process.stdout, process.stderr))


def checked(process: Ended) -> Ended:
    """Check what holds for every run."""
    assert "Traceback" not in process.stderr, process.stderr
    assert all(isinstance(event, dict) for event in process.events)
    return process


def run_as_nobody(folder: Path, jobs: Path, *more: str) -> Ended:
    """Run every job once as the user nobody.

    Interpreter, packages and checkout may lie below a directory that only root can enter:
    they are bound to places below `folder` for the life of the process. `folder` must be
    one that anybody can enter.
    """
    places = {"python": sys.base_prefix, "packages": sysconfig.get_path("purelib"), "checkout": str(CHECKOUT)}
    for name in places:
        (folder / name).mkdir(exist_ok=True)
    binds = "".join(f"mount --bind '{place}' '{folder / name}' && " for name, place in places.items())
    drop = f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
    variables = f"env HOME='{folder}' PYTHONPATH='{folder}/packages' PYTHONDONTWRITEBYTECODE=1"
    python = f"'{folder}/python/bin/python{sys.version_info.major}.{sys.version_info.minor}'"
    script = f'{binds}{drop} {variables} {python} "$@"'
    command = [str(folder / "checkout" / "run.py"), *argv(jobs, *more)[2:]]
    return ended(["unshare", "--mount", "sh", "-c", script, "sh", *command], cwd=folder)


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process that is still running; it does not outlive the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


@contextlib.contextmanager
def mounted(target: Path, *, size: str = "8m", options: str = "rw", fstype: str = "tmpfs") -> Iterator[Path]:
    """Give a small file system of its own in memory."""
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", fstype, "-o", f"size={size},{options}", fstype, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", target], check=True)


@contextlib.contextmanager
def bound(source: Path, target: Path) -> Iterator[Path]:
    """Give a directory that shows another one of the same device."""
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", target], check=True)

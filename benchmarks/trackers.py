"""Who is measured at keeping a catalog: this program, its peers, and the walk that none can do without.

Each is asked the same of the same tree: on the first run to record what is there, on those after
to say, and record, what has changed. What a contender records lies in its destination's directory,
or in the database of PostgreSQL that this process serves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import psycopg

from benchmarks.contenders import CHECKOUT, Contender, first_line
from tests.postgres_server import debian_server

# As a machine that serves a catalog would be set up; all else, durability too, as it comes.
_SETTINGS = ("shared_buffers=1GB", "max_wal_size=4GB")
_PROCESSES = os.cpu_count() or 1
_AIDE_DIFFERS_BELOW = 8  # exit codes 1 to 7 name what differs; source: aide(1)
_ATTRIBUTES = "ftype+p+u+g+s+m+c+i+n+l"
_DIRSYNC_COMPARES = ["size", "mtime", "mode", "ownership"]


class Catalog(Enum):
    """Where this program keeps its catalog."""

    SQLITE = "SQLite"
    POSTGRESQL = "PostgreSQL"


@contextlib.contextmanager
def trackers(catalog: Catalog, *, hashed: bool, changing: bool) -> Iterator[list[Contender]]:
    """Give those that are installed, each with a database of its own while they are measured."""
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(debian_server(at=Path("/tmp"), settings=_SETTINGS))
        own, plain, lean = (opened.enter_context(server.database()) for _ in range(3))
        found = [_dirsync(catalog, own, hashed=hashed), _aide(hashed=hashed, changing=changing)]
        if not hashed:  # neither the walk nor that peer reads content
            found += [_delta_tracker(plain, lean=False), _delta_tracker(lean, lean=True), _stat_walk()]
        yield [contender for contender in found if contender is not None]


def _dirsync(catalog: Catalog, url: str, *, hashed: bool) -> Contender:
    compared = _DIRSYNC_COMPARES + ["hash"] * hashed

    def command(source: Path, destination: Path) -> list[str]:
        declared = {
            "version": 1,
            "state": str(destination / "state"),
            "jobs": {"tree": {"type": "track", "source": str(source), "compare": compared}},
        }
        if catalog is Catalog.POSTGRESQL:
            declared["catalog"] = url
        jobs = destination / "jobs.yaml"
        jobs.write_text(json.dumps(declared))
        return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--job", "tree", "--now", "-q"]

    def recorded(source: Path, destination: Path) -> int:
        asked = [*command(source, destination)[:-1], "--json"]
        result = json.loads(_printed(asked).splitlines()[-1])
        return int(result["counts"]["scanned"])

    return Contender(
        name="dirsync",
        shown=(
            f"run.py -c jobs.yaml --job tree --now -q, type: track, compare: [{', '.join(compared)}], "
            f"catalog in {catalog.value}"
        ),
        version=first_line([sys.executable, "-c", "import dirsync; print(dirsync.__version__)"]),
        command=command,
        recorded=recorded,
        forget=lambda: _empty(url),
    )


def _aide(*, hashed: bool, changing: bool) -> Contender | None:
    """AIDE's `--check` leaves its database as it is; where the tree changes, `--update` replaces it."""
    if shutil.which("aide") is None:
        return None
    attributes = _ATTRIBUTES + "+sha256" * hashed
    verb = "--update" if changing else "--check"

    def command(source: Path, destination: Path) -> list[str]:
        config, database = destination / "aide.conf", destination / "aide.db"
        config.write_text(
            f"database_in=file:{database}\ndatabase_out=file:{database}.new\n"
            f"database_attrs=E\n"  # else it hashes its database in seven ways as it reads it
            f"num_workers={_PROCESSES}\n{re.escape(str(source))} {attributes}\n"
        )
        aide = f"aide --config={shlex.quote(str(config))}"
        old, new = shlex.quote(str(database)), shlex.quote(f"{database}.new")
        compared = f"{aide} {verb}; [ $? -lt {_AIDE_DIFFERS_BELOW} ]" + f" && mv {new} {old}" * changing
        return ["sh", "-c", f"if [ -e {old} ]; then {compared}; else {aide} --init && mv {new} {old}; fi"]

    def recorded(source: Path, destination: Path) -> int:
        with open(destination / "aide.db", "rb") as database:
            return sum(line.startswith(b"/") for line in database) - 1  # the root is on record as well

    return Contender(
        name="aide",
        shown=f"aide --init, then aide {verb}, attributes {attributes}, num_workers={_PROCESSES}",
        version=first_line(["aide", "--version"]),
        command=command,
        recorded=recorded,
    )


def _delta_tracker(url: str, *, lean: bool) -> Contender:
    start = [sys.executable, "-m", "benchmarks.delta_tracker"]
    options = ["--processes", str(_PROCESSES), *(["--lean"] * lean)]

    def command(source: Path, destination: Path) -> list[str]:
        return [*start, "scan", "--database", url, "--directory", str(source), *options]

    return Contender(
        name="delta-tracker lean" if lean else "delta-tracker",
        shown=f"benchmarks/delta_tracker.py scan {' '.join(options)}, on the same PostgreSQL",
        version=f"PostgreSQL {_server_version(url)}, psycopg {psycopg.__version__}",
        command=command,
        recorded=lambda source, destination: int(_printed([*start, "count", "--database", url])),
        forget=lambda: _print_nothing([*start, "init", "--database", url, *(["--lean"] * lean)]),
    )


def _stat_walk() -> Contender:
    def command(source: Path, destination: Path) -> list[str]:
        return [sys.executable, "-m", "benchmarks.stat_walk", str(source), "--processes", str(_PROCESSES)]

    return Contender(
        name="stat walk",
        shown=f"benchmarks/stat_walk.py --processes {_PROCESSES}: keeps nothing",
        version=first_line([sys.executable, "--version"]),
        command=command,
        recorded=lambda source, destination: int(_printed(command(source, destination)).split()[0]),
    )


def _empty(url: str) -> None:
    """Drop all that this program has in a database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS dirsync CASCADE")


def _server_version(url: str) -> str:
    with psycopg.connect(url) as connection:
        return connection.info.parameter_status("server_version") or "unknown"


def _printed(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout


def _print_nothing(command: list[str]) -> None:
    _printed(command)

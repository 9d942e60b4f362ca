"""Two ends over loopback: `python -m benchmarks.two_machines [--rounds N] [--at DIRECTORY]`.

This program against rsync to its daemon, in turn: a tree that is unchanged, a first copy of small
files, and a large file with a mebibyte put in front; seconds, and bytes on the wire. This program
sends everything through TLS, rsync in the clear.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import CHECKOUT
from benchmarks.report import Section, spread
from benchmarks.trees import SHAPES, Shape, build, build_big_file

_TOKEN = "a token of the benchmarks alone"
_LEAST_SPEED_UP = 2.0  # unchanged, against rsync
_MOST_BYTES_SHARE = 0.1
_MOST_SENT_BYTES = 8 << 20  # of a large file with a mebibyte put in front
_MIB = 1 << 20


class Cost(NamedTuple):
    """What one run took."""

    seconds: float
    wire_bytes: int


class Ends(NamedTuple):
    """Two ends that are up."""

    place: Path
    jobs: Path
    rsync_port: int

    def pull(self, job: str) -> list[str]:
        return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(self.jobs), "--job", job, "--now", "-q"]

    def rsync(self, share: str, destination: Path) -> list[str]:
        url = f"rsync://127.0.0.1:{self.rsync_port}/{share}/"
        return ["rsync", "-a", "--delete", "--exclude=/.dirsync", url, f"{destination}/"]


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_machines", description=__doc__)
    parser.add_argument("--files", type=int, default=SHAPES["wide-320k"].files)
    parser.add_argument("--small", type=int, default=SHAPES["small-files"].files)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    found = section(asked.at, files=asked.files, small=asked.small, mib=asked.mib, rounds=asked.rounds)
    print(found.text)
    return 0 if found.is_met else 1


def section(
    workplace: Path,
    *,
    files: int = SHAPES["wide-320k"].files,
    small: int = SHAPES["small-files"].files,
    mib: int = 2048,
    rounds: int = 5,
) -> Section:
    """Build the trees, bring both ends up, and tell what the runs took."""
    with tempfile.TemporaryDirectory(prefix="two-machines-", dir=workplace) as folder:
        place = Path(folder)
        build(place / "wide", Shape(files=files))
        small_shape = Shape(files=small, smallest_bytes=1, largest_bytes=16_384)
        build(place / "small", small_shape)
        build_big_file(place / "big", size_bytes=mib * _MIB)
        with _both_ends(place) as ends:
            found = [
                _unchanged(ends, entries=Shape(files=files).entries, rounds=rounds),
                _first_copy(ends, entries=small_shape.entries, rounds=rounds),
                _insertion(ends, mib=mib),
            ]
    return Section("\n".join(each.text for each in found), all(each.is_met for each in found))


def _unchanged(ends: Ends, *, entries: int, rounds: int) -> Section:
    theirs = ends.place / "wide-rsync"
    for command in (ends.pull("wide"), ends.rsync("wide", theirs)):
        _cost(command)
    ours, peer = _in_turn(ends.pull("wide"), ends.rsync("wide", theirs), rounds=rounds)
    ratios = [one.seconds / other.seconds for one, other in zip(ours, peer, strict=True)]
    shares = [one.wire_bytes / other.wire_bytes for one, other in zip(ours, peer, strict=True)]
    fast = statistics.median(ratios) <= 1 / _LEAST_SPEED_UP
    slim = statistics.median(shares) <= _MOST_BYTES_SHARE
    return Section(
        f"Unchanged, {entries:,} entries: {spread([each.seconds for each in ours], digits=2)} s and "
        f"{statistics.median(each.wire_bytes for each in ours):,.0f} bytes on the wire; rsync "
        f"{spread([each.seconds for each in peer], digits=2)} s and "
        f"{statistics.median(each.wire_bytes for each in peer):,.0f} bytes.\n\n"
        f"- {spread(ratios, digits=2)} of rsync's time; allowed is {1 / _LEAST_SPEED_UP:g}: {_met(fast)}.\n"
        f"- {statistics.median(shares):.4f} of its bytes; allowed is {_MOST_BYTES_SHARE:g}: {_met(slim)}.\n",
        fast and slim,
    )


def _first_copy(ends: Ends, *, entries: int, rounds: int) -> Section:
    def emptied() -> None:
        for name in ("small-dirsync", "small-rsync", "state"):  # as if it were the first time
            shutil.rmtree(ends.place / name, ignore_errors=True)

    theirs = ends.rsync("small", ends.place / "small-rsync")
    ours, peer = _in_turn(ends.pull("small"), theirs, rounds=rounds, before=emptied)
    ratios = [one.seconds / other.seconds for one, other in zip(ours, peer, strict=True)]
    fast = statistics.median(ratios) <= 1
    return Section(
        f"First copy, {entries:,} entries: {spread([each.seconds for each in ours], digits=2)} s; rsync "
        f"{spread([each.seconds for each in peer], digits=2)} s.\n\n"
        f"- {spread(ratios, digits=2)} of rsync's time; allowed is 1: {_met(fast)}.\n",
        fast,
    )


def _insertion(ends: Ends, *, mib: int) -> Section:
    _cost(ends.pull("big"))
    (file,) = [path for path in (ends.place / "big").iterdir() if path.is_file()]
    with open(file, "rb") as old, open(file.with_name("new"), "wb") as new:
        new.write(os.urandom(_MIB))
        shutil.copyfileobj(old, new, _MIB)
    file.with_name("new").rename(file)
    cost = _cost(ends.pull("big"))
    met = cost.wire_bytes <= _MOST_SENT_BYTES
    return Section(
        f"A file of {mib:,} MiB with 1 MiB put in front: {cost.seconds:.1f} s and "
        f"{cost.wire_bytes / _MIB:.1f} MiB on the wire.\n\n"
        f"- Allowed are {_MOST_SENT_BYTES // _MIB} MiB: {_met(met)}.\n",
        met,
    )


def _met(is_met: bool) -> str:  # noqa: FBT001 - it is what is said
    return "met" if is_met else "**not met**"


def _in_turn(
    ours: list[str], peer: list[str], *, rounds: int, before: Callable[[], None] = lambda: None
) -> tuple[list[Cost], list[Cost]]:
    """Run the two in turn, each first in every second round."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(rounds):
        before()
        for at in (0, 1) if number % 2 == 0 else (1, 0):
            os.sync()  # what one has written is none of the other's work
            costs[at].append(_cost((ours, peer)[at]))
    return costs


def _cost(command: list[str]) -> Cost:
    bytes_before, begun_at = _carried(), time.monotonic()
    subprocess.run(command, check=True, env=_environment())
    return Cost(time.monotonic() - begun_at, _carried() - bytes_before)


def _carried() -> int:
    """Give the bytes that the loopback has carried."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == "lo:")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "DIRSYNC_BENCHMARK_TOKEN": _TOKEN}


@contextlib.contextmanager
def _both_ends(place: Path) -> Iterator[Ends]:
    """Bring an agent and an rsync daemon up."""
    agent = place / "agent"
    agent.mkdir()
    shares = ("wide", "small", "big")
    token = {"secret": "token"}
    serve = {
        "listen": "127.0.0.1:0",
        "tls": {"cert": "cert.pem", "key": "key.pem"},
        "shares": {name: {"path": str(place / name), "tokens": [token]} for name in shares},
    }
    secrets = {"token": {"environment": "DIRSYNC_BENCHMARK_TOKEN"}}
    (agent / "jobs.yaml").write_text(json.dumps({"version": 1, "secrets": secrets, "serve": serve}))
    run = [sys.executable, str(CHECKOUT / "run.py"), "serve", "-c", str(agent / "jobs.yaml")]
    made = subprocess.run(
        [*run, "--generate-cert", "--json"], check=True, capture_output=True, env=_environment()
    )
    fingerprint = json.loads(made.stdout)["fingerprint"]
    with _process([*run, "--json"]) as up, _rsync_daemon(place, shares) as port:
        assert up.stdout is not None
        address = json.loads(up.stdout.readline())["address"]
        jobs = place / "jobs.yaml"
        endpoints = {
            name: {"url": f"{address}/{name}", "token": token, "fingerprint": fingerprint} for name in shares
        }
        declared = {
            name: {
                "source": f"{name}:/",
                "destination": str(place / f"{name}-dirsync"),
                "delete": "remove",
                "durability": "none",
            }
            for name in shares
        }
        document = {"version": 1, "secrets": secrets, "endpoints": endpoints, "jobs": declared}
        jobs.write_text(json.dumps({**document, "state": str(place / "state")}))
        yield Ends(place, jobs, port)


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _rsync_daemon(place: Path, shares: tuple[str, ...]) -> Iterator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    modules = "".join(f"[{name}]\npath = {place / name}\nuid = 0\ngid = 0\n" for name in shares)
    configuration = place / "rsyncd.conf"
    configuration.write_text(f"port = {port}\naddress = 127.0.0.1\nuse chroot = no\n{modules}")
    with _process(["rsync", "--daemon", "--no-detach", f"--config={configuration}"]):
        time.sleep(1.0)
        yield port


if __name__ == "__main__":
    sys.exit(main())

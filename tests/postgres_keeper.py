"""Ends a PostgreSQL server when those who started it are gone, however they went.

As a program it is given a server's folder and waits for the end of its standard input.
Only the starter holds the other end, and the kernel closes that with its holder: after
a SIGKILL, too. Then the server is ended and its folder removed. The data directory, which
every process of a server works in, says which processes these are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DATA = "data"  # the data directory in a server's folder
_QUIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


def removed(folder: Path) -> None:
    """End the server of a folder, and remove the folder."""
    stopped(folder)
    shutil.rmtree(folder)


def stopped(folder: Path) -> None:
    """End the server of a folder at once; orderly, for shared memory outlives those who are killed."""
    patience_ends_at = time.monotonic() + _QUIT_SECONDS
    for process in processes(folder):
        _signalled(process, signal.SIGQUIT)
    while processes(folder) and time.monotonic() < patience_ends_at:
        time.sleep(_PAUSE_SECONDS)
    killed(folder)


def killed(folder: Path) -> None:
    """Kill every process of the server of a folder; return when they are gone."""
    while alive := processes(folder):  # one may just have started another
        for process in alive:
            _signalled(process, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def processes(folder: Path) -> list[int]:
    """Give the ids of the processes that work in the data directory of a folder."""
    try:
        return list(_working_in((folder / DATA).stat()))
    except FileNotFoundError:  # half removed already
        return []


def _working_in(wanted: os.stat_result) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            # It has ended by now, or is one (of the kernel's, of a sandbox) that not even root may look into.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if os.path.samestat(os.stat(f"/proc/{name}/cwd"), wanted):
                    yield int(name)


def _signalled(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def main() -> None:
    """Wait for the end of the starter, then end its server."""
    sys.stdin.buffer.read()
    folder = Path(sys.argv[1])
    if folder.exists():  # else the starter has done it itself
        removed(folder)


if __name__ == "__main__":
    main()

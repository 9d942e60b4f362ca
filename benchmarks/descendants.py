"""The processes that come of this one: what they used, and when the passing ones are gone.

A contender may leave helpers that outlive it by a moment, and a server that this process keeps
works for several contenders. The processor time of both is the contender's, not others'.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    """What /proc tells of a process. Source: proc_pid_stat(5)."""

    pid: int
    parent: int
    user_ticks: int  # its own, and of its children that have ended


def adopt_orphans() -> None:
    """Have what a contender leaves behind become this process's children.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Give the ids of this process's children."""
    return {process.pid for process in _processes() if process.parent == os.getpid()}


def await_children(*, besides: set[int]) -> None:
    """Wait until all children have ended, but for those that are to stay."""
    while passing := children() - besides:
        for pid in passing:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def user_seconds() -> float:
    """Give the user time of all descendants so far: of those that have ended, and of those that live."""
    living = sum(process.user_ticks for process in _descendants())
    return os.times().children_user + living * _TICK_SECONDS


def resident_bytes() -> int:
    """Give the memory that all descendants have in use now; what several share counts once.

    Source: proc(5), /proc/PID/smaps_rollup, Pss.
    """
    return sum(_proportional_bytes(process.pid) for process in _descendants())


def _proportional_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended by now
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _descendants() -> Iterator[_Process]:
    by_parent: dict[int, list[_Process]] = {}
    for process in _processes():
        by_parent.setdefault(process.parent, []).append(process)
    pending = [os.getpid()]
    while pending:
        found = by_parent.get(pending.pop(), [])
        yield from found
        pending += [process.pid for process in found]


def _processes() -> Iterator[_Process]:
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended by now
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            yield _Process(int(name), int(fields[1]), int(fields[11]) + int(fields[13]))

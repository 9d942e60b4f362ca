"""What a sweep puts into the one gate of `fsops`: to count, to refuse, to kill."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from dirsync.model.job import MirrorJob
from dirsync.trees import fsops
from tests.jobs import run

Gate = Callable[[str], None]

_NOT_REACHED, _BROKEN = 0, 70


class Counted:
    """A gate that lets everything pass and counts it by its kind; for many threads."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    def __call__(self, operation: str) -> None:
        self.passed.append(operation)  # one step in CPython: no count is lost between threads

    @property
    def kinds(self) -> Counter[str]:
        """How often each kind of operation passed."""
        return Counter(self.passed)


class Killed:
    """A gate that kills the process at its n-th operation; for many threads."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._numbers = itertools.count()

    def __call__(self, operation: str) -> None:
        if next(self._numbers) >= self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class Refused:
    """A gate that fails the n-th operation, or all from there on."""

    def __init__(self, at: int, *, number: int, ever_after: bool) -> None:
        self.at = at
        self.number = number
        self.ever_after = ever_after
        self.passed = 0

    def __call__(self, operation: str) -> None:
        self.passed += 1
        if self.passed - 1 == self.at or (self.ever_after and self.passed > self.at):
            raise OSError(self.number, os.strerror(self.number))


@contextlib.contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """Have every operation of this process pass a gate while the block runs."""
    before = fsops.gate
    fsops.gate = gate
    try:
        yield
    finally:
        fsops.gate = before


def was_killed(job: MirrorJob, *, at: int, state: Path) -> bool:
    """Run a job in a process of its own, killed at an operation; False: it ended before.

    Raises:
        AssertionError: the process ended in a third way.
    """
    child = os.fork()
    if child == 0:
        code = _BROKEN
        try:
            with gated(Killed(at)):
                run(job, state=state)
            code = _NOT_REACHED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == _NOT_REACHED, f"operation {at}: the run broke off by itself"
    return False

"""How far a run is: the figures, and the plain way to show them, a line now and then.

`LiveProgress` in `live.py` shows the same figures on a terminal.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol

from dirsync.cli.output.lines import error_line
from dirsync.cli.output.units import human_bytes, human_count, human_seconds, plural
from dirsync.runner.observer import Stage, Totals

_PLAIN_EVERY_SECONDS = 10.0
_SAMPLE_EVERY_SECONDS = 0.5
_SAMPLES = 30
_FARTHEST_GUESS = 1000  # times as much as was seen is still to come: no guess
_STEP_WEIGHT_BYTES = 65_536  # what a step costs beside its bytes: a small file is mostly overhead


class Figures:
    """How far one run is, and how fast it goes. Times are `time.monotonic` seconds."""

    def __init__(self, *, now: float) -> None:
        self.stage = Stage.SCAN
        self.entries = 0
        self.totals: Totals | None = None  # None: the plan is not complete yet
        self.operations = 0
        self.bytes_copied = 0
        self.began_at = now
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)

    def plan(self, totals: Totals, *, now: float) -> None:
        """Take over what there is to do; what was done before is done."""
        self.operations = self.bytes_copied = 0
        self._samples.clear()
        self.totals = totals
        self._samples.append((now, 0, 0))

    def advance(self, operations: int, bytes_copied: int, *, now: float) -> None:
        """Take over what is done."""
        self.operations = operations
        self.bytes_copied = bytes_copied
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_EVERY_SECONDS:
            self._samples.append((now, operations, bytes_copied))

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1; steps count beside bytes."""
        if self.totals is None:
            return 0.0
        whole = _weight(self.totals.operations, self.totals.bytes_to_copy)
        return min(1.0, _weight(self.operations, self.bytes_copied) / whole) if whole else 1.0

    def text(self, *, now: float) -> str:
        """Say how far it is, in words."""
        if self.stage is Stage.SYNC_DISK:
            return "making it durable"
        if self.totals is None or self.stage is Stage.SCAN:
            return f"scanning, {plural(self.entries, 'entry', 'entries')} so far"
        return ", ".join((self._to_go(self.totals), *self._speed(self.totals, now=now)))

    def _to_go(self, totals: Totals) -> str:
        nouns = ("file to verify", "files to verify") if self.stage is Stage.VERIFY else ("step", "steps")
        steps = max(0, totals.operations - self.operations)
        rest_bytes = max(0, totals.bytes_to_copy - self.bytes_copied)
        bytes_text = f" and {human_bytes(rest_bytes)}" if totals.bytes_to_copy else ""
        return f"{human_count(steps)} of {plural(totals.operations, *nouns)}{bytes_text} to go"

    def _speed(self, totals: Totals, *, now: float) -> list[str]:
        if not self._samples or now - self._samples[0][0] < 1.0:
            return []
        then, operations, bytes_copied = self._samples[0]
        words = []
        rate_bytes = (self.bytes_copied - bytes_copied) / (now - then)
        if rate_bytes >= 1:
            words.append(f"{human_bytes(rate_bytes)}/s")
        done = _weight(self.operations - operations, self.bytes_copied - bytes_copied)
        rest = _weight(totals.operations - self.operations, totals.bytes_to_copy - self.bytes_copied)
        if 0 < rest < done * _FARTHEST_GUESS:
            words.append(f"{human_seconds(max(1, round(rest / done * (now - then))))} left")
        return words


def _weight(operations: int, bytes_copied: int) -> int:
    return operations * _STEP_WEIGHT_BYTES + bytes_copied


class Progress(Protocol):
    """Shows figures while a run goes on."""

    def show(self, figures: Figures) -> None:
        """The figures have moved; cheap, called often."""

    def close(self) -> None:
        """Nothing more comes; leave no trace on a terminal."""


class NoProgress:
    """Shows nothing."""

    def show(self, figures: Figures) -> None: ...
    def close(self) -> None: ...


class PlainProgress:
    """Says where the run is on standard error, every ten seconds."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._due_at = time.monotonic() + _PLAIN_EVERY_SECONDS

    def show(self, figures: Figures) -> None:
        now = time.monotonic()
        if now >= self._due_at:
            self._due_at = now + _PLAIN_EVERY_SECONDS
            error_line(f"{self._job}: {figures.text(now=now)}")

    def close(self) -> None: ...

"""Two clocks: the one on the wall, which people set, and the one that only goes on."""

from __future__ import annotations

import queue
import time
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")

STEP_SECONDS = 1.0  # more than this between two looks is no drift: somebody set the clock


class Clock(Protocol):
    """What the scheduler knows of time; tests bring their own."""

    def now(self) -> datetime:
        """Read the clock on the wall: aware, UTC."""

    def monotonic(self) -> float:
        """Read, in seconds, the clock that nobody sets."""

    def take(self, inbox: queue.SimpleQueue[T], *, timeout_seconds: float) -> T | None:
        """Wait for something to come in, but no longer than that; None: nothing came."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """Read the clock on the wall."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Read the clock that nobody sets."""
        return time.monotonic()

    def take(self, inbox: queue.SimpleQueue[T], *, timeout_seconds: float) -> T | None:
        """Wait on the inbox; a signal handler may run meanwhile."""
        try:
            return inbox.get(timeout=timeout_seconds)
        except queue.Empty:
            return None


class StepDetector:
    """Notices that the clock on the wall was set, or that the machine slept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._measured()

    def step(self) -> float:
        """Give by how many seconds the clock was set since the last call; 0.0: it was not."""
        offset = self._measured()
        step, self._offset = offset - self._offset, offset
        return step if abs(step) > STEP_SECONDS else 0.0

    def _measured(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

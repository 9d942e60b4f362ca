"""Asking a run to end early, in order."""

from __future__ import annotations

import threading
import time

from dirsync.errors import Cancelled


class Stop:
    """A request to stop that runs look at between steps.

    Set by a signal handler or by a time limit; safe to set from both.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal_number: int | None = None  # None: not stopped by a signal

    def request(self, signal_number: int) -> None:
        """Ask every run that looks at this to stop."""
        self.signal_number = signal_number
        self._event.set()

    def requested(self) -> bool:
        """Whether a signal asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past a request; tell whether there was one."""
        return self._event.wait(seconds)


class Deadline:
    """One run's view of a `Stop`, with the run's own time limit."""

    def __init__(self, stop: Stop, *, timeout_seconds: float | None) -> None:
        self._stop = stop
        self._timeout_seconds = timeout_seconds
        self._ends_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    def passed(self) -> bool:
        """Whether the run should end now."""
        return self._stop.requested() or (self._ends_at is not None and time.monotonic() > self._ends_at)

    def check(self) -> None:
        """Go on, or end the run.

        Raises:
            Cancelled: a signal came, or the time limit has passed.
        """
        self.check_signal()
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise Cancelled(
                f"not done within its time limit of {self._timeout_seconds:g} s", signal_number=None
            )

    def check_signal(self) -> None:
        """Go on, whatever the time limit says, or end the run.

        Raises:
            Cancelled: a signal came.
        """
        if self._stop.requested():
            raise Cancelled(
                f"stopped by signal {self._stop.signal_number}", signal_number=self._stop.signal_number
            )

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past a signal.

        Raises:
            Cancelled: a signal came, or the time limit has passed.
        """
        self._stop.wait(seconds)
        self.check()

"""Copying no faster than a job allows, all its workers together."""

from __future__ import annotations

import threading
import time

from dirsync.model.stop import Deadline


class Pace:
    """Lets so many bytes a second pass, on average; for many threads."""

    def __init__(self, bytes_a_second: int, deadline: Deadline) -> None:
        self._rate = bytes_a_second
        self._deadline = deadline
        self._lock = threading.Lock()
        self._free_at = 0.0  # when what has passed is paid for

    def keep(self, byte_count: int) -> None:
        """Wait until bytes that have just passed are paid for.

        Raises:
            Cancelled: the deadline passed.
        """
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + byte_count / self._rate
            seconds = self._free_at - now
        if seconds > 0:
            self._deadline.sleep(seconds)

"""What the threads of a mirror have copied, as one sum; and where it has a limit, the waiting."""

from __future__ import annotations

import queue

from dirsync.mirror.pace import Pace
from dirsync.model.stop import Deadline


class Meter:
    """Counts bytes in many threads, read by one; looks at the deadline on the way."""

    def __init__(self, deadline: Deadline, *, bytes_a_second: int | None) -> None:
        """`bytes_a_second` None: as fast as can be."""
        self._deadline = deadline
        self._pace = None if bytes_a_second is None else Pace(bytes_a_second, deadline)
        self._moved: queue.SimpleQueue[int] = queue.SimpleQueue()

    def add(self, byte_count: int) -> None:
        """Count bytes, and wait where there is a limit to them.

        Raises:
            Cancelled: the deadline passed.
        """
        self._moved.put(byte_count)
        self._deadline.check()
        if self._pace is not None:
            self._pace.keep(byte_count)

    def take(self) -> int:
        """Give what was counted since the last call."""
        total = 0
        while not self._moved.empty():
            total += self._moved.get()
        return total

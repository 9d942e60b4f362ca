"""A scan on a thread of its own: it begins before anybody can take what it finds."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from dirsync.errors import Cancelled
from dirsync.march.marching import Check
from dirsync.march.tracking import TrackFound

_MOST_WAITING = 256  # pieces that nobody has taken yet; a piece without changes is small
_PATIENCE_SECONDS = 0.2


class Ahead:
    """Pieces of a scan, made ahead; to be closed, whether they were taken or not."""

    def __init__(self, begun: Callable[[Check], Iterator[TrackFound]], *, check: Check) -> None:
        """`begun` gives the pieces of a scan that is told when to stop by what it is handed."""
        self._check = check
        self._over = threading.Event()
        self._made: queue.Queue[TrackFound | BaseException | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._make, args=(begun,), name="scan ahead")
        self._thread.start()

    def pieces(self) -> Iterator[TrackFound]:
        """Give each piece, as soon as it is there.

        Raises: what the scan raises.
        """
        while (made := self._made.get()) is not None:
            if isinstance(made, BaseException):
                raise made
            yield made

    def close(self) -> None:
        """Stop, and wait until it has stopped."""
        self._over.set()
        self._thread.join()

    def _make(self, begun: Callable[[Check], Iterator[TrackFound]]) -> None:
        try:
            for piece in begun(self._go_on):
                self._put(piece)
            self._put(None)
        except BaseException as error:  # whoever waits for pieces must hear of it
            if not self._over.is_set():
                self._put(error)

    def _put(self, made: TrackFound | BaseException | None) -> None:
        while not self._over.is_set():
            try:
                self._made.put(made, timeout=_PATIENCE_SECONDS)
                return
            except queue.Full:
                continue

    def _go_on(self) -> None:
        if self._over.is_set():
            raise Cancelled("nobody wants the scan any more", signal_number=None)
        self._check()

"""SIGINT and SIGTERM: the first asks for an orderly end, a second of the same ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from dirsync.cli.exit_codes import exit_code_of_signal
from dirsync.errors import Cancelled
from dirsync.model.stop import Deadline, Stop

_SHOW_CURSOR = b"\x1b[?25h"


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Give a `Stop` that SIGINT and SIGTERM set while the block runs."""
    stop = Stop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number == number:
            _end_at_once(number)
        stop.request(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ending_on_signals(work: Callable[[Deadline], int]) -> int:
    """Do what can be dropped at any point; give its exit code, or that of the signal that ended it."""
    with stopping_on_signals() as stop:
        try:
            return work(Deadline(stop, timeout_seconds=None))
        except Cancelled as ended:
            if ended.signal_number is None:
                raise
            return exit_code_of_signal(ended.signal_number)


def _end_at_once(number: int) -> None:
    if sys.stdout.isatty():
        os.write(1, _SHOW_CURSOR)
    os._exit(exit_code_of_signal(number))

"""Signs of life while an answer takes its time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from dirsync.wire.frames import ALIVE

T = TypeVar("T")

_PULSE_SECONDS = 5.0


def with_signs_of_life(work: Callable[[], T], result: list[T]) -> Iterator[bytes]:
    """Do some work in a thread, and give a frame now and then until it is done; `result` gets what it gives.

    Raises:
        Whatever the work raises.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # it is raised where somebody waits
            errors.append(error)

    context = contextvars.copy_context()
    worker = threading.Thread(target=context.run, args=(run,), daemon=True)
    worker.start()
    while True:
        worker.join(_PULSE_SECONDS)
        if not worker.is_alive():
            break
        yield ALIVE
    if errors:
        raise errors[0]

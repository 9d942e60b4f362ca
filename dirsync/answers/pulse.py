"""Signs of life while an answer takes its time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from dirsync.wire.frames import ALIVE

T = TypeVar("T")
Check: TypeAlias = Callable[[], None]  # called now and then by who works; may raise to stop

_PULSE_SECONDS = 5.0


class _NobodyWaits(Exception):
    """The answer is not wanted any more."""


def with_signs_of_life(
    work: Callable[[Check], T], result: list[T], *, check: Check
) -> Generator[bytes, None, None]:
    """Do some work in a thread, and give a frame now and then until it is done; `result` gets what it gives.

    What the work is given to check with is `check`, and stops it too when nobody takes the frames any
    more. This waits for that: what it works on may be closed then.

    Raises:
        Whatever the work raises.
    """
    errors: list[BaseException] = []
    is_unwanted = threading.Event()

    def check_both() -> None:
        check()
        if is_unwanted.is_set():
            raise _NobodyWaits

    def run() -> None:
        try:
            result.append(work(check_both))
        except BaseException as error:  # it is raised where somebody waits
            errors.append(error)

    context = contextvars.copy_context()
    worker = threading.Thread(target=context.run, args=(run,), daemon=True)
    worker.start()
    try:
        while True:
            worker.join(_PULSE_SECONDS)
            if not worker.is_alive():
                break
            yield ALIVE
    finally:
        is_unwanted.set()
        worker.join()
    if errors:
        raise errors[0]

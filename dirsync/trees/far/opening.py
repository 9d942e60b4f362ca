"""Opening a connection to a far place, for as long as a run takes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from dirsync.errors import Cancelled, Skipped
from dirsync.model.place import FarPlace
from dirsync.trees.far.connection import FarConnection, Unreachable, connected, connection_to
from dirsync.trees.far.http import HttpAsking

_LOOK_SECONDS = 0.2


@contextlib.contextmanager
def reached(place: FarPlace, *, check: Callable[[], None]) -> Iterator[FarPlace]:
    """Connect to a far place while the block runs, and give it tied to the connection.

    One that is tied to a connection already stays as it is.

    `check` is called while waiting, and may raise `Cancelled` to stop: then nobody waits any longer.

    Raises:
        Skipped: it does not answer.
        RunError: it refuses, or its certificate is not trusted.
    """
    there = connection_to(place)
    if there is not None:
        _greet(there)
        yield place
        return
    asking = HttpAsking(place)
    connection = FarConnection(place, asking, check=check)
    with _cut_when_told(asking, check), connected(connection) as tied:
        _greet(connection)
        yield tied


def _greet(connection: FarConnection) -> None:
    try:
        connection.greeting()
    except Unreachable as error:
        raise Skipped(
            f"{connection.place.address} does not answer: {error}; is the agent running?"
        ) from error


@contextlib.contextmanager
def _cut_when_told(asking: HttpAsking, check: Callable[[], None]) -> Iterator[None]:
    """Cut the connections when the run is to stop: a thread that waits for an answer hears no signal."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            try:
                check()
            except Cancelled:
                asking.wire.abort()

    watching = threading.Thread(target=watch, name="far end", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()

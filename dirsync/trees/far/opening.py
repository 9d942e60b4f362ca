"""Opening a connection to a far place, for as long as a run takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from dirsync.errors import Skipped
from dirsync.model.place import FarPlace
from dirsync.trees.far.connection import FarConnection, Unreachable, connected, connection_to
from dirsync.trees.far.http import HttpAsking


@contextlib.contextmanager
def reached(place: FarPlace, *, check: Callable[[], None]) -> Iterator[FarPlace]:
    """Connect to a far place while the block runs, and give it tied to the connection.

    One that is tied to a connection already stays as it is.

    `check` is called while waiting, and may raise to stop.

    Raises:
        Skipped: it does not answer.
        RunError: it refuses, or its certificate is not trusted.
    """
    there = connection_to(place)
    if there is not None:
        _greet(there)
        yield place
        return
    connection = FarConnection(place, HttpAsking(place), check=check)
    with connected(connection) as tied:
        _greet(connection)
        yield tied


def _greet(connection: FarConnection) -> None:
    try:
        connection.greeting()
    except Unreachable as error:
        raise Skipped(
            f"{connection.place.address} does not answer: {error}; is the agent running?"
        ) from error

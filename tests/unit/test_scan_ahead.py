"""A scan on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dirsync.march.marching import Check
from dirsync.march.tracking import TrackFound
from dirsync.runner.tracking.ahead import Ahead


def nothing() -> None: ...


def endless(check: Check) -> Iterator[TrackFound]:
    while True:
        check()
        yield TrackFound(scanned=1)


def test_what_is_made_ahead_comes_in_order() -> None:
    ahead = Ahead(lambda _: iter([TrackFound(scanned=n) for n in range(1000)]), check=nothing)

    assert [piece.scanned for piece in ahead.pieces()] == list(range(1000))
    ahead.close()


def test_what_it_raises_reaches_whoever_takes_the_pieces() -> None:
    def failing(_: Check) -> Iterator[TrackFound]:
        yield TrackFound(scanned=1)
        raise OSError(5, "Input/output error")

    ahead = Ahead(failing, check=nothing)
    pieces = ahead.pieces()

    assert next(pieces).scanned == 1
    with pytest.raises(OSError, match="Input/output"):
        next(pieces)
    ahead.close()


def test_what_its_check_raises_reaches_them_too() -> None:
    def stop() -> None:
        raise TimeoutError("time is up")

    ahead = Ahead(endless, check=stop)

    with pytest.raises(TimeoutError):
        list(ahead.pieces())
    ahead.close()


def test_one_that_nobody_takes_from_waits_and_ends_when_it_is_closed() -> None:
    ahead = Ahead(endless, check=nothing)
    ahead.close()

    assert "scan ahead" not in [thread.name for thread in threading.enumerate()]

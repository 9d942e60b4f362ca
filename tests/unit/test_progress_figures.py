"""How far a run is, in words."""

from __future__ import annotations

from dirsync.cli.output.progress import Figures
from dirsync.runner.observer import Stage, Totals

MIB = 2**20


def test_scan_tells_the_entries_so_far() -> None:
    figures = Figures(now=0.0)
    figures.entries = 12_345

    assert figures.text(now=5.0) == "scanning, 12,345 entries so far"


def mirroring(*, operations: int = 456, bytes_to_copy: int = 100 * MIB) -> Figures:
    figures = Figures(now=0.0)
    figures.plan(Totals(operations=operations, bytes_to_copy=bytes_to_copy), now=0.0)
    figures.stage = Stage.MIRROR
    return figures


def test_mirror_tells_what_is_to_go_how_fast_and_how_long() -> None:
    figures = mirroring(operations=100)
    figures.advance(50, 50 * MIB, now=10.0)

    assert figures.text(now=10.0) == "50 of 100 steps and 52.4 MB to go, 5.2 MB/s, 10 s left"
    assert figures.share == 0.5


def test_speed_is_not_guessed_in_the_first_second() -> None:
    figures = mirroring()
    figures.advance(1, MIB, now=0.4)

    assert figures.text(now=0.4) == "455 of 456 steps and 104 MB to go"


def test_plan_without_bytes_tells_no_rate_of_bytes() -> None:
    figures = mirroring(operations=10, bytes_to_copy=0)
    figures.advance(5, 0, now=2.0)

    assert figures.text(now=2.0) == "5 of 10 steps to go, 2.0 s left"


def test_speed_is_that_of_the_last_seconds_not_of_the_whole_run() -> None:
    figures = mirroring(operations=0, bytes_to_copy=1000 * MIB)
    for second in range(60):
        figures.advance(0, 5 * MIB * second, now=float(second))
    for second in range(60, 100):
        figures.advance(0, 295 * MIB + MIB * (second - 59), now=float(second))

    assert "1.0 MB/s" in figures.text(now=99.0)


def test_more_done_than_planned_is_not_less_than_nothing() -> None:
    figures = mirroring(operations=1, bytes_to_copy=10)
    figures.advance(2, 20, now=5.0)

    assert figures.text(now=5.0).startswith("0 of 1 step and 0 B to go")
    assert figures.share == 1.0


def test_empty_plan_is_done() -> None:
    assert mirroring(operations=0, bytes_to_copy=0).share == 1.0

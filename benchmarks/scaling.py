"""How time grows with a tree: the exponent of a power of its size, fitted to what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchmarks.contenders import THIS
from benchmarks.measure import Measured
from benchmarks.report import Section

ALLOWED_EXPONENT = 1.05


def exponent(points: Sequence[tuple[int, float]]) -> float:
    """Give the slope of a straight line through the logarithms of sizes and seconds."""
    sizes, seconds = zip(*points, strict=True)
    slope, _ = statistics.linear_regression([*map(math.log, sizes)], [*map(math.log, seconds)])
    return slope


def section(results: Sequence[Measured]) -> Section | None:
    """Fit the scenarios that are about size; None: fewer than three were measured."""
    points = [
        (
            measured.scenario.entries,
            statistics.median(each.seconds(THIS) for each in measured.rounds),
        )
        for measured in results
        if measured.scenario.is_of_scale
    ]
    if len(points) < 3:
        return None
    found = exponent(points)
    is_met = found <= ALLOWED_EXPONENT
    sizes = ", ".join(f"{seconds:.2f} s for {entries:,}" for entries, seconds in sorted(points))
    text = (
        f"{sizes}; start-up is in it.\n\n- The fitted exponent is {found:.2f}, allowed are "
        f"{ALLOWED_EXPONENT}: {'met' if is_met else '**not met**'}.\n"
    )
    return Section(text, is_met)

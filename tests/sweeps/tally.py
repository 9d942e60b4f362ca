"""What a sweep found: every figure is counted where the thing happens."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Tally:
    """The figures of one sweep; each worker fills one of its own."""

    sweep: str
    asked: int = 0  # points it was to reach at least
    points: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def point(self, where: str, wrong: list[str]) -> None:
        """Count a point that was reached and judged; `where` says how to reach it again."""
        self.points += 1
        self.violations += [f"{where}: {what}" for what in wrong]

    def add(self, other: Tally) -> None:
        """Take another's points in; the time is kept by whoever waited for both."""
        self.points += other.points
        self.violations += other.violations
        self.notes += other.notes

    @property
    def is_good(self) -> bool:
        """Whether nothing was violated and enough was tried."""
        return not self.violations and self.points >= self.asked

    def __str__(self) -> str:
        return f"{self.sweep}: {self.points:,} points, {len(self.violations):,} violations"


def check(tally: Tally) -> None:
    """Fail a test by what its sweep found."""
    assert not tally.violations, "\n".join([str(tally), *tally.violations[:20]])
    assert tally.points >= tally.asked, f"{tally}, but {tally.asked:,} were asked for"


def asked_of(sweep: str, *, usual: int) -> int:
    """Give how much of a sweep to run: `DIRSYNC_SWEEP_KILL=100000`, say, or as usual."""
    return int(os.environ.get(f"DIRSYNC_SWEEP_{sweep.upper()}", usual))


def evenly(total: int, *, at_most: int) -> list[int]:
    """Choose points evenly, the first and the last among them."""
    if total <= at_most:
        return list(range(total))
    return sorted({round(number * (total - 1) / max(1, at_most - 1)) for number in range(at_most)})

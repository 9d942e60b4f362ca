"""What a measurement has to come to: how much of another's time a contender may take."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Measured, Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """In the median of rounds, `of` takes at most `most` times what `against` takes, and `seconds` more."""

    against: str
    most: float
    of: str = "dirsync"
    less: str | None = None  # whose time is taken off first
    seconds: float = 0.0

    def applies(self, measured: Measured) -> bool:
        """Whether all whom it is about were measured."""
        names = measured.rounds[0].timings.keys()
        return {self.of, self.against} <= names and (self.less is None or self.less in names)

    def is_met(self, measured: Measured) -> bool:
        """Whether it holds."""
        over = [
            self._taken(each) - self.most * each.seconds(self.against) - self.seconds
            for each in measured.rounds
        ]
        return statistics.median(over) <= 0

    def in_words(self, measured: Measured) -> str:
        """Say what is allowed, what it came to, and whether that will do."""
        who = self.of if self.less is None else f"{self.of} less {self.less}"
        if self.seconds:
            more = statistics.median(
                self._taken(each) - self.most * each.seconds(self.against) for each in measured.rounds
            )
            told = f"{who} takes {more:.3f} s more than {self.against}, allowed are {self.seconds:g} s"
        else:
            ratio = statistics.median(
                self._taken(each) / each.seconds(self.against) for each in measured.rounds
            )
            told = f"{who} takes {ratio:.2f} × {self.against}, allowed are {self.most:.2f}"
        return f"{told}: {'met' if self.is_met(measured) else '**not met**'}"

    def _taken(self, each: Round) -> float:
        return each.seconds(self.of) - (each.seconds(self.less) if self.less is not None else 0.0)

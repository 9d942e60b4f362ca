"""A state that tells how far it was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from dirsync.cli.output.progress import Figures, Progress
from dirsync.cli.output.summary import Failures
from dirsync.model.change import Failure
from dirsync.model.job import HashAlgorithm
from dirsync.model.snapshot import Sighting, State

_EVERY = 1024  # sightings between two looks up


class WatchedState:
    """A state that counts what is read of it; `entries` and `failures` grow meanwhile."""

    def __init__(self, state: State, *, progress: Progress, check: Callable[[], None]) -> None:
        """Watch a state; `check` is called now and then, and may raise to stop."""
        self._state = state
        self._progress = progress
        self._check = check
        self.entries = 0
        self.failures = Failures()

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """What hashed the content of its files; None: they are not hashed."""
        return self._state.algorithm

    def sightings(self) -> Iterator[Sighting]:
        """Give what the state gives."""
        figures = Figures(now=time.monotonic())
        for number, sighting in enumerate(self._state.sightings(), 1):
            if isinstance(sighting, Failure):
                self.failures.add(sighting)
            else:
                self.entries += 1
            yield sighting
            if number % _EVERY == 0:
                self._check()
                figures.entries = self.entries
                self._progress.show(figures)

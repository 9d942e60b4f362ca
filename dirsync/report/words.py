"""How people are told things: the command line's own words, which a report borrows."""

from __future__ import annotations

import datetime
from typing import NamedTuple, Protocol

from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Counts
from dirsync.report.report import Fold, JobReport


class ChangeWords(NamedTuple):
    """One change in words, for a column each."""

    verb: str  # `delete`
    name: str  # `photos/a.jpg`, escaped; `old → new` of a move
    reasons: str  # `size 10→12, mtime +3 s`; may be empty


class Words(Protocol):
    """The words for changes and figures."""

    def change(self, change: RecordedChange) -> ChangeWords:
        """Say what happened to a path, and why it counts."""
        ...

    def deeds(self, counts: Counts) -> list[str]:
        """Say how many changes there were of each kind."""
        ...

    def byte_count(self, count: int) -> str:
        """Write a number of bytes: `3.4 MB`."""
        ...

    def seconds(self, seconds: float) -> str:
        """Write a duration: `3 d 4 h`."""
        ...


def fold_words(fold: Fold, words: Words) -> ChangeWords:
    """Say what happened to a path, and to what it stands for; of a single file, how large it is."""
    told = words.change(fold.change)
    size = words.byte_count(fold.byte_count)
    if fold.beneath:
        return told._replace(reasons=f"with {fold.beneath:,} beneath, {size}")
    if fold.byte_count and not told.reasons:
        return told._replace(reasons=size)
    return told


def minute(at: datetime.datetime) -> str:
    """Write a moment in local time: `2026-03-29 12:30`."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def pruned_words(job: JobReport) -> str:
    """Say what of a report's time is older than what is kept of a job; empty: nothing is."""
    if job.kept_since is None:
        return ""
    return f"older than what is kept: runs before {minute(job.kept_since)} were pruned"

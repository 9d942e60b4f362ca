"""The command line's words, as a report borrows them."""

from __future__ import annotations

from dirsync.cli.output.reasons import change_words
from dirsync.cli.output.recorded import told_change
from dirsync.cli.output.summary import recorded_counts
from dirsync.cli.output.units import human_bytes, human_count, human_seconds
from dirsync.model.job import JobType
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Counts
from dirsync.report.words import ChangeWords


class Spoken:
    """Says what a run would say, of what is past."""

    def change(self, change: RecordedChange) -> ChangeWords:
        """Say what happened to a path, and why it counts."""
        return ChangeWords(*change_words(told_change(change), job_type=JobType.TRACK))

    def deeds(self, counts: Counts) -> list[str]:
        """Say how many changes there were of each kind."""
        words = [f"{human_count(count)} {word}" for count, word in recorded_counts(counts)]
        return words + ([f"{human_bytes(counts.bytes_copied)} copied"] if counts.bytes_copied else [])

    def byte_count(self, count: int) -> str:
        """Write a number of bytes."""
        return human_bytes(count)

    def seconds(self, seconds: float) -> str:
        """Write a duration."""
        return human_seconds(seconds)

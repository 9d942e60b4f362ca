"""The command line's words, as a message borrows them."""

from __future__ import annotations

from dirsync.cli.output.reasons import change_words
from dirsync.cli.output.units import human_bytes, human_seconds
from dirsync.model.change import Change
from dirsync.model.job import JobType
from dirsync.notify.words import ChangeWords


class ToldWords:
    """Says in a message what a run would say."""

    def change(self, change: Change, *, job_type: JobType) -> ChangeWords:
        """Say what happened to a path in a run of such a job, and why it counts."""
        return ChangeWords(*change_words(change, job_type=job_type))

    def byte_count(self, count: int) -> str:
        """Write a number of bytes."""
        return human_bytes(count)

    def seconds(self, seconds: float) -> str:
        """Write a duration."""
        return human_seconds(seconds)

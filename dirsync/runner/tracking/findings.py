"""What a scan found to differ from the catalog, until it is known what it amounts to."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from dirsync.model.change import Aspect
from dirsync.model.job import Severity
from dirsync.model.recorded import Recorded
from dirsync.plan.spill import SpillList


class Finding(NamedTuple):
    """One path that came, went, was altered or is recorded no more."""

    path: bytes
    old: Recorded | None  # None: it came
    new: Recorded | None  # None: it went, or is recorded no more
    severity: Severity
    aspects: frozenset[Aspect] = frozenset()  # of what was altered: what differs and counts


class Gone(NamedTuple):
    """A directory that went, with all that is recorded beneath it."""

    path: bytes  # where it would be now
    recorded: bytes  # where the catalog has it


class Unfinished(NamedTuple):
    """A directory on record that was altered, and holds files that are due to be read again."""

    path: bytes  # where it is now
    altered: frozenset[bytes]  # names of what was altered in it, or went: not due


class Findings(Struct, kw_only=True):
    """Everything a scan found; long lists are kept on disk."""

    came: SpillList[Finding] = field(default_factory=SpillList)
    went: SpillList[Finding] = field(default_factory=SpillList)
    altered: SpillList[Finding] = field(default_factory=SpillList)
    left: SpillList[Finding] = field(default_factory=SpillList)  # the job records them no more
    gone: list[Gone] = field(default_factory=list)
    forgotten: list[Gone] = field(default_factory=list)  # the job records them no more
    explained: set[bytes] = field(default_factory=set)  # directories whose mtime what is in them explains

    def close(self) -> None:
        """Give the disk space of long lists back."""
        for findings in (self.came, self.went, self.altered, self.left):
            findings.close()

"""Files that reports are written to: one of its own for each job, and none that a run would remove."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dirsync.config.nodes import locate
from dirsync.config.overlaps import DeclaredJob
from dirsync.config.places import Surveyor
from dirsync.config.problems import Problems, quoted
from dirsync.model.job import JobType, MirrorJob


def check_report_files(jobs: Iterable[DeclaredJob], problems: Problems) -> None:
    """Check where each job's report is written to."""
    jobs = tuple(jobs)
    reporting = [each for each in jobs if each.job.report is not None]
    if not reporting:
        return
    surveyor = Surveyor()
    destinations = [
        (each, surveyor.ground(str(each.job.destination)))
        for each in jobs
        if isinstance(each.job, MirrorJob) and each.job.enabled and each.job.type is JobType.SYNC
    ]
    first: dict[str, DeclaredJob] = {}
    for each in reporting:
        assert each.job.report is not None
        file = each.job.report.to
        owner = first.setdefault(file, each)
        if owner is not each:
            name = quoted(owner.job.name)
            _note(each, f"is the report of {name} too; put {{job}} into the file's name", problems)
        ground = surveyor.ground(os.path.dirname(file))
        for other, destination in destinations:
            if destination.holds(ground):
                name = quoted(other.job.name)
                _note(
                    each,
                    f"is in the destination of {name}, which would remove it; write it elsewhere",
                    problems,
                )


def _note(each: DeclaredJob, text: str, problems: Problems) -> None:
    spot = locate(each.node, ("report", "to"), path=each.path, origin=each.origin)
    problems.add(spot.origin, spot.path, text)

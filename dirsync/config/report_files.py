"""Files that reports are written to: one of its own for each job, and none that a run would remove."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from dirsync.config.nodes import MappingNode, Origin, locate
from dirsync.config.overlaps import DeclaredJob
from dirsync.config.places import Surveyor
from dirsync.config.problems import Problems, quoted
from dirsync.model.job import Digest, JobType, MirrorJob


class _Written(NamedTuple):
    """A file that somebody's report is written to."""

    owner: str  # as a message names it
    file: str
    node: MappingNode  # that holds the report
    path: str  # of the node
    origin: Origin


def check_report_files(
    jobs: Iterable[DeclaredJob], report: Digest | None, main: MappingNode, problems: Problems
) -> None:
    """Check where reports are written to: each job's, and the one on all jobs."""
    jobs = tuple(jobs)
    written = [
        _Written(quoted(each.job.name), file, each.node, each.path, each.origin)
        for each in jobs
        for file in (each.job.report.files if each.job.report is not None else ())
    ]
    written += [
        _Written("all jobs", file, main, "", main.origin) for file in (report.files if report else ())
    ]
    if not written:
        return
    surveyor = Surveyor()
    destinations = [
        (each, surveyor.ground(str(each.job.destination)))
        for each in jobs
        if isinstance(each.job, MirrorJob) and each.job.enabled and each.job.type is JobType.SYNC
    ]
    first: dict[str, _Written] = {}
    for each in written:
        owner = first.setdefault(each.file, each)
        if owner is not each:
            _note(each, f"is the report of {owner.owner} too; put {{job}} into the file's name", problems)
        ground = surveyor.ground(os.path.dirname(each.file))
        for other, destination in destinations:
            if destination.holds(ground):
                name = quoted(other.job.name)
                _note(
                    each,
                    f"is in the destination of {name}, which would remove it; write it elsewhere",
                    problems,
                )


def _note(each: _Written, text: str, problems: Problems) -> None:
    spot = locate(each.node, ("report", "to"), path=each.path, origin=each.origin)
    problems.add(spot.origin, spot.path, text)

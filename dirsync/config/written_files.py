"""Files that runs write beside their destinations: none that a run would remove, and a report a job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dirsync.config.catalogs import SQLITE
from dirsync.config.nodes import MappingNode, Origin, locate
from dirsync.config.overlaps import DeclaredJob
from dirsync.config.places import Ground, Surveyor
from dirsync.config.problems import Problems, quoted
from dirsync.model.job import DeletePolicy, Digest, JobType, MirrorJob
from dirsync.model.place import CatalogPlace

_REPORT, _LOG, _CATALOG, _KEY = ("report", "to"), ("log", "file"), ("catalog",), ("catalog", "key")


class _Written(NamedTuple):
    """A file that is written."""

    owner: str  # as a message names it
    file: str  # absolute path
    keys: tuple[str, ...]  # that name it in the node
    node: MappingNode
    path: str  # of the node
    origin: Origin

    def note(self, text: str, problems: Problems) -> None:
        """Note a problem where the file is named."""
        spot = locate(self.node, self.keys, path=self.path, origin=self.origin)
        problems.add(spot.origin, spot.path, text)


def check_written_files(
    jobs: Iterable[DeclaredJob],
    report: Digest | None,
    catalog: CatalogPlace | None,
    main: MappingNode,
    problems: Problems,
) -> None:
    """Check where reports, logs and the catalog are written to; `report` is the one on all jobs."""
    jobs = tuple(jobs)
    reports = [each for job in jobs for each in _reports_of(job)]
    reports += [
        _Written("all jobs", file, _REPORT, main, "", main.origin)
        for file in (report.files if report else ())
    ]
    _check_reports_apart(reports, problems)
    written = [*reports, *_logs(jobs), *_catalog_files(catalog, main)]
    if written:
        _check_outside(written, jobs, problems)


def _reports_of(each: DeclaredJob) -> Iterator[_Written]:
    for file in each.job.report.files if each.job.report is not None else ():
        yield _Written(quoted(each.job.name), file, _REPORT, each.node, each.path, each.origin)


def _logs(jobs: Iterable[DeclaredJob]) -> Iterator[_Written]:
    for each in jobs:
        if each.job.log.file is not None:
            yield _Written(quoted(each.job.name), each.job.log.file, _LOG, each.node, each.path, each.origin)


def _catalog_files(catalog: CatalogPlace | None, main: MappingNode) -> Iterator[_Written]:
    """Give the files of a catalog that the file itself places; the state directory is checked as a whole."""
    if catalog is None or "catalog" not in main.entries:
        return
    if catalog.url.startswith(SQLITE):
        yield _Written("", catalog.url.removeprefix(SQLITE), _CATALOG, main, "", main.origin)
    yield _Written("", catalog.key_file, _KEY, main, "", main.origin)


def _check_reports_apart(reports: Iterable[_Written], problems: Problems) -> None:
    first: dict[str, _Written] = {}
    for each in reports:
        owner = first.setdefault(each.file, each)
        if owner is not each:
            each.note(f"is the report of {owner.owner} too; put {{job}} into the file's name", problems)


def _check_outside(written: Iterable[_Written], jobs: Iterable[DeclaredJob], problems: Problems) -> None:
    surveyor = Surveyor()
    destinations = [
        (job, surveyor.ground(str(job.destination)))
        for job in (each.job for each in jobs)
        if isinstance(job, MirrorJob) and job.enabled and job.type is JobType.SYNC
    ]
    for each in written:
        ground = surveyor.ground(os.path.dirname(each.file))
        for job, destination in destinations:
            if destination.holds(ground) and not _stays(job, each.file, ground, destination):
                text = (
                    f"is in the destination of {quoted(job.name)}, which would remove it; write it elsewhere"
                )
                each.note(text, problems)


def _stays(job: MirrorJob, file: str, directory: Ground, destination: Ground) -> bool:
    """Whether runs leave a file in their destination alone, for they delete nothing, or exclude it."""
    from dirsync.filters import Verdict, root_scope  # few files are beneath a destination

    if job.delete is DeletePolicy.KEEP:
        return True
    if job.delete_excluded:
        return False
    where = os.path.relpath(os.path.join(directory.path, os.path.basename(file)), destination.path)
    *above, name = os.fsencode(where).split(b"/")
    scope = root_scope(job)
    for each in above:
        if scope.verdict(each, is_directory=True) is Verdict.EXCLUDED:
            return True
        scope = scope.enter(each)
    return scope.verdict(name, is_directory=False) is Verdict.EXCLUDED

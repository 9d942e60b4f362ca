"""Jobs whose places get in each other's way: refused before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from dirsync.config.nodes import MappingNode, Origin, locate
from dirsync.config.places import Ground, Mark, Surveyor
from dirsync.config.problems import Problems, quoted
from dirsync.model.job import Job, JobType, MirrorJob, PatternLine
from dirsync.model.place import RESERVED, FarPlace

_SPECIAL = re.compile(r"[*?\[\\ ]")  # what a gitignore line takes for something else
_NOWHERE = Ground("", frozenset(), frozenset())  # on this machine


class DeclaredJob(Struct, frozen=True):
    """A job, and where it was declared."""

    job: Job
    node: MappingNode  # what holds for it
    path: str  # `jobs.photos`; empty on the command line
    origin: Origin


class Surveyed(Struct, frozen=True):
    """A declared job and the ground of both its sides."""

    declared: DeclaredJob
    source: Ground
    destination: Ground | None  # None: a track job's is the catalog

    def note(self, key: str, text: str, problems: Problems) -> None:
        """Note a problem at one of the job's keys."""
        spot = locate(self.declared.node, (key,), path=self.declared.path, origin=self.declared.origin)
        problems.add(spot.origin, spot.path, text)

    @property
    def writes(self) -> bool:
        """Whether runs of this job change its destination."""
        return self.declared.job.enabled and self.declared.job.type is JobType.SYNC


def check_places(
    jobs: Iterable[DeclaredJob], state: str | None, problems: Problems, *, setting: str = "'state'"
) -> None:
    """Check each job's sides against each other, against the state directory and against the other jobs.

    `setting` is what names the state directory, for those whose place is refused.
    """
    surveyor = Surveyor()
    surveyed = [_survey(each, surveyor) for each in jobs]
    state_ground = None if state is None else surveyor.ground(state)
    for each in surveyed:
        _check_sides(each, problems)
        if state_ground is not None:
            _check_state(each, state_ground, problems, setting=setting)
    writers = [(each, each.destination) for each in surveyed if each.destination is not None and each.writes]
    _check_destinations(writers, problems)


def _survey(declared: DeclaredJob, surveyor: Surveyor) -> Surveyed:
    job = declared.job
    if isinstance(job.source, FarPlace):
        source = _NOWHERE
    else:
        source = surveyor.ground(str(job.source), one_file_system=job.one_file_system)
    destination = surveyor.ground(str(job.destination)) if isinstance(job, MirrorJob) else None
    return Surveyed(declared, source, destination)


def _check_sides(each: Surveyed, problems: Problems) -> None:
    destination = each.destination
    if destination is None:
        return
    if each.source.holds(destination) and destination.holds(each.source):
        each.note("destination", "is the source itself; name another directory", problems)
    elif each.source.holds(destination):
        where = quoted(each.source.path)
        each.note("destination", f"is inside the source {where}; name a directory outside of it", problems)
    elif destination.holds(each.source):
        where = quoted(destination.path)
        each.note(
            "source", f"is inside the destination {where}; name a destination that does not hold it", problems
        )


def _check_state(each: Surveyed, state: Ground, problems: Problems, *, setting: str) -> None:
    if each.destination is not None and each.destination.holds(state):
        text = f"holds the state directory {quoted(state.path)}; set {setting} to a directory outside of it"
        each.note("destination", text, problems)
    elif each.destination is not None and state.holds(each.destination):
        text = f"is inside the state directory {quoted(state.path)}; name a directory outside of it"
        each.note("destination", text, problems)
    elif each.source.holds(state) and not (_is_reserved(each, state) or _excludes(each, state)):
        line = _pattern_of(each, state)
        text = f"holds the state directory {quoted(state.path)}, which changes with each run; "
        each.note("source", f"{text}exclude {quoted(line)}, or set {setting} to one outside", problems)


def without_state(declared: DeclaredJob, state: str) -> DeclaredJob:
    """Give a job that leaves the state directory out, where its source holds that."""
    surveyor = Surveyor()
    each, ground = _survey(declared, surveyor), surveyor.ground(state)
    if not each.source.holds(ground) or _is_reserved(each, ground):
        return declared
    line = PatternLine(os.fsencode(_pattern_of(each, ground)), declared.origin.file.shown, 0)
    return replace(declared, job=replace(declared.job, exclude=(*declared.job.exclude, line)))


def _is_reserved(each: Surveyed, state: Ground) -> bool:
    """Whether the state directory is where no run ever looks."""
    return os.path.relpath(state.path, each.source.path) == os.fsdecode(RESERVED)


def _pattern_of(each: Surveyed, state: Ground) -> str:
    """Write the pattern that excludes the state directory from the source."""
    return f"/{_spelled(os.path.relpath(state.path, each.source.path))}/"


def _spelled(path: str) -> str:
    """Write a path as a gitignore line has to."""
    return _SPECIAL.sub(r"\\\g<0>", path)


def _excludes(each: Surveyed, state: Ground) -> bool:
    """Whether the last of the exclude lines that spell out the state directory excludes it."""
    anchored = _pattern_of(each, state)
    name = _spelled(os.path.basename(state.path))
    spellings = {os.fsencode(text) for text in (anchored, anchored.rstrip("/"), f"{name}/", name)}
    lines = [line.text for line in each.declared.job.exclude]
    deciding = [line for line in lines if line.removeprefix(b"!") in spellings]
    return bool(deciding) and not deciding[-1].startswith(b"!")


def _check_destinations(writers: list[tuple[Surveyed, Ground]], problems: Problems) -> None:
    """Check that no two destinations are one, or one inside the other; each later job is told once."""
    owners: dict[Mark, int] = {}  # a destination's own mark: the first job it belongs to
    insiders: dict[Mark, int] = {}  # a mark above some destination: the first such job
    for position, (each, destination) in enumerate(writers):
        met = [owners[mark] for mark in destination.chain if mark in owners]
        met += [insiders[mark] for mark in destination.own if mark in insiders]
        if met:
            first, its_destination = writers[min(met)]
            how = _overlap(quoted(first.declared.job.name), its_destination, destination)
            text = f"{how} ({first.declared.origin}); give each job a directory of its own"
            each.note("destination", text, problems)
        for mark in destination.own:
            owners.setdefault(mark, position)
        for mark in destination.chain:
            insiders.setdefault(mark, position)


def _overlap(name: str, first: Ground, second: Ground) -> str:
    if not second.holds(first):
        return f"is inside the destination of {name}"
    if not first.holds(second):
        return f"holds the destination of {name}"
    return f"is the destination of {name} too"

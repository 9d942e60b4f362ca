"""From a job to a complete plan: the march feeds the planner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from dirsync.compare.rules import Rules
from dirsync.errors import RunError
from dirsync.filters import root_scope
from dirsync.march.driver import march_tree
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.march import march
from dirsync.march.marked import marked_directories, own_change
from dirsync.march.strider import may_stride
from dirsync.model.capabilities import Capabilities
from dirsync.model.job import DeletePolicy, MirrorJob, Preserve, SymlinkPolicy
from dirsync.model.marks import Marks
from dirsync.model.names import local_text, shown
from dirsync.model.operation import Phase
from dirsync.model.place import FarPlace, Place
from dirsync.model.stop import Deadline
from dirsync.plan.link_planner import LinkPlanner
from dirsync.plan.plan import Plan
from dirsync.plan.planner import Planner
from dirsync.runner.observer import Observer
from dirsync.runner.places import Places
from dirsync.runner.second_look import SecondLook
from dirsync.trees.local import open_tree
from dirsync.trees.mounts import mounted_beneath
from dirsync.trees.source import SourceTree

logger = logging.getLogger(__name__)

Sieve = Callable[[Found], None]
Pair = Callable[[Plan], Plan]


class Scan:
    """Scans both ends of a job, compares them, and plans."""

    def __init__(
        self,
        job: MirrorJob,
        places: Places,
        rules: Rules,
        *,
        observer: Observer,
        deadline: Deadline,
        sieve: Sieve | None = None,
        reads_disk: bool = False,
        lists_equal: bool = False,
        marks: Marks | None = None,
    ) -> None:
        """Work for one run; `sieve` sees each piece of what was found first, and may alter it.

        `marks`: nothing else has changed in the source since a complete pass (None: all may have).
        """
        self._marks = marks
        self._has_several_names = False
        self._sieve = sieve
        self._reads_disk = reads_disk
        self._lists_equal = lists_equal
        self._job = job
        self._places = places
        self._rules = rules
        self._observer = observer
        self._deadline = deadline
        self._specials: list[bytes] = []  # the first one is named, all are counted
        self._special_count = 0

    def plan(self, *, folder: str, pair: Pair | None = None) -> Plan:
        """Give the complete plan; a long one is kept in `folder`.

        `pair` may give another plan for one, in which what moved is moved.

        Where only marked directories are to be looked at, all are after all if what is found
        there cannot be judged alone: a file has other names somewhere, or nothing is there.

        Raises:
            RunError: an end could not be scanned at all.
            Cancelled: the deadline passed.
        """
        if self._marks is not None:
            plan = self._plan(folder, pair)
            if plan.counts.scanned and not self._has_several_names:
                return plan
            logger.info("what is marked cannot be judged alone; all is looked at")
            plan.close()
            self._marks = None
        return self._plan(folder, pair)

    @property
    def is_whole(self) -> bool:
        """Whether all was looked at."""
        return self._marks is None

    def _plan(self, folder: str, pair: Pair | None) -> Plan:
        plan = Plan(folder=folder, keeps_versions=self._job.delete is DeletePolicy.TRASH)
        try:
            self._march(plan)
            if pair is not None:
                plan = pair(plan)
            if plan.linked:
                self._decide_on_links(plan)
        except OSError as error:
            plan.close()
            raise RunError(f"'{self._job.name}': the scan could not go on: {error.strerror}") from error
        except BaseException:
            plan.close()
            raise
        return plan

    def _march(self, plan: Plan) -> None:
        planner = Planner(plan, delete=self._job.delete, hard_links=self._keeps_hard_links)
        roots, context = self._beginning(planner)
        for found in march_tree(
            partial(march, context),
            roots,
            workers=1 if isinstance(context.source, FarPlace) else self._job.workers,
            check=self._deadline.check,
            in_threads=may_stride(context),
        ):
            if self._sieve is not None:
                self._sieve(found)
            self._take(found, plan, planner)
        self._give_notice_of_specials()
        planner.finish()

    @property
    def _keeps_hard_links(self) -> bool:
        return Preserve.HARDLINKS in self._job.preserve and self._rules.kept.hard_links

    def _decide_on_links(self, plan: Plan) -> None:
        destination = self._job.destination
        mounts = mounted_beneath(destination.path) if self._places.destination else frozenset()
        with SecondLook(self._job.source, destination, before=plan.before) as look:
            LinkPlanner(plan, look=look, mounts=mounts).decide()

    def _beginning(self, planner: Planner) -> tuple[list[Directory], Context]:
        """Give the first directories of the march, and in what those of the two sides differ."""
        job, context, scope = self._job, self.context(), root_scope(self._job)
        with open_tree(job.source) as source:
            if self._places.destination is None:
                self._marks = None
                planner.add_new_root(source.directory(b""))
                return [Directory(b"", Sides.SOURCE, scope)], context
            with open_tree(job.destination) as destination:
                if self._marks is None:
                    change = own_change(context, b"", source=source, destination=destination)
                    return [Directory(b"", Sides.BOTH, scope, change)], context
                begins = marked_directories(
                    context, scope, self._marks, source=source, destination=destination
                )
        logger.info("directories looked at, for they are marked: %d", len(begins))
        apart = frozenset(directory.path for directory in begins)
        return begins, replace(context, marched_apart=apart, hard_links=True)

    def context(self) -> Context:
        """Give what is the same for every directory of the march."""
        job, places = self._job, self._places
        there = places.destination is not None
        marker = job.guard.marker
        protects_marker = marker is not None and "source" not in places.marker_sides
        return Context(
            source=job.source,
            destination=job.destination,
            rules=self._rules,
            skip_symlinks=skips_symlinks(job, self._rules.kept),
            delete_excluded=job.delete_excluded,
            hard_links=self._keeps_hard_links,
            source_device=_device(places.source) if job.one_file_system else None,
            destination_device=_device(places.destination),
            destination_mounts=mounted_beneath(job.destination.path) if there else frozenset(),
            protected=frozenset({marker}) if protects_marker and marker else frozenset(),
            include=tuple(line.text for line in job.include),
            exclude=tuple(line.text for line in job.exclude),
            reads_disk=self._reads_disk,
            lists_equal=self._lists_equal,
        )

    def _take(self, found: Found, plan: Plan, planner: Planner) -> None:
        """Hand what a piece of the march found to the planner."""
        self._has_several_names = self._has_several_names or bool(found.linked)
        plan.counts.scanned += found.scanned
        plan.destination_entries += found.destination_entries
        for stray in found.strays:
            planner.add_stray(stray)
        hand_over(found, planner)
        for failure in found.failures:
            if not failure.path:
                raise RunError(f"'{self._job.name}': {failure.reason}")
            planner.add_failure(failure)
        for mount in found.mounts_kept:
            self._observer.noticed(
                f"'{shown(mount)}': on another file system, mounted at the destination; left as it is"
            )
        self._special_count += len(found.specials)
        self._specials = (self._specials + found.specials)[:1]
        self._observer.scanned(plan.counts.scanned)

    def _give_notice_of_specials(self) -> None:
        if self._specials:
            others = f" and {self._special_count - 1:,} more" if self._special_count > 1 else ""
            self._observer.noticed(
                "special files (sockets, FIFOs, devices) are not copied: "
                f"'{shown(self._specials[0])}'{others}"
            )


def hand_over(found: Found, planner: Planner) -> None:
    """Hand the facts about a piece of a tree to a planner."""
    for path in found.kept:
        planner.add_kept(path)
    for touched in found.touched:
        planner.add_touched(touched.new, touched.old, selected=touched.selected)
    for linked in found.linked:
        planner.add_linked(linked)
    for files in found.new_files:
        planner.add_new_files(files)
    for change in found.changes:
        planner.add_change(change)


def skips_symlinks(job: MirrorJob, kept: Capabilities) -> bool:
    """Whether symlinks are no part of either tree; where they are followed, the source has none."""
    match job.symlinks:
        case SymlinkPolicy.SKIP:
            return True
        case SymlinkPolicy.FOLLOW:
            return False
        case SymlinkPolicy.PRESERVE:
            return not kept.symlinks or Preserve.SYMLINKS not in job.preserve


def _device(place: Place | None) -> int | None:
    return place.identity[0] if place is not None and place.identity is not None else None


def allocated_bytes(job: MirrorJob, plan: Plan) -> int:
    """Count what the files a plan copies take on the source's disk, holes left out."""
    if isinstance(job.source, FarPlace):
        return plan.counts.bytes_copied
    total = 0
    with open_tree(job.source) as source:
        for operation in plan.operations(Phase.COPY):
            size = operation.change.bytes_to_copy
            total += min(size, _allocated(source, operation.change.path)) if size else 0
    return total


def _allocated(source: SourceTree, path: bytes) -> int:
    """Give a file's blocks in bytes; a file that cannot be seen now counts for nothing."""
    try:
        status = source.status(path)
    except OSError:
        logger.debug("blocks of '%s' cannot be counted", local_text(path))
        return 0
    return status.st_blocks * 512

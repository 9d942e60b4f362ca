"""Going through directories that are equal on two machines, at the cost of 16 bytes where all agree.

Both ends survey their tree at the same time. Then digests are compared from the top: where those
of whole subtrees agree, all beneath is counted and done; where only a directory's own do, its
subdirectories are asked about; and a directory that differs takes a step, in which both sides
are listed. What is listed next is asked for beforehand, many directories at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from dirsync.filters import Verdict
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.marching import Check
from dirsync.march.strider import Stepped
from dirsync.model.marks import Reach
from dirsync.scan.sources import listing_in
from dirsync.scan.survey import Columns, Ground, TooMany, survey
from dirsync.trees.far.connection import FarConnection, FarEndLost
from dirsync.trees.far.tree import FarTree
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree
from dirsync.wire.asks import MOST_PATHS, AskSurvey, Counted, Selecting, Surveyed
from dirsync.wire.beliefs import check_surveyed
from dirsync.wire.frames import ProtocolError

_MOST_AT_ONCE = 512  # directories whose listings are asked for together
_MOST_DIRECTORIES = 200_000  # of one survey: what is larger is surveyed piece by piece


class Surveys:
    """What both ends found, for as long as a connection is open."""

    def __init__(self) -> None:
        self.name = os.urandom(16)
        self.near: dict[bytes, dict[bytes, Ground] | None] = {}  # by what was surveyed; None: too much


def surveys_of(connection: FarConnection) -> Surveys:
    """Give the surveys of a connection: a march comes back to them again and again."""
    return connection.kept(Surveys)


class FarStrider:
    """Goes through directories of a far source and a destination; for one thread."""

    def __init__(
        self, context: Context, *, source: FarTree, destination: SourceTree, found: Found, check: Check
    ) -> None:
        """Go through two trees; what is counted goes to `found`."""
        self._context = context
        self._source = source
        self._destination = destination
        self._found = found
        self._check = check
        self._surveys = surveys_of(source.connection)
        rules = context.rules
        self._counts = Counted(
            size=rules.size, mtime=rules.mtime, ownership=rules.ownership, hard_links=context.hard_links
        )
        self._skips = not (
            rules.beyond_columns
            or context.confirming is not None
            or context.lists_equal
            or context.taken
            or context.source_device is not None
            or (context.delete_excluded and (context.skip_symlinks or context.exclude or context.include))
        )

    def next_steps(self, left: list[Directory]) -> Iterator[Stepped]:
        """Take directories off the end of a list, and give those that take a step."""
        directory = left[-1]
        if directory.sides is not Sides.BOTH:
            left.pop()
            if Sides.SOURCE in directory.sides:
                self._source.foresee_beneath(
                    directory.path,
                    (each.path for each in reversed(left) if each.sides is Sides.SOURCE),
                    include=self._context.include,
                    exclude=self._context.exclude,
                )
            return iter([(directory, None)])
        batch = [left.pop()]
        while left and left[-1].sides is Sides.BOTH and len(batch) < _MOST_AT_ONCE:
            batch.append(left.pop())
        return self._steps(batch)

    def _steps(self, batch: list[Directory]) -> Iterator[Stepped]:
        steps = [directory for directory in batch if not self._may_skip(directory)]
        if any(not directory.path and self._is_plain(directory) for directory in steps):
            self._begin_surveys(next(directory for directory in steps if not directory.path))
        skipping = [directory for directory in batch if self._may_skip(directory)]
        while skipping:
            self._check()
            skipping = self._compare(skipping, steps)
        for start in range(0, len(steps), _MOST_AT_ONCE):
            some = steps[start : start + _MOST_AT_ONCE]
            self._source.foresee(listings=[directory.path for directory in some])
            for directory in some:
                yield directory, None

    def _is_plain(self, directory: Directory) -> bool:
        return self._skips and not directory.scope.ignore_files and directory.destination_path is None

    def _may_skip(self, directory: Directory) -> bool:
        """Whether a directory takes no step if its digests agree."""
        return (
            bool(directory.path)
            and directory.change is None
            and directory.reach is Reach.SUBTREE
            and self._is_plain(directory)
        )

    def _compare(self, directories: list[Directory], steps: list[Directory]) -> list[Directory]:
        """Compare digests; give the directories to go on with, and add to those that take a step."""
        deeper: list[Directory] = []
        mine = [self._near(directory) for directory in directories]
        theirs = self._far(directories)
        for directory, near, far in zip(directories, mine, theirs, strict=True):
            if near is None or far is None or near.own is None or near.own != far.own:
                steps.append(directory)
            elif near.whole is not None and near.whole == far.whole:
                self._found.scanned += near.entries  # as many as there, for the digests agree
                self._found.destination_entries += near.entries
            else:
                self._found.scanned += near.rows
                self._found.destination_entries += near.rows
                deeper += self._subdirectories(directory)
        return deeper

    def _subdirectories(self, directory: Directory) -> Iterator[Directory]:
        """Give the directories in one that is equal on both sides."""
        scope = directory.scope
        for name in listing_in(self._destination, directory.path).directories():
            if not scope.trivial and scope.verdict(name, is_directory=True) is Verdict.EXCLUDED:
                continue
            path = join(directory.path, name)
            inner = scope if scope.trivial else scope.enter(name)
            may_delete = directory.may_delete and path not in self._context.destination_mounts
            yield Directory(path, Sides.BOTH, inner, None, may_delete)

    # Surveys

    def _begin_surveys(self, root: Directory) -> None:
        """Survey both trees from the top, at the same time."""
        if b"" in self._surveys.near:
            return
        with ThreadPoolExecutor(1, thread_name_prefix="survey") as beside:
            far: Future[list[Surveyed | None]] = beside.submit(self._asked, b"", [b""])
            self._surveys.near[b""] = self._surveyed(root)
            if far.result()[0] is None:
                self._surveys.near[b""] = None

    def _surveyed(self, directory: Directory) -> dict[bytes, Ground] | None:
        """Survey the destination from a directory on; None: that is too much at once."""
        counts = self._counts
        assert isinstance(self._destination, LocalTree)
        try:
            return survey(
                self._destination,
                directory.path,
                scope=directory.scope,
                columns=Columns(
                    size=counts.size,
                    mtime=counts.mtime,
                    ownership=counts.ownership,
                    hard_links=counts.hard_links,
                ),
                most_directories=_MOST_DIRECTORIES,
                check=self._check,
            )
        except TooMany:
            return None

    def _root_for(self, path: bytes) -> bytes:
        """Say from where on the survey was made that holds a directory: the top, or itself."""
        at = path
        while at:
            if self._surveys.near.get(at) is not None:
                return at
            at = at.rpartition(b"/")[0]
        return b"" if self._surveys.near.get(b"") is not None else path

    def _near(self, directory: Directory) -> Ground | None:
        root = self._root_for(directory.path)
        if root not in self._surveys.near:
            self._surveys.near[root] = self._surveyed(directory)
        grounds = self._surveys.near[root]
        return None if grounds is None else grounds.get(directory.path)

    def _far(self, directories: list[Directory]) -> list[Surveyed | None]:
        """Ask the far end about directories, those of one survey together."""
        by_root: dict[bytes, list[bytes]] = {}
        for directory in directories:
            by_root.setdefault(self._root_for(directory.path), []).append(directory.path)
        told: dict[bytes, Surveyed | None] = {}
        for root, paths in by_root.items():
            for start in range(0, len(paths), MOST_PATHS):
                some = paths[start : start + MOST_PATHS]
                told.update(zip(some, self._asked(root, some), strict=True))
        return [told[directory.path] for directory in directories]

    def _asked(self, root: bytes, paths: list[bytes]) -> list[Surveyed | None]:
        make = partial(
            AskSurvey,
            name=self._surveys.name,
            root=root,
            counted=self._counts,
            selecting=Selecting(include=self._context.include, exclude=self._context.exclude),
            most_directories=_MOST_DIRECTORIES,
        )
        found = self._source.connection.each(paths, lambda some: make(paths=some), Surveyed)
        return [None if isinstance(each, OSError) else self._believed(each) for each in found]

    def _believed(self, surveyed: Surveyed) -> Surveyed | None:
        if not surveyed.known:
            return None
        try:
            check_surveyed(surveyed)
        except ProtocolError as error:
            raise FarEndLost(f"{self._source.connection.place}: {error}") from error
        return surveyed

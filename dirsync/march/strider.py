"""Going through equal directories in strides, so that a step is taken only where something differs.

A stride goes as deep as it may where nothing is filtered. Where something is, it ends
with the directories it was given: filters are asked about each subdirectory before it
is entered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from dirsync.filters import Scope, Verdict
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.model.marks import Reach
from dirsync.scan.stride import IS_POSSIBLE, Sighted, Stride, Striding, stride
from dirsync.trees.fsops import TEMPORARY_MARK
from dirsync.trees.handles import ancestors, join, split
from dirsync.trees.local import LocalTree

MOST_ROWS = 16_384  # at a stride, on both sides: some 20 ms, so that a stop is heard and work spreads
_MOST_SIBLINGS = 256
LEVELS = 32  # two handles each

# A directory that takes a step, and what was just seen of it; None: it was not seen in full.
Stepped: TypeAlias = tuple[Directory, Sighted | None]


def may_stride(context: Context) -> bool:
    """Whether equal columns are all that is asked of equal directories, and there is what can tell."""
    return (
        IS_POSSIBLE
        and not context.rules.beyond_columns
        and context.confirming is None
        and not context.lists_equal
        and not context.taken  # what is equal may be about to be moved away
        and not context.source.follows_links
    )


class Strider:
    """Strides through directories of two trees; for one thread."""

    def __init__(self, context: Context, *, source: LocalTree, destination: LocalTree, found: Found) -> None:
        """Stride between two trees; what is counted, and where to go on, goes to `found`."""
        self._context = context
        self._source = source
        self._destination = destination
        self._found = found
        self._may_stride = may_stride(context)

    def next_steps(self, left: list[Directory]) -> Iterator[Stepped]:
        """Stride from the end of a list as far as it goes; give the directories that take a step.

        What was begun is taken off the list. Where no stride may begin, the last directory
        takes a step.
        """
        if self._begins_with(left[-1]):
            return self._stride(left)
        directory = left.pop()
        return iter([(directory, self._seen_alone(directory))])

    def _begins_with(self, directory: Directory) -> bool:
        """Whether a stride may begin with a directory; one that itself differs takes a step in any case."""
        return directory.change is None and self._may_be_seen(directory)

    def _may_be_seen(self, directory: Directory) -> bool:
        """Whether a stride sees of a directory what a step has to."""
        scope = directory.scope
        skips = self._context.skip_symlinks or not scope.trivial or bool(scope.ignore_files)
        return (
            self._may_stride
            and directory.sides is Sides.BOTH
            and directory.reach is Reach.SUBTREE
            and bool(directory.path)
            and split(_there(directory))[1] == split(directory.path)[1]
            and not (self._context.delete_excluded and skips)
        )

    def _seen_alone(self, directory: Directory) -> Sighted | None:
        """See in what the content of a directory differs; None: in nothing, or a step has to see."""
        if not self._may_be_seen(directory):
            return None
        try:
            seen = self._seen([directory])
        except OSError:
            return None
        return seen.differing[0] if len(seen.differing) == 1 and not seen.unseen else None

    def _seen(self, siblings: list[Directory], *, most_levels: int = 1) -> Stride:
        """Stride through directories that lie in one, on each side.

        Raises:
            OSError: that one cannot be entered.
        """
        first = siblings[0]
        return stride(
            self._source.handles.handle(split(first.path)[0]),
            self._destination.handles.handle(split(_there(first))[0]),
            tuple([split(sibling.path)[1] for sibling in siblings]),
            self._striding(first.scope, most_levels),
        )

    def _siblings(self, left: list[Directory]) -> list[Directory]:
        """Give the last directory of a list, and those before it that go into one stride with it."""
        where = _where(left[-1])
        siblings = [left[-1]]
        for directory in left[-2 : -_MOST_SIBLINGS - 1 : -1]:
            if _where(directory) != where or not self._begins_with(directory):
                break
            siblings.append(directory)
        return siblings

    def _stride(self, left: list[Directory]) -> Iterator[Stepped]:
        siblings = self._siblings(left)
        try:
            seen = self._seen(siblings, most_levels=LEVELS)
        except OSError:  # a step says what is wrong
            yield left.pop(), None
            return
        del left[-seen.begun :]
        self._found.scanned += seen.entries
        self._found.destination_entries += seen.entries
        places = _Places(self._context, {split(sibling.path)[1]: sibling for sibling in siblings})
        for sighted in seen.differing:
            directory = places.directory(sighted.path)
            if self._differs_in_what_is_left_out(sighted, directory.scope):
                self._found.scanned += sighted.new_entries
                self._found.destination_entries += sighted.old_entries
            else:
                yield directory, sighted
        for path in seen.unseen:
            yield places.directory(path), None
        self._found.subdirectories += places.entered(seen.left)

    def _differs_in_what_is_left_out(self, sighted: Sighted, scope: Scope) -> bool:
        """Whether a directory only lacks excluded files of the source, so that there is nothing to decide.

        A job that excludes `*.tmp` meets this in every second directory, each time.
        """
        new = sighted.new
        return (
            not sighted.old.mode
            and not scope.trivial
            and not scope.ignore_files
            and not new.directories()
            and TEMPORARY_MARK not in new.names
            and all(scope.verdict(name, is_directory=False) is Verdict.EXCLUDED for name in new.name_list())
        )

    def _striding(self, scope: Scope, most_levels: int) -> Striding:
        context, rules = self._context, self._context.rules
        return Striding(
            size=rules.size,
            mtime=rules.mtime,
            ownership=rules.ownership,
            hard_links=context.hard_links,
            telling=scope.ignore_files,
            device=context.source_device,
            levels=most_levels if scope.trivial else 1,
            most_rows=MOST_ROWS,
        )


def _where(directory: Directory) -> tuple[bytes, bytes, bool]:
    """Give what directories of one stride have in common: their parents, and whether anything is filtered."""
    return split(directory.path)[0], split(_there(directory))[0], directory.scope.trivial


def _there(directory: Directory) -> bytes:
    """Give where a directory is at the destination by now."""
    return directory.path if directory.destination_path is None else directory.destination_path


class _Places:
    """Makes directories of paths that a stride came to, by the siblings it began with."""

    def __init__(self, context: Context, siblings: dict[bytes, Directory]) -> None:
        self._context = context
        self._siblings = siblings

    def directory(self, path: bytes) -> Directory:
        """Give the directory at a path; it has its sibling's scope."""
        name, _, beneath = path.partition(b"/")
        sibling = self._siblings[name]
        return self._beneath(sibling, beneath, sibling.scope) if beneath else sibling

    def entered(self, paths: list[bytes]) -> Iterator[Directory]:
        """Give the directories at paths that a march goes to, each with its own scope."""
        for path in paths:
            name, _, beneath = path.partition(b"/")
            sibling = self._siblings[name]
            scope = sibling.scope
            if scope.trivial:
                yield self._beneath(sibling, beneath, scope)
            elif scope.verdict(beneath, is_directory=True) is not Verdict.EXCLUDED:
                yield self._beneath(sibling, beneath, scope.enter(beneath))

    def _beneath(self, sibling: Directory, beneath: bytes, scope: Scope) -> Directory:
        path = join(sibling.path, beneath)
        there = None if sibling.destination_path is None else join(sibling.destination_path, beneath)
        may_delete = sibling.may_delete and not self._is_mounted(path)
        return Directory(path, Sides.BOTH, scope, None, may_delete, there)

    def _is_mounted(self, path: bytes) -> bool:
        """Whether the destination has another file system at a path, or above it."""
        mounts = self._context.destination_mounts
        return bool(mounts) and any(each in mounts for each in (path, *ancestors(path)))

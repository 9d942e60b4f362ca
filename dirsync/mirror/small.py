"""Small files of one directory, made together; what is not made so goes the usual way."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from itertools import groupby

from dirsync.mirror.files import Copied, Staged
from dirsync.mirror.linking import Leaders
from dirsync.mirror.settings import Settings
from dirsync.mirror.together import Together
from dirsync.model.links import identity_of
from dirsync.model.listing import other_runs, runs_of
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation
from dirsync.trees import small_files
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree
from dirsync.trees.small_files import Made, Making, Olds
from dirsync.trees.source import SourceTree

_ALL_BITS = 0o7777
_MANY_LEFT = 100  # files, from which on it is judged: a file system may refuse something to each


class SmallCopier:
    """Copies small files between two trees; for one thread."""

    def __init__(
        self, source: SourceTree, destination: LocalTree, *, settings: Settings, leaders: Leaders
    ) -> None:
        """Copy as `settings` say; `leaders` hears of the files that have other names."""
        self._source = source
        self._destination = destination
        self._leaders = leaders
        self._most_bytes = source.small_bytes
        self._tried = self._left = 0  # files
        self._making = _making(settings, most_bytes=self._most_bytes)
        # A file that is replaced has nothing of its own that stays, and is not kept.
        self._replaces = settings.ownership and settings.mode and settings.version_area is None

    def serves(self) -> bool:
        """Whether files are to be tried at all: not where most are left, each tried in vain."""
        in_vain = self._left > _MANY_LEFT and 2 * self._left > self._tried
        return self._making is not None and not in_vain and small_files.serves()

    def directory_of(self, operation: Operation) -> bytes | None:
        """Give the directory that a small file is copied to; None: the step is another."""
        _, old, new, _, _, leader, *_ = change = operation.change
        if new is None or leader is not None or change.is_in_place:
            return None
        if new.size > self._most_bytes or not stat.S_ISREG(new.mode):
            return None
        if old is not None and not (
            self._replaces and old.path == new.path and small_files.may_be_expected(old)
        ):
            return None
        return new.path.rpartition(b"/")[0]

    def sorted(self, files: NewFiles) -> tuple[NewFiles | None, list[Operation]]:
        """Part new files into those to be tried together, by `made_of`, and the steps of the others."""
        if not self.serves() or self._making is None or not self._making.places:
            return None, files.operations()
        sizes = files.sizes()
        if max(sizes) <= self._most_bytes:
            return files, []
        small = runs_of(bytes(size <= self._most_bytes for size in sizes))
        others = files.some(other_runs(small, count=len(sizes))).operations()
        return (files.some(small) if small else None), others

    def made_of(self, files: NewFiles) -> tuple[bytes, int]:
        """Make files as far as that goes together: of each that was tried, whether it is made; bytes written.

        It tries for a moment only, but one at least.
        """
        made = self._made(files.directory, files.names())
        return made.ended, made.byte_count

    def tried(self, operations: Sequence[Operation]) -> Together:
        """Make files of one directory, for a moment, but one at least."""
        assert self._making is not None
        paths = [operation.change.entry.path for operation in operations]
        directory = split(paths[0])[0]
        start = len(directory) + 1 if directory else 0
        olds = [operation.change.old for operation in operations]
        made = self._made(
            directory,
            [path[start:] for path in paths],
            olds if any(olds) else (),
            has_links=any(operation.change.entry.nlink > 1 for operation in operations),
        )
        return self._told(operations, made, is_placed=self._making.places)

    def _made(
        self, directory: bytes, names: Sequence[bytes], olds: Olds = (), *, has_links: bool = False
    ) -> Made:
        assert self._making is not None
        making = self._making._replace(names=True) if has_links else self._making
        try:
            into = self._destination.handles.handle(directory)
            made = self._source.copy_small(directory, names, into=into, making=making, olds=olds)
        except OSError:  # what it is about will be told of each file
            made = small_files.none_made(len(names))
        self._tried += len(made.ended)
        self._left += len(made.ended) - sum(made.ended)
        return made

    def _told(self, operations: Sequence[Operation], made: Made, *, is_placed: bool) -> Together:
        ended: list[tuple[Operation, Staged | None]] = []
        left: list[Operation] = []
        for number, (operation, is_made) in enumerate(zip(operations, made.ended, strict=False)):
            change = operation.change
            origin = made.origins[number] if made.origins else None
            if not is_made:
                left.append(operation)
            elif not is_placed:
                copied = Copied(origin or identity_of(change.entry), made.identities[number])
                temporary = made.temporaries[number]
                copy = Staged(change.entry.path, temporary, change.old, copied, has_links=origin is not None)
                ended.append((operation, copy))
            else:
                ended.append((operation, None))
                if origin is not None:
                    self._leaders.made(change.entry.path, Copied(origin, made.identities[number]))
        return Together(ended, left, list(operations[len(made.ended) :]), made.byte_count)

    def place(self, staged: Sequence[Staged]) -> list[bool]:
        """Give staged copies their names, where that goes together; one without is staged still."""
        placed = [False] * len(staged)
        if not self.serves():
            return placed
        for directory, numbered in groupby(enumerate(staged), lambda each: _directory_of_free(each[1])):
            if directory is not None:
                numbers, copies = zip(*numbered, strict=True)
                for number, is_placed in zip(numbers, self._placed(directory, copies), strict=True):
                    placed[number] = bool(is_placed)
        for copy, is_placed in zip(staged, placed, strict=True):
            if is_placed:
                self._leaders.note(copy)
        return placed

    def _placed(self, directory: bytes, copies: Sequence[Staged]) -> bytes:
        temporaries = [copy.temporary for copy in copies]
        names = [split(copy.path)[1] for copy in copies]
        try:
            return small_files.place(self._destination.handles.handle(directory), temporaries, names)
        except OSError:  # what it is about will be told of each file
            return bytes(len(copies))


def _directory_of_free(copy: Staged) -> bytes | None:
    """Give the directory of a copy that should get a free name; None: there is more to it."""
    return split(copy.path)[0] if copy.old is None else None


def _making(settings: Settings, *, most_bytes: int) -> Making | None:
    """Say how files are to be made; None: each step of a job as this has to be taken by itself."""
    if not most_bytes or settings.stop_on_failure or settings.source_check or settings.bandwidth is not None:
        return None
    kept = settings.kept
    return Making(
        gives_owner=settings.ownership and kept.any_owner,
        same_group=settings.ownership and not kept.any_owner and bool(kept.groups),
        sets_mtime=settings.mtime,
        attributes=bool(settings.attributes and kept.attributes),
        sparse=settings.sparse,
        bits=_ALL_BITS if settings.mode else settings.bits_of_new,
        most_bytes=most_bytes,
        places=not settings.durable,
    )

"""Is the source still what a plan was made for? Asked where the plan is older than the run."""

from __future__ import annotations

from msgspec import Struct

from dirsync.errors import PathError
from dirsync.filters import Scope, Verdict, pattern_lines
from dirsync.filters.explanation import explain
from dirsync.model.change import Change
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import PatternLine
from dirsync.model.links import identity_of
from dirsync.model.names import shown
from dirsync.model.operation import Operation, Phase
from dirsync.trees.source import SourceTree

CHANGED_IN_SOURCE = "changed in the source since the plan was made; left as it is"
_CAME_BACK = "is in the source again since the plan was made; left as it is"


class SourceCheck(Struct, frozen=True, kw_only=True):
    """Checks step by step that the source still is what the plan saw."""

    scope: Scope  # of the source's root
    skips_symlinks: bool

    def __call__(self, source: SourceTree, operation: Operation) -> None:
        """Let one step pass.

        Raises:
            PathError: its source has changed.
            OSError: the source cannot be looked at.
        """
        change = operation.change
        if operation.phase is Phase.SWEEP:  # a stray temporary file has no source
            return
        if change.new is None:
            self._check_gone(source, change)
            return
        now = entry_now(source, change.new.path)
        if operation.phase is Phase.MAKE_DIRECTORIES or (
            operation.phase is Phase.MOVE and change.new.is_directory
        ):
            # What came into the directory since is for the next run; its metadata is
            # judged when it is set.
            same = now is not None and (now.kind, now.ino) == (Kind.DIRECTORY, change.new.ino)
        else:
            same = now is not None and is_as_planned(now, change.new)
        if change.leader is not None:
            same = same and _is_name_of(source, change.leader.path, change.new)
        if not same:
            raise PathError(change.path, CHANGED_IN_SOURCE)

    def _check_gone(self, source: SourceTree, change: Change) -> None:
        """Check that the source does not have what is to be deleted, or has it excluded."""
        now = entry_now(source, change.path)
        if now is None or (self.skips_symlinks and now.kind is Kind.SYMLINK):
            return
        found = explain(
            self.scope,
            now.path,
            is_directory=now.is_directory,
            read_ignore_file=lambda path: _lines_of(source, path),
        )
        if found.verdict is not Verdict.EXCLUDED:
            raise PathError(change.path, _CAME_BACK)


def _is_name_of(source: SourceTree, path: bytes, entry: Entry) -> bool:
    """Whether a path of the source is a name of the same file as another."""
    now = entry_now(source, path)
    return now is not None and identity_of(now) == identity_of(entry)


def entry_now(tree: SourceTree, path: bytes) -> Entry | None:
    """Give what is at a path; None: nothing is, nor can be, for a directory above is gone.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return tree.entry(path) if path else tree.directory(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_as_planned(now: Entry, planned: Entry) -> bool:
    """Whether nobody touched an object of the source: its ctime tells, the rest makes sure."""
    return (now.kind, now.size, now.mtime_ns, now.ctime_ns, now.ino, now.dev) == (
        planned.kind,
        planned.size,
        planned.mtime_ns,
        planned.ctime_ns,
        planned.ino,
        planned.dev,
    )


def _lines_of(source: SourceTree, path: bytes) -> tuple[PatternLine, ...]:
    """Read an ignore file; where there is none, it has no lines."""
    now = entry_now(source, path)
    if now is None or now.kind is not Kind.FILE:
        return ()
    return pattern_lines(source.read_file(path), file=shown(path))

"""States of a tree, as people name them on the command line: a directory, or a snapshot file."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dirsync.cli.parsing import usage_error
from dirsync.errors import ConfigError, RunError
from dirsync.filters import Selection, scope_of
from dirsync.model.job import HashAlgorithm, PatternLine
from dirsync.model.names import escaped
from dirsync.model.place import LocalPlace
from dirsync.model.snapshot import Sighting, State
from dirsync.runner.present import DirectoryState
from dirsync.snapshot.reading import open_snapshot
from dirsync.snapshot.selecting import selected


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeing:
    """How states are to be seen."""

    hashes: bool  # the content of files in directories is hashed
    exclude: Sequence[str]  # gitignore lines
    check: Callable[[], None]  # called now and then; may raise to stop

    def selection(self) -> Selection:
        """Make what selects in one state."""
        lines = [PatternLine(os.fsencode(p), "--exclude", n) for n, p in enumerate(self.exclude, 1)]
        return Selection(scope_of(include=(), exclude=lines))


class SelectedState:
    """What is selected of a state that was taken before."""

    def __init__(self, state: State, selection: Selection) -> None:
        self._state = state
        self._selection = selection

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """What hashed the content of its files; None: they are not hashed."""
        return self._state.algorithm

    def sightings(self) -> Iterator[Sighting]:
        """Give what is selected; as `State` says."""
        return selected(self._state.sightings(), self._selection)


@contextlib.contextmanager
def two_states(old: str, new: str, *, seeing: Seeing) -> Iterator[tuple[State, State]]:
    """Open two states by their names.

    Where one of them is on record, a directory is hashed as that is, or not at all.

    Raises:
        ConfigError: a name is no state's, or a snapshot cannot be understood.
        RunError: one of them is not there, or cannot be read.
    """
    with contextlib.ExitStack() as stack:
        recorded = [
            None if is_directory(name) else stack.enter_context(_recorded(name, seeing=seeing))
            for name in (old, new)
        ]
        yield (
            recorded[0] or directory_state(old, seeing=seeing, like=recorded[1]),
            recorded[1] or directory_state(new, seeing=seeing, like=recorded[0]),
        )


def directory_state(name: str, *, seeing: Seeing, like: State | None = None) -> DirectoryState:
    """Make the state of a directory as it is now; `like`: what it will be compared with, if on record.

    Raises:
        RunError: it is not there, or no directory.
    """
    if not is_directory(name):
        raise RunError(f"'{escaped(name)}' is not a directory")
    algorithm = HashAlgorithm.BLAKE3 if like is None else like.algorithm
    path = os.path.abspath(os.fsencode(name))
    return DirectoryState(
        _pinned(path),
        algorithm=algorithm if seeing.hashes else None,
        selection=seeing.selection(),
        check=seeing.check,
    )


def _pinned(path: bytes) -> LocalPlace:
    """Tie a place to the directory that is there now, so that every thread sees the same one."""
    status = os.stat(path)
    return LocalPlace(path=path, identity=(status.st_dev, status.st_ino))


def is_directory(name: str) -> bool:
    """Whether a directory, or a link to one, has this name.

    Raises:
        ConfigError: nothing has it, and it names a state of a job.
        RunError: nothing has it, or it cannot be looked at.
    """
    try:
        return stat.S_ISDIR(os.stat(name).st_mode)
    except FileNotFoundError:
        if "@" in name:
            raise _not_a_jobs(name) from None
        raise RunError(f"'{escaped(name)}' does not exist; name a directory or a snapshot file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunError(f"'{escaped(name)}' cannot be looked at: {reason}") from error


def _not_a_jobs(name: str) -> ConfigError:
    return usage_error(
        f"'{escaped(name)}': states of jobs are not yet available; name a directory or a snapshot file"
    )


@contextlib.contextmanager
def _recorded(name: str, *, seeing: Seeing) -> Iterator[State]:
    """Open a state that was taken before; what names a job's goes here."""
    with open_snapshot(name) as snapshot:
        yield SelectedState(snapshot, seeing.selection())

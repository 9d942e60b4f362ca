"""States of a tree, as people name them: a directory, a snapshot file, or what a job has on record."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from dirsync.cli.far_places import far_place
from dirsync.config.endpoints import is_endpoint_path, is_url
from dirsync.errors import RunError
from dirsync.filters import scope_of
from dirsync.filters.selection import Selection
from dirsync.model.job import HashAlgorithm, Job, PatternLine
from dirsync.model.names import escaped
from dirsync.model.place import LocalPlace, Place
from dirsync.model.snapshot import Sighting, State
from dirsync.runner.present import DirectoryState
from dirsync.snapshot.reading import open_snapshot
from dirsync.snapshot.selecting import selected


class Seeing(Struct, frozen=True, kw_only=True):
    """How states are to be seen."""

    config: Callable[[], str]  # gives the file that declares jobs
    hashes: bool  # the content of files in directories is hashed
    exclude: Sequence[str]  # gitignore lines
    check: Callable[[], None]  # called now and then; may raise to stop

    def selection(self) -> Selection:
        """Make what selects in one state."""
        lines = [PatternLine(os.fsencode(p), "--exclude", n) for n, p in enumerate(self.exclude, 1)]
        return Selection(scope_of(include=(), exclude=lines))


class SelectedState:
    """What is selected of a state that was taken before."""

    def __init__(self, state: State, selection: Selection, *, job: Job | None = None) -> None:
        """Select from a state, which `job` has on record; None: it is a snapshot's."""
        self._state = state
        self._selection = selection
        self.job = job

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
            None
            if is_far(name) or is_directory(name)
            else stack.enter_context(_recorded(name, seeing=seeing))
            for name in (old, new)
        ]
        yield (
            recorded[0] or directory_state(old, seeing=seeing, like=recorded[1]),
            recorded[1] or directory_state(new, seeing=seeing, like=recorded[0]),
        )


def directory_state(name: str, *, seeing: Seeing, like: SelectedState | None = None) -> DirectoryState:
    """Make the state of a directory as it is now; `like`: what it will be compared with, if on record.

    Raises:
        RunError: it is not there, or no directory.
    """
    place: Place
    if is_far(name):
        place = far_place(name, config=seeing.config)
    elif is_directory(name):
        place = _pinned(os.path.abspath(os.fsencode(name)))
    else:
        raise RunError(f"'{escaped(name)}' is not a directory")
    algorithm = HashAlgorithm.BLAKE3 if like is None else like.algorithm
    return DirectoryState(
        place,
        algorithm=algorithm if seeing.hashes else None,
        selection=seeing.selection(),
        check=seeing.check,
        job=None if like is None else like.job,
    )


def is_far(name: str) -> bool:
    """Whether a name is that of a place on another machine: a URL, or `endpoint:/path`."""
    return is_url(name) or (is_endpoint_path(name) and not os.path.lexists(name))


def _pinned(path: bytes) -> LocalPlace:
    """Tie a place to the directory that is there now, so that every thread sees the same one."""
    status = os.stat(path)
    return LocalPlace(path=path, identity=(status.st_dev, status.st_ino))


def is_directory(name: str) -> bool:
    """Whether a directory, or a link to one, has this name.

    Raises:
        RunError: nothing has it and it is no job's, or it cannot be looked at.
    """
    try:
        return stat.S_ISDIR(os.stat(name).st_mode)
    except FileNotFoundError:
        if "@" in name:
            return False
        raise RunError(
            f"'{escaped(name)}' does not exist; name a directory, a snapshot file, or JOB@latest"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunError(f"'{escaped(name)}' cannot be looked at: {reason}") from error


@contextlib.contextmanager
def _recorded(name: str, *, seeing: Seeing) -> Iterator[SelectedState]:
    """Open a state that was taken before: a snapshot's, or one that a job has on record."""
    if os.path.lexists(name):
        with open_snapshot(name) as snapshot:
            yield SelectedState(snapshot, seeing.selection())
        return
    from dirsync.cli.job_states import job_state  # a directory needs no catalog

    with job_state(name, config=seeing.config()) as (job, state):
        yield SelectedState(state, seeing.selection(), job=job)

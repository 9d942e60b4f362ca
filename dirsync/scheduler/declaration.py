"""What is declared, and noticing that it changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from msgspec import Struct

from dirsync.errors import DirsyncError
from dirsync.model.job import Job

logger = logging.getLogger(__name__)

_Stamp = tuple[int, int, int, int] | None  # None: not there, or not to be seen


class Declaration(Struct, frozen=True, kw_only=True):
    """A configuration as the scheduler sees it."""

    jobs: tuple[Job, ...]
    state: str  # the state directory
    files: tuple[str, ...]  # whose change means another look: jobs.yaml, included files, their directories


class DeclarationWatch:
    """Looks whether the files of a declaration changed, and reads them again if so."""

    def __init__(self, load: Callable[[], Declaration], first: Declaration) -> None:
        """`load` reads it again; `first` was read just now: a change since that began is not seen."""
        self._load = load
        self._current = first
        self._read = _stamps(first.files)  # the files as they were when they were read
        self._seen = self._read  # the files at the last look

    @property
    def current(self) -> Declaration:
        """The declaration in force."""
        return self._current

    def poll(self) -> Declaration | None:
        """Read the declaration again if its files changed and then held still for one look.

        None: nothing new, or what is new is not valid; that is logged, once a change.
        """
        before, self._seen = self._seen, _stamps(self._current.files)
        if self._seen == self._read or self._seen != before:
            return None
        self._read = self._seen
        try:
            declaration = self._loaded()
        except DirsyncError as error:
            logger.error("changed declaration refused, the old one stays in force: %s", error)
            return None
        logger.info("changed declaration in force")
        return declaration

    def _loaded(self) -> Declaration:
        declaration = self._load()
        if declaration.state != self._current.state:
            raise _StateMoved("'state' changed; restart to use another state directory")
        self._current = declaration
        # files known before keep their stamp of before the reading: a change meanwhile is seen
        self._read = self._seen = {**_stamps(declaration.files), **_kept(self._read, declaration.files)}
        return declaration


class _StateMoved(DirsyncError):
    """The state directory cannot be another one while jobs run."""


def _kept(stamps: dict[str, _Stamp], files: tuple[str, ...]) -> dict[str, _Stamp]:
    return {file: stamps[file] for file in files if file in stamps}


def _stamps(files: tuple[str, ...]) -> dict[str, _Stamp]:
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> _Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)

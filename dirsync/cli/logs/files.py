"""A rotating file a job, opened when the job first has something to say.

A log that cannot be written is one warning on standard error; the run goes on.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from collections.abc import Iterator, Sequence

from dirsync.cli.output.lines import error_line
from dirsync.model.job import Job
from dirsync.model.names import escaped
from dirsync.runner.context import current_run


class JobFiles(logging.Handler):
    """Writes each record to the file of the job that speaks; what no job says goes nowhere.

    `directory` is relative to the directory of the configuration file. A job's own
    `log: {level, file}` goes first.
    """

    def __init__(self, *, directory: str = "logs", max_bytes: int = 10_000_000, backups: int = 5) -> None:
        super().__init__()
        self._directory = directory
        self._max_bytes = max_bytes
        self._backups = backups
        self._base: str | None = None  # None: a job that names no file has none
        self._level: int | None = None  # of jobs that declare none; None: not attached yet
        self._levels: dict[str, int] = {}
        self._paths: dict[str, str] = {}
        self._files: dict[str, _JobFile | None] = {}  # None: there is none, or it cannot be opened

    def attach(self, jobs: Sequence[Job], *, base: str | None) -> None:
        """Take over what jobs declare; `base` is the directory of their configuration file."""
        names = logging.getLevelNamesMapping()
        with self._exclusively():
            self._close_files()
            self._base = base
            self._level = self.level if self._level is None else self._level
            self._paths = {job.name: job.log.file for job in jobs if job.log.file is not None}
            self._levels = {
                job.name: names[job.log.level.upper()] for job in jobs if job.log.level is not None
            }
            self.setLevel(min([self._level, *self._levels.values()]))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, if its job keeps a log and wants this level."""
        job = current_run().job
        if job is None or record.levelno < self._levels.get(job, self._level or logging.NOTSET):
            return
        if job not in self._files:
            self._files[job] = self._opened(job)
        file = self._files[job]
        if file is not None:
            file.emit(record)

    def close(self) -> None:
        """Close every file."""
        with self._exclusively():
            self._close_files()
        super().close()

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _close_files(self) -> None:
        for file in self._files.values():
            if file is not None:
                file.close()
        self._files.clear()

    def _opened(self, job: str) -> _JobFile | None:
        path = self._path(job)
        if path is None:
            return None
        try:
            file = _JobFile(path, max_bytes=self._max_bytes, backups=self._backups)
        except OSError as error:
            _warn(path, error)
            return None
        file.setFormatter(self.formatter)
        return file

    def _path(self, job: str) -> str | None:
        if job in self._paths:
            return self._paths[job]
        if self._base is None:
            return None
        directory = os.path.join(self._base, self._directory)
        with contextlib.suppress(OSError):  # opening the file says it better
            os.mkdir(directory)
        return os.path.join(directory, f"{job.replace('/', '%2F')}.log")


class _JobFile(logging.handlers.RotatingFileHandler):
    """One job's file; the first write that fails is told, and is the last."""

    def __init__(self, path: str, *, max_bytes: int, backups: int) -> None:
        super().__init__(
            path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8", errors="backslashreplace"
        )
        self._path = path
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._failed:
            super().emit(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # of what could not be written, told already
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        self._failed = True
        error = sys.exc_info()[1]
        assert error is not None
        _warn(self._path, error)


def _warn(path: str, error: BaseException) -> None:
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    error_line(f"warning: log '{escaped(path)}' cannot be written: {reason}; the run goes on without it")

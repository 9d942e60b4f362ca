"""Locks that survive nothing: free at once when whoever held them is gone.

A job is locked by a file under the state directory, its destination by the
directory itself, so that two declarations with one destination exclude each
other too. The kernel keeps both locks and drops them with their holder.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator

from dirsync.errors import Busy, RunError
from dirsync.model.names import escaped
from dirsync.runner.state import ensure_state_directory, file_name_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def locked_job(state: str, job: str) -> Iterator[None]:
    """Hold the job's lock; another run of the job cannot begin meanwhile.

    Raises:
        Busy: another run holds it; said at once, without waiting.
        RunError: the lock file cannot be made.
    """
    path = _lock_path(state, job)
    with _file_lock(path, job) if fcntl is None else _flocked_file(path, job):
        _name_holder(path)
        yield


@contextlib.contextmanager
def _flocked_file(path: str, job: str) -> Iterator[None]:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_be_taken(path, error) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _is_held(path, job) if error.errno in _HELD else _cannot_be_taken(path, error) from error
        try:
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)  # by name, for a child process may share the handle
    finally:
        os.close(fd)


@contextlib.contextmanager
def _file_lock(path: str, job: str) -> Iterator[None]:
    """Hold a file as systems without `flock` can."""
    import filelock  # it loads much, which no run on Linux should wait for

    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise _is_held(path, job) from None
    except RuntimeError as error:  # this very thread holds it
        raise _is_held(path, job) from error
    except OSError as error:
        raise _cannot_be_taken(path, error) from error
    try:
        yield
    finally:
        lock.release()


def _is_held(path: str, job: str) -> Busy:
    return Busy(f"'{job}': another run holds the lock{_holder(path)}")


def _cannot_be_taken(path: str, error: OSError) -> RunError:
    return RunError(f"lock '{escaped(path)}' cannot be taken ({_reason(error)})")


@contextlib.contextmanager
def locked_directory(fd: int, *, shown: str) -> Iterator[None]:
    """Hold a directory through its handle, leaving nothing behind in it.

    `shown` names it in messages. Where the file system keeps no such locks, the
    run goes on without one.

    Raises:
        Busy: another run holds it.
    """
    if fcntl is None:
        logger.debug("no directory locks on this system: %s", shown)
        yield
        return
    held = _flock(fd, shown=shown)
    try:
        yield
    finally:
        if held:  # by name, for a child process may share the handle
            fcntl.flock(fd, fcntl.LOCK_UN)


def _flock(fd: int, *, shown: str) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise Busy(f"'{shown}': another run holds this destination") from None
        if error.errno not in _UNSUPPORTED:
            raise RunError(f"'{shown}' cannot be locked ({_reason(error)})") from error
        logger.debug("file system keeps no directory locks: %s (%s)", shown, _reason(error))
        return False
    return True


def _lock_path(state: str, job: str) -> str:
    ensure_state_directory(state)
    directory = os.path.join(state, "locks")
    ensure_state_directory(directory)
    return os.path.join(directory, f"{file_name_of(job)}.lock")


def _name_holder(path: str) -> None:
    """Write who holds the lock into its file; for messages, never for decisions."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(fd, b"%d\n" % os.getpid())
        finally:
            os.close(fd)


def _holder(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            pid = os.read(fd, 32).strip()
        finally:
            os.close(fd)
    except OSError:
        return ""
    return f" (process {pid.decode()})" if pid.isdigit() else ""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

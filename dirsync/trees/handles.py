"""Directory handles: every path is walked one component at a time, from an open root.

No component is ever followed through a symlink, no path is resolved twice, and no
depth or PATH_MAX limits a tree. A walk costs one `openat` a component that is not
at hand; the handles of recent directories are, so a walk in order costs one
`openat` a directory.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import OrderedDict
from collections.abc import Iterator
from types import TracebackType

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CAPACITY = 40  # handles kept open: a process may have 1,024 as a rule, and each of its threads has two sets


class DirectoryHandles:
    """The open directories of one tree, for one thread.

    Never shared between threads: a handle that one closes, another may be using.
    """

    def __init__(self, root: int, *, capacity: int = CAPACITY) -> None:
        """Take over `root`, an open directory, and close it in the end."""
        self.root = root
        self._capacity = capacity
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def __enter__(self) -> DirectoryHandles:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def handle(self, path: bytes) -> int:
        """Give the handle of a directory; valid until the next call.

        Raises:
            OSError: a component is missing, is no directory (a symlink, say), or may
                not be entered.
        """
        if not path:
            return self.root
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        return self._walk(path)

    @contextlib.contextmanager
    def held(self, path: bytes) -> Iterator[int]:
        """Give the handle of a directory that stays valid within the block, whatever else is walked to.

        Raises: as `handle`.
        """
        fd = os.dup(self.handle(path))
        try:
            yield fd
        finally:
            with contextlib.suppress(OSError):  # what was done through it is done
                os.close(fd)

    def _walk(self, path: bytes) -> int:
        """Open what is missing between the nearest open ancestor and `path`."""
        missing = [path]
        parent = path.rpartition(b"/")[0]
        while parent and parent not in self._open:
            missing.append(parent)
            parent = parent.rpartition(b"/")[0]
        fd = self._open[parent] if parent else self.root
        for step in reversed(missing):
            fd = self._keep(step, self._opened(step.rpartition(b"/")[2], fd))
        return fd

    def _opened(self, name: bytes, parent: int) -> int:
        """Open a directory; with no handle to be had, give up those that are only at hand."""
        try:
            return os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        needed = {path: fd for path, fd in self._open.items() if fd == parent}
        for path in needed:
            del self._open[path]
        self.forget()
        self._open.update(needed)
        return os.open(name, OPEN_DIRECTORY, dir_fd=parent)

    def _keep(self, path: bytes, fd: int) -> int:
        self._open[path] = fd
        if len(self._open) > self._capacity:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def close(self) -> None:
        """Close every handle, the root's too."""
        self.forget()
        with contextlib.suppress(OSError):
            os.close(self.root)

    def forget(self) -> None:
        """Close every handle but the root's, so that each path is walked anew."""
        while self._open:
            os.close(self._open.popitem()[1])


def allow_many_handles() -> None:
    """Raise this process's soft limit of open files to its hard one, as it may by itself.

    The usual 1,024 would do for one run, but not for several side by side.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses some values it names
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))


def split(path: bytes) -> tuple[bytes, bytes]:
    """Split a path into its directory and its name."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def join(parent: bytes, name: bytes) -> bytes:
    """Join a directory's path and a name in it."""
    return parent + b"/" + name if parent else name


def ancestors(path: bytes) -> Iterator[bytes]:
    """Give the directories above a path, the nearest first, without the root."""
    path = split(path)[0]
    while path:
        yield path
        path = split(path)[0]

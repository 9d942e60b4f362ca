"""Watching a source: which of its directories may have changed, told by the system as it happens.

Each directory that the job goes to has a watch of its own (inotify), set through a handle of the
directory, so no path is resolved anew and no link followed. What is in doubt is never lost: where
events were missed, or a directory cannot be watched, all counts as changed.

A directory that appears is marked with all in it, after everything in it is watched: whatever
happens there earlier is seen by the march, whatever happens later is told.

Source: inotify(7). What it does not tell: changes made on another machine (network file systems),
through a name in a place that is not watched, and by mmap(2).
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.filters import Scope, Verdict
from dirsync.march.way_down import Nowhere, Standing, WayDown, beneath
from dirsync.model.marks import Marks, Reach
from dirsync.model.place import RESERVED, LocalPlace
from dirsync.scan.chosen import list_directory
from dirsync.trees.fsops import is_temporary
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree, open_tree

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent

logger = logging.getLogger(__name__)

MOST_MARKS = 10_000  # more directories than that are looked at fastest by looking at all
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT = 0x400, 0x800, 0x2000
_ONLY_DIRECTORIES, _IS_DIRECTORY = 0x01000000, 0x40000000
_ADDED = 0x20000000  # to what is wanted of it under another name
_WANTED = (_MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF) | (
    _ONLY_DIRECTORIES | _ADDED
)
_MOVES_MTIME = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE  # of the directory, whatever comes or goes
_OF_ROOT = _WANTED | _MOVE_SELF


def why_impossible() -> str | None:
    """Say why nothing can be watched here, and what would help; None: it can."""
    if sys.platform != "linux":
        return "works on Linux alone; write 'interval: 30s'"
    try:
        import watchdog.observers.inotify_c  # noqa: F401
    except ImportError:
        return "needs the package watchdog; pip install 'dirsync[watch]'"
    return None


class SourceWatch:
    """Watches one source from `begin` to `end`; marks gather from the thread that reads events."""

    def __init__(
        self,
        place: LocalPlace,
        root: Scope,
        *,
        one_file_system: bool,
        told: Callable[[], None],
        not_heard: frozenset[bytes] = frozenset(),
    ) -> None:
        """Watch a source; `root` are the filter rules that hold for what is directly in it.

        `told` is called, in any thread, when something is marked while nothing was, or all is lost.
        `not_heard` are files and directories, by their paths from the root, of which it does not
        matter what happens to them: what runs write, so that no run leads to the next.
        """
        self._not_heard = not_heard
        self._place = place
        self._root = root
        self._one_file_system = one_file_system
        self._told = told
        self._lock = threading.RLock()
        self._paths: dict[int, list[bytes]] = {}  # by watch: what it watches; several: mounted twice, say
        self._watches: dict[bytes, int] = {}
        self._registered: dict[int, int] = {}  # by watch: the number by which it tells this object
        self._numbers = itertools.count()
        self._scopes: dict[bytes, Scope] = {}  # of directories in which something is filtered
        self._half_seen: set[bytes] = set()  # directories with names that could not be looked at
        self._marks: dict[bytes, Reach] = {}
        self._is_lost = False  # events were missed
        self._first_at = self._last_at = 0.0  # monotonic: when the marks that wait were made
        self._inotify: Any = None

    def begin(self) -> None:
        """Watch every directory that the job goes to; what changes from now on is marked.

        Raises:
            RunError: the source cannot be watched; nothing is.
        """
        from watchdog.observers.inotify_c import InotifyFD

        try:
            with open_tree(self._place) as tree:
                status = os.fstat(tree.handles.root)
            self._place = replace(self._place, identity=(status.st_dev, status.st_ino))
            self._inotify = InotifyFD()
            self._inotify.start()
            with self._lock:
                self._watch_all_in(b"")
        except OSError as error:
            self.end()
            raise _cannot(error) from error
        logger.info("directories watched: %d", len(self._paths))

    def end(self) -> None:
        """Watch no more."""
        with self._lock:
            self._paths.clear()
            self._watches.clear()
            self._registered.clear()
        if self._inotify is not None:
            self._inotify.stop()
            self._inotify.join()
        self._inotify = None

    @property
    def is_lost(self) -> bool:
        """Whether events were missed, so that this watch knows nothing any more; begin another."""
        return self._is_lost or self._inotify is None or not self._inotify.is_alive()

    def waits_since(self) -> tuple[float, float] | None:
        """Say when the first and the last of the marks that wait were made (monotonic); None: none wait."""
        with self._lock:
            return (self._first_at, self._last_at) if self._marks else None

    def take(self) -> Marks:
        """Give the marks that wait; from here on new ones gather."""
        with self._lock:
            marks, self._marks = Marks(directories=self._marks), {}
        return marks

    # Watching

    def _watch_all_in(self, path: bytes) -> None:
        """Watch a directory and those in it, each before it is listed: nothing in it is missed.

        Nothing is kept open, or no file system could be unmounted, and nobody would hear that
        the root was removed.

        Raises:
            OSError: one of them cannot be watched, or the root is another one by now.
        """
        with open_tree(self._place) as tree:
            self._watch_all_of(tree, path)

    def _watch_all_of(self, tree: LocalTree, path: bytes) -> None:
        device = os.fstat(tree.handles.root).st_dev if self._one_file_system else None
        way = WayDown(self._root, source=tree, source_device=device)
        left = [path]
        while left:
            at = left.pop()
            found = way.look(at)
            if found is Nowhere.LEFT_OUT or at in self._not_heard:
                continue
            if isinstance(found, Standing):
                self._note_scope(at, found.inner)
            try:
                handle = tree.handles.handle(at)
                self._watch(at, handle)
                listing = list_directory(handle)
            except (FileNotFoundError, NotADirectoryError):
                if not at:
                    raise
                continue  # it went, which its parent's watch tells
            except PermissionError:
                continue  # a march cannot see it either; when it can, that is told
            if listing.unknown:
                self._half_seen.add(at)
            left += [join(at, name) for name in reversed(listing.directories())]

    def _note_scope(self, path: bytes, scope: Scope) -> None:
        if scope.trivial:
            self._scopes.pop(path, None)
        else:
            self._scopes[path] = scope

    def _watch(self, path: bytes, handle: int) -> None:
        mask = _WANTED if path else _OF_ROOT
        number = next(self._numbers)
        watch = self._inotify.add_callback(b"/proc/self/fd/%d" % handle, mask, self, number)
        if watch < 0:  # it raises for every reason but this
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if watch in self._registered:  # the same directory, under another name
            self._inotify.remove_callbacks([(watch, number)])
        else:
            self._registered[watch] = number
        paths = self._paths.setdefault(watch, [])
        if path not in paths:
            paths.append(path)
        self._watches[path] = watch

    def _forget(self, path: bytes) -> None:
        """Watch a directory that went elsewhere, and those in it, no more."""
        gone = [each for each in self._watches if each == path or beneath(each, path)]
        registered = []
        for each in gone:
            watch = self._watches.pop(each)
            self._paths[watch].remove(each)
            if not self._paths[watch]:
                del self._paths[watch]
                registered.append((watch, self._registered.pop(watch)))
            self._scopes.pop(each, None)
            self._half_seen.discard(each)
        self._inotify.remove_callbacks(registered)

    # What the thread that reads events calls

    def on_event(self, event: InotifyEvent) -> None:
        """Mark what an event tells of."""
        with self._lock:
            for path in tuple(self._paths.get(event.wd, ())):
                self._hear(path, event)

    def on_watch_deleted(self, watch: int) -> None:
        """Forget a watch that the system took away: its directory is gone."""
        with self._lock:
            self._registered.pop(watch, None)
            for path in self._paths.pop(watch, ()):
                if self._watches.get(path) == watch:
                    del self._watches[path]
                if not path:
                    self._lose("its root is gone")

    def on_queue_overflow(self) -> None:
        """Know nothing any more: events were missed."""
        with self._lock:
            self._lose("more happened than could be told")

    def _hear(self, path: bytes, event: InotifyEvent) -> None:
        if join(path, event.name) in self._not_heard:
            return
        if not event.mask & _MOVES_MTIME and self._is_left_out(path, event.name, event.mask):
            return
        try:
            self._note(path, event.name, event.mask)
        except OSError as error:
            self._lose(f"a directory cannot be watched: {error.strerror}")

    def _is_left_out(self, path: bytes, name: bytes, mask: int) -> bool:
        """Whether a name is no part of the job, so that what happens to it alone does not matter."""
        if is_temporary(name) or (not path and name == RESERVED):
            return True
        scope = self._scopes.get(path)
        if not name or scope is None or name in scope.ignore_files:
            return False
        return scope.verdict(name, is_directory=bool(mask & _IS_DIRECTORY)) is Verdict.EXCLUDED

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            logger.info("the watch is lost: %s; all will be looked at", reason)
            self._told()
        self._is_lost = True

    def _note(self, path: bytes, name: bytes, mask: int) -> None:
        if mask & (_MOVE_SELF | _UNMOUNT) or (mask & _DELETE_SELF and not path):
            self._lose("its root was moved away" if mask & _MOVE_SELF else "its root is gone")
            return
        if mask & _DELETE_SELF:
            return  # its parent's watch tells of it
        child = join(path, name)
        if mask & _IS_DIRECTORY and name:
            if mask & (_MOVED_FROM | _DELETE):
                self._forget(child)
            if mask & (_MOVED_TO | _CREATE) or (mask & _ATTRIB and child not in self._watches):
                self._take_up(child)
        may_see_more = not name and mask & _ATTRIB and path in self._half_seen
        if may_see_more or name in self._root.ignore_files:
            self._take_up(path)
        self._mark(path, Reach.ITSELF)

    def _take_up(self, path: bytes) -> None:
        """Watch a directory of which it is not known what is in it, and have all of that looked at."""
        self._forget(path)
        self._watch_all_in(path)
        self._mark(path, Reach.SUBTREE)

    def _mark(self, path: bytes, reach: Reach) -> None:
        self._last_at = time.monotonic()
        if not self._marks:
            self._first_at = self._last_at
            self._told()
        if self._marks.get(path) is not Reach.SUBTREE:
            self._marks[path] = reach
        if len(self._marks) > MOST_MARKS:
            self._marks = {b"": Reach.SUBTREE}


def _cannot(error: OSError) -> RunError:
    """Say why a source cannot be watched, and what would help."""
    if error.errno == errno.ENOSPC:
        return RunError(
            "the source has more directories than may be watched; raise fs.inotify.max_user_watches "
            f"(now {_setting('max_user_watches')})"
        )
    if error.errno == errno.EMFILE:
        return RunError(
            "no further watch may be opened; raise fs.inotify.max_user_instances "
            f"(now {_setting('max_user_instances')})"
        )
    return RunError(f"the source cannot be watched: {error.strerror}")


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/fs/inotify/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "not known"

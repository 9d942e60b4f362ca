"""Giving a file another name: linked beside its place to the name that leads, then put there.

What is linked is looked at under its temporary name, so nobody can slip in anything else.
Where no link can be made the file is copied.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from typing import NamedTuple

from dirsync.errors import PathError
from dirsync.mirror.barrier import make_durable
from dirsync.mirror.expected import CHANGED, check_expected
from dirsync.mirror.files import Copied, FileCopier, Staged
from dirsync.mirror.lost import Lost
from dirsync.mirror.placing import drop, place
from dirsync.mirror.settings import Settings
from dirsync.mirror.together import go_together
from dirsync.mirror.trash import Trash
from dirsync.model.change import Aspect, Change, Leader
from dirsync.model.entry import Entry
from dirsync.model.links import Identity, identity_of
from dirsync.model.names import shown
from dirsync.trees import fsops, small_files
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree
from dirsync.trees.small_files import ToLink
from dirsync.trees.source import SourceTree

_FULL = frozenset({errno.EMLINK, errno.EXDEV})  # this object can have no more names, or none there
_REFUSED = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})  # the file system has no links
_GONE = frozenset({errno.ENOENT})


class Model(NamedTuple):
    """The object of the destination that names are linked to."""

    path: bytes
    source: Identity  # what it is a replica of
    destination: Identity
    entry: Entry | None  # None: made by this run


class Leaders:
    """What became of the names that lead: for all threads of one run."""

    def __init__(self) -> None:
        self._models: dict[bytes, Model] = {}  # by the path that was to lead
        self._stands_in: dict[bytes, bytes] = {}  # the path that is copied for one that failed
        self.copied: set[bytes] = set()  # paths that were copied, though they were to be linked
        self.left: set[bytes] = set()  # paths that stay as they are, for they cannot be linked

    def note(self, copy: Staged) -> None:
        """Note a copy that has its name, if what it was made of has others, which will be linked to it."""
        if copy.has_links:
            self.made(copy.path, copy.copied)

    def made(self, path: bytes, copied: Copied, *, leading: bytes | None = None) -> None:
        """Note a file that this run copied or altered; it leads where `leading` was to."""
        self._models[leading or path] = Model(path, copied.source, copied.destination, None)

    def found(self, path: bytes, model: Model) -> None:
        """Note a file that was there, and still is what the plan saw."""
        self._models[path] = model

    def model_for(self, leader: Leader) -> Model | None:
        """Give what to link paths to; None: it is not known yet, or there is none."""
        return self._models.get(leader.path)

    def may_stand_in(self, path: bytes, leader: Leader) -> bool:
        """Whether a path is copied in its leader's stead: one is, for if that fails too, all would."""
        return self._stands_in.setdefault(leader.path, path) == path


class Linker:
    """Links files of the destination; for one thread."""

    def __init__(
        self,
        source: SourceTree,
        destination: LocalTree,
        *,
        files: FileCopier,
        trash: Trash | None,
        settings: Settings,
        leaders: Leaders,
        lost: Lost,
    ) -> None:
        self._source = source
        self._destination = destination
        self._files = files
        self._trash = trash
        self._settings = settings
        self._leaders = leaders
        self._lost = lost

    def link(self, change: Change) -> None:
        """Make a path a name of its leader's object, as the plan says.

        Raises:
            PathError: neither that nor a copy could be made.
            OSError: a system call failed; the destination is as it was.
        """
        leader = change.leader
        assert leader is not None
        model = self._model(change, leader)
        if change.is_whole:
            self._check_altered(change, leader, model)
        elif model is None:
            self._stand_in(change, leader)
        elif not self._is_in_source(change.path, model):
            self._copy(change, leader)
        elif not self._is_linked(change.path, model):
            self._link(change, leader, model)

    def link_together(self, changes: Sequence[Change]) -> list[bool]:
        """Link paths as far as that is plain and goes many in one call; of each, whether it is linked."""
        linked = [False] * len(changes)
        if not go_together(self._source, self._settings):
            return linked
        for (parent, leading), numbered in self._by_directories(changes).items():
            numbers, wanted = zip(*numbered, strict=True)
            try:
                source = self._source.handles.handle(parent)
                with self._destination.handles.held(leading) as there:
                    into = self._destination.handles.handle(parent)
                    ended = small_files.link(source, there, into, wanted)
            except OSError:  # what it is about will be told of each path
                continue
            for number, is_linked in zip(numbers, ended, strict=True):
                linked[number] = bool(is_linked)
        return linked

    def _by_directories(
        self, changes: Sequence[Change]
    ) -> dict[tuple[bytes, bytes], list[tuple[int, ToLink]]]:
        """Give what may be linked together, numbered: by the directory it is in, and that of what leads."""
        found: dict[tuple[bytes, bytes], list[tuple[int, ToLink]]] = {}
        for number, change in enumerate(changes):
            leader = change.leader
            if leader is None or change.old is not None or change.is_whole:
                continue
            model = self._model(change, leader)
            if model is None:
                continue
            (parent, name), (there, leading) = split(change.path), split(model.path)
            wanted = ToLink(name, leading, model.source, model.destination, model.entry)
            if small_files.may_be_linked(wanted):
                found.setdefault((parent, there), []).append((number, wanted))
        return found

    def _model(self, change: Change, leader: Leader) -> Model | None:
        """Give what to link a path to; None: the leader failed, or has changed since it was compared."""
        model = self._leaders.model_for(leader)
        if model is None and leader.entry is not None and self._is_as_expected(leader.path, leader.entry):
            model = Model(leader.path, identity_of(change.entry), identity_of(leader.entry), leader.entry)
            self._leaders.found(leader.path, model)
        return model

    def _is_as_expected(self, path: bytes, entry: Entry) -> bool:
        try:
            return check_expected(self._destination, path, entry)
        except PathError:
            return False

    def _check_altered(self, change: Change, leader: Leader, model: Model | None) -> None:
        """Check that a name is still one of the object that was altered at its leader's path.

        Raises:
            PathError: that failed, or it is another's name by now.
        """
        if model is None:
            raise PathError(change.path, f"its metadata could not be set at '{shown(leader.path)}'")
        if not self._is_linked(change.path, model):
            raise PathError(change.path, CHANGED)

    def _is_in_source(self, path: bytes, model: Model) -> bool:
        """Whether a name of the source still is one of the same file."""
        now = self._source.entry(path)
        return now is not None and identity_of(now) == model.source

    def _is_linked(self, path: bytes, model: Model) -> bool:
        """Whether a name is linked already: a rename over it would leave the temporary name."""
        now = self._destination.entry(path)
        return now is not None and identity_of(now) == model.destination

    def _link(self, change: Change, leader: Leader, model: Model) -> None:
        temporary = fsops.temporary_name()
        parent = split(change.path)[0]
        try:
            self._link_beside(parent, temporary, model)
        except OSError as error:
            self._drop(parent, temporary)  # should it be there after all
            self._do_without(change, leader, error)
            return
        try:
            is_meant = self._is_meant(parent, temporary, model)
            if is_meant:
                self._place(temporary, change)
        except BaseException:
            self._drop(parent, temporary)
            raise
        if not is_meant:
            self._drop(parent, temporary)
            self._stand_in(change, leader)

    def _link_beside(self, parent: bytes, temporary: bytes, model: Model) -> None:
        there, name = split(model.path)
        with self._destination.handles.held(there) as handle:
            fsops.link(handle, name, self._destination.handles.handle(parent), temporary)

    def _place(self, temporary: bytes, change: Change) -> None:
        old = change.old
        place(self._destination, temporary, change.path, old=old, is_directory=False, trash=self._trash)

    def _drop(self, parent: bytes, temporary: bytes) -> None:
        with contextlib.suppress(OSError):
            drop(self._destination.handles.handle(parent), temporary)

    def _is_meant(self, parent: bytes, temporary: bytes, model: Model) -> bool:
        fd = self._destination.handles.handle(parent)
        status = os.stat(temporary, dir_fd=fd, follow_symlinks=False)
        if (status.st_dev, status.st_ino) != model.destination:
            return False
        entry = model.entry
        return entry is None or (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)

    def _do_without(self, change: Change, leader: Leader, error: OSError) -> None:
        """Copy a file that cannot be linked; one that is there already stays as it is."""
        if error.errno in _GONE:
            self._stand_in(change, leader)
            return
        if error.errno in _REFUSED:
            self._lost.note("hard links", change.path)
        elif error.errno not in _FULL:
            raise error
        if change.aspects == {Aspect.LINKS}:
            self._leaders.left.add(change.path)
        else:
            self._copy(change, leader)

    def _stand_in(self, change: Change, leader: Leader) -> None:
        """Copy the first of those whose leader is not there, and let it lead."""
        if change.aspects == {Aspect.LINKS} or not self._leaders.may_stand_in(change.path, leader):
            raise PathError(
                change.path, f"cannot be linked: the same file could not be copied to '{shown(leader.path)}'"
            )
        self._copy(change, leader)

    def _copy(self, change: Change, leader: Leader) -> None:
        planned = None if self._settings.source_check is None else change.new
        staged = self._files.stage(change.path, old=change.old, planned=planned)
        try:
            if self._settings.durable:
                make_durable(self._destination, [staged])
        except BaseException:
            self._files.drop(staged)
            raise
        self._files.publish(staged)
        self._leaders.copied.add(change.path)
        if staged.copied.source == identity_of(change.entry):
            self._leaders.made(change.path, staged.copied, leading=leader.path)

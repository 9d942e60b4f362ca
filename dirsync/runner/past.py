"""A destination as it was at an earlier moment: the present tree with its changes taken back.

Nothing is moved or copied for that. A path of the past is found at the place where the
same object lies now: where it always was, where it was moved to, or in the version
area of the run that displaced it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from msgspec import Struct, field

from dirsync.model.entry import Entry
from dirsync.model.place import RESERVED
from dirsync.model.version import Before, BeforeKind
from dirsync.runner.versions import VersionIndex, VersionRun
from dirsync.scan.chosen import list_directory
from dirsync.trees.attributes import Bearer
from dirsync.trees.fsops import is_temporary
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree


class _Node(Struct):
    """One object of the past."""

    where: bytes  # the path at which it lies now
    lost: bool = False  # it is no longer kept
    metadata: Entry | None = None  # what it had then; None: what it has now
    children: dict[bytes, _Node | None] = field(default_factory=dict)  # where they differ; None: absent


class Past:
    """The destination at one moment, which `undo` takes back run by run.

    For one thread, but for `where` and `as_it_was`.
    """

    def __init__(self, tree: LocalTree) -> None:
        self._tree = tree
        self.lost: list[bytes] = []  # what `walk` came across that is no longer kept
        self._root: _Node | None = _Node(b"", children={RESERVED: None})

    # Going back

    def undo(self, run: VersionRun, index: VersionIndex) -> None:
        """Take back what a run did; runs are to be taken back newest first.

        Raises:
            RunError: the index cannot be read.
        """
        moves = [(record, self._node(record.path)) for record in index.records(run.run_id, BeforeKind.MOVED)]
        moved = {record.path for record, _ in moves}
        set_back = {
            id(self._set_metadata(record)) for record in index.records(run.run_id, BeforeKind.METADATA)
        }
        for record in index.records(run.run_id, BeforeKind.OBJECT):
            self._put(record.path, _Node(join(run.area, record.path), metadata=record.entry))
        for path in index.dropped(run.run_id):
            self._put(path, _Node(join(run.area, path), lost=True))
        absent = list(index.records(run.run_id, BeforeKind.ABSENT))
        for record in absent:
            if _is_beneath(record.path, moved):
                self._put(record.path, None)
        self._move_back(moves, set_back=set_back)
        for record in absent:
            if not _is_beneath(record.path, moved):
                self._put(record.path, None)

    def _set_metadata(self, record: Before) -> _Node | None:
        node = self._node(record.path)
        if node is not None:
            node.metadata = record.entry
        return node

    def _move_back(self, moves: list[tuple[Before, _Node | None]], *, set_back: set[int]) -> None:
        """Put what was moved where it was, once all is taken from its new places: one may hold another.

        `set_back` names the nodes whose metadata this same run's records have told already.
        """
        for record, _ in reversed(moves):
            self._put(record.path, None)
        for record, node in sorted(moves, key=lambda move: _old_path(move[0])):
            if node is not None:
                if id(node) not in set_back:
                    node.metadata = record.entry
                self._put(_old_path(record), node)

    def _put(self, path: bytes, node: _Node | None) -> None:
        if not path:
            self._root = node
            return
        parent = self._node(path.rpartition(b"/")[0])
        if parent is not None:
            parent.children[path.rpartition(b"/")[2]] = node

    def _node(self, path: bytes) -> _Node | None:
        """Find the node of a path, made where nothing differs; whether it is there is not looked at."""
        node = self._root
        for name in path.split(b"/") if path else ():
            if node is None:
                return None
            if name not in node.children:
                node.children[name] = _Node(join(node.where, name))
            node = node.children[name]
        return node

    # Looking

    def entry(self, path: bytes) -> Entry | None:
        """Give what was at a path; None: nothing was.

        Raises:
            OSError: it cannot be looked at.
        """
        node = self._node(path)
        if node is None:
            return None
        if node.lost:
            self.lost.append(path)
            return None
        return self._seen(path, node)

    def _seen(self, path: bytes, node: _Node) -> Entry | None:
        try:
            now = self._tree.entry(node.where) if node.where else self._tree.directory(b"")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if now is None:
            return None
        return _as_it_was(now._replace(path=path), node)

    def walk(self, path: bytes) -> Iterator[Entry]:
        """Give what was at and beneath a path, a directory before what it held; fills `lost`.

        Raises:
            OSError: a directory cannot be listed.
        """
        pending = [path]
        while pending:
            here = pending.pop()
            entry = self.entry(here)
            if entry is None:
                continue
            yield entry
            if entry.is_directory:
                pending += [join(here, name) for name in sorted(self._names(here), reverse=True)]

    def _names(self, path: bytes) -> set[bytes]:
        node = self._node(path)
        assert node is not None
        names = set(list_directory(self._tree.handles.handle(node.where)).name_list())
        absent = {name for name, child in node.children.items() if child is None}
        strays = {name for name in names if is_temporary(name)}  # of a run that was cut off
        return (names | node.children.keys()) - absent - strays

    def where(self, path: bytes) -> bytes:
        """Give the place at which a path of the past lies now.

        Raises:
            FileNotFoundError: nothing was there.
        """
        node = self._node(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return node.where

    def as_it_was(self, now: Entry) -> Entry:
        """Give an entry of a path of the past the metadata it had then."""
        node = self._node(now.path)
        return now if node is None else _as_it_was(now, node)


def _as_it_was(now: Entry, node: _Node) -> Entry:
    then = node.metadata
    if then is None or then.kind is not now.kind:
        return now
    return now._replace(mode=then.mode, uid=then.uid, gid=then.gid, mtime_ns=then.mtime_ns)


class PastTree(LocalTree):
    """A destination read as it was: its files are opened at the places where they lie now."""

    small_bytes = 0  # each file may be elsewhere

    def __init__(self, root: int, past: Past) -> None:
        """Take over `root`, the open root directory of the destination."""
        super().__init__(root)
        self._past = past

    def open_file(self, path: bytes) -> int:
        """Open a file of the past for reading."""
        return super().open_file(self._past.where(path))

    def bearer(self, path: bytes) -> Bearer:
        """Give what bears the attributes of a path of the past; valid until the next call."""
        return super().bearer(self._past.where(path))

    def directory_bearer(self, path: bytes) -> Bearer:
        """Give a directory of the past as what bears attributes; valid until the next call."""
        return super().directory_bearer(self._past.where(path))

    def described(self, path: bytes, status: os.stat_result) -> Entry:
        """Give the entry of an open file, with the metadata it had then."""
        return self._past.as_it_was(super().described(path, status))


def _old_path(record: Before) -> bytes:
    assert record.entry is not None
    return record.entry.path


def _is_beneath(path: bytes, directories: set[bytes]) -> bool:
    while directories and path:
        path = path.rpartition(b"/")[0]
        if path in directories:
            return True
    return False

"""Trees as literals, and an observer to judge them by.

`tree()` builds what a test declares; `snapshot()` says what is there. Both are
written against the kernel alone: they share no code with what they judge. They
hold one or two directories open, whatever the depth, and never build a whole
path, so a tree may be deeper than PATH_MAX.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

RESERVED = b".dirsync"  # at the top of a tree: what is kept there is no part of it
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `data` lies at `offset`, and all else up to `size` is a hole."""

    data: bytes = b""
    mode: int | None = None  # None, here and below: as the kernel makes it
    mtime_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    offset: int = 0
    size: int | None = None  # None: it ends with the data
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str | bytes
    mtime_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HardLink:
    """Another name of a file that was declared earlier, as a path from here: `a`, `../d/a`."""

    name: str | bytes


@dataclass(frozen=True, slots=True)
class Fifo:
    """A named pipe."""

    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory whose attributes matter; a plain mapping where they do not."""

    children: Children = field(default_factory=dict)
    mode: int | None = None
    mtime_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


Children: TypeAlias = "Mapping[Any, Node]"  # names are str or bytes; a Mapping is invariant in its keys
Node: TypeAlias = "bytes | Children | File | Link | HardLink | Fifo | Directory"
Snapshot: TypeAlias = "dict[bytes, Seen]"


class Seen(NamedTuple):
    """What `snapshot` saw at one path; equal where two trees agree."""

    kind: str  # file, directory, symlink, special
    mode: int  # permission bits; of a symlink always 0o777
    uid: int
    gid: int
    size: int  # 0 for a directory
    mtime_ns: int
    target: bytes | None  # of a symlink
    content: str | None  # of a file: its hash
    xattrs: tuple[tuple[str, bytes], ...]  # ACLs among them
    linked: bytes | None = None  # of a file with several paths in the tree, versions aside: the first


def tree(root: Path, children: Children | Directory) -> Path:
    """Build a tree below `root`, which is made if it is not there; give `root` back."""
    root.mkdir(exist_ok=True)
    node = children if isinstance(children, Directory) else Directory(children)
    handle = os.open(root, _DIRECTORY)
    try:
        _fill(handle, node)
    finally:
        os.close(handle)
    return root


def chain(root: Path, names: list[bytes], leaf: bytes) -> Path:
    """Build directories one in the other, any number, with the file `leaf` in the last; give `root`."""
    root.mkdir(exist_ok=True)
    handle = os.open(root, _DIRECTORY)
    for name in names:
        os.mkdir(name, dir_fd=handle)
        handle = _moved(handle, name)
    _make_file(handle, b"leaf", File(leaf))
    os.close(handle)
    return root


def emptied(root: Path) -> Path:
    """Remove all that is in a directory, of any depth, and give it back: the same directory."""
    subprocess.run(["find", root, "-mindepth", "1", "-delete"], check=True)
    return root


def snapshot(root: Path) -> Snapshot:
    """Say what is at every path of a tree; the root itself is `b""`."""
    objects: dict[tuple[int, int], list[bytes]] = {}
    seen: Snapshot = {}
    for path, handle, name, status in _objects(root):
        seen[path] = _seen(handle, name, status)
        if stat.S_ISREG(status.st_mode) and path.split(b"/", 1)[0] != RESERVED:
            objects.setdefault((status.st_dev, status.st_ino), []).append(path)
    for paths in objects.values():
        if len(paths) > 1:
            seen |= {path: seen[path]._replace(linked=min(paths)) for path in paths}
    return seen


def ctimes(root: Path) -> dict[bytes, int]:
    """Give every path's ctime: what moves when anything touches the object at all."""
    return {path: status.st_ctime_ns for path, _, _, status in _objects(root)}


def inodes(root: Path) -> dict[bytes, int]:
    """Give every path's inode number: what stays when an object was left in its place."""
    return {path: status.st_ino for path, _, _, status in _objects(root)}


def separated(seen: Snapshot) -> Snapshot:
    """Give a snapshot as if each name of a file were a file of its own."""
    return {path: what._replace(linked=None) for path, what in seen.items()}


def differences(
    one: dict[bytes, Seen], other: dict[bytes, Seen]
) -> dict[bytes, tuple[Seen | None, Seen | None]]:
    """Give the paths at which two snapshots differ, with both sides; empty where they agree."""
    paths = one.keys() | other.keys()
    return {
        path: (one.get(path), other.get(path)) for path in sorted(paths) if one.get(path) != other.get(path)
    }


def _fill(handle: int, node: Directory) -> None:
    for name, child in node.children.items():
        _make(handle, os.fsencode(name), child)
    _dress(handle, node)


def _make(handle: int, name: bytes, node: Node) -> None:
    match node:
        case bytes():
            _make_file(handle, name, File(node))
        case File():
            _make_file(handle, name, node)
        case Link():
            os.symlink(os.fsencode(node.target), name, dir_fd=handle)
            _dress_link(handle, name, node)
        case HardLink():
            os.link(os.fsencode(node.name), name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
        case Fifo():
            os.mkfifo(name, node.mode, dir_fd=handle)
        case Directory():
            _make_directory(handle, name, node)
        case _:
            _make_directory(handle, name, Directory(node))


def _make_directory(handle: int, name: bytes, node: Directory) -> None:
    os.mkdir(name, dir_fd=handle)
    inner = os.open(name, _DIRECTORY, dir_fd=handle)
    try:
        _fill(inner, node)
    finally:
        os.close(inner)


def _make_file(handle: int, name: bytes, node: File) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=handle)
    try:
        os.pwrite(file, node.data, node.offset)
        if node.size is not None:
            os.truncate(file, node.size)
        _dress(file, node)
    finally:
        os.close(file)


def _dress(handle: int, node: File | Directory) -> None:
    """Set owner, then mode (a change of owner takes set-id bits away), attributes, and time."""
    if node.uid is not None or node.gid is not None:
        os.chown(handle, _or_keep(node.uid), _or_keep(node.gid))
    if node.mode is not None:
        os.chmod(handle, node.mode)
    for name, value in node.xattrs.items():
        os.setxattr(handle, name, value)
    if node.mtime_ns is not None:
        os.utime(handle, ns=(node.mtime_ns, node.mtime_ns))


def _dress_link(handle: int, name: bytes, node: Link) -> None:
    if node.uid is not None or node.gid is not None:
        os.chown(name, _or_keep(node.uid), _or_keep(node.gid), dir_fd=handle, follow_symlinks=False)
    for attribute, value in node.xattrs.items():
        os.setxattr(_in(handle, name), attribute, value, follow_symlinks=False)
    if node.mtime_ns is not None:
        os.utime(name, ns=(node.mtime_ns, node.mtime_ns), dir_fd=handle, follow_symlinks=False)


def _in(handle: int, name: bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (handle, name)


def _or_keep(number: int | None) -> int:
    return -1 if number is None else number


def _objects(root: Path) -> Iterator[tuple[bytes, int, bytes, os.stat_result]]:
    """Yield path, handle of the parent, name in it and status; parents before children.

    The walk moves one handle down by name and up by `..`.
    """
    handle = os.open(root, _DIRECTORY)
    try:
        yield b"", handle, b".", os.stat(handle)
        where: list[bytes] = []
        pending: list[list[bytes]] = []  # a level each: the directories not yet entered
        while True:
            here = list(_children(handle))
            for name, status in here:
                yield b"/".join([*where, name]), handle, name, status
            pending.append([name for name, status in here if stat.S_ISDIR(status.st_mode)])
            while not pending[-1]:
                pending.pop()
                if not where:
                    return
                where.pop()
                handle = _moved(handle, b"..")
            where.append(pending[-1].pop())
            handle = _moved(handle, where[-1])
    finally:
        os.close(handle)


def _children(handle: int) -> Iterator[tuple[bytes, os.stat_result]]:
    for name in sorted(map(os.fsencode, os.listdir(handle))):
        yield name, os.stat(name, dir_fd=handle, follow_symlinks=False)


def _moved(handle: int, name: bytes) -> int:
    """Trade the handle of a directory for that of one in or above it."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)


def _seen(handle: int, name: bytes, status: os.stat_result) -> Seen:
    kind, size, target, content = "special", 0, None, None
    if stat.S_ISREG(status.st_mode):
        kind, size, content = "file", status.st_size, _content(handle, name)
    elif stat.S_ISLNK(status.st_mode):
        kind, size, target = "symlink", status.st_size, os.readlink(name, dir_fd=handle)
    elif stat.S_ISDIR(status.st_mode):
        kind = "directory"
    mode = stat.S_IMODE(status.st_mode)
    return Seen(
        kind,
        mode,
        status.st_uid,
        status.st_gid,
        size,
        status.st_mtime_ns,
        target,
        content,
        _xattrs(handle, name),
    )


def _xattrs(handle: int, name: bytes) -> tuple[tuple[str, bytes], ...]:
    where = _in(handle, name)
    found = sorted(os.listxattr(where, follow_symlinks=False))
    return tuple((each, os.getxattr(where, each, follow_symlinks=False)) for each in found)


def _content(handle: int, name: bytes) -> str:
    descriptor = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME * (os.geteuid() == 0), dir_fd=handle
    )
    with open(descriptor, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]

"""A tree of this machine: reading it, and knowing what it can keep."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Sequence, Set
from types import TracebackType
from typing import TYPE_CHECKING, Self, overload

from msgspec.structs import replace

from dirsync.model.attributes import Namespace
from dirsync.model.capabilities import Capabilities
from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.model.new_files import NewFiles
from dirsync.model.place import FarPlace, LocalPlace, Place
from dirsync.trees import hashing
from dirsync.trees.attributes import Bearer, namespaces_at
from dirsync.trees.handles import DirectoryHandles, split
from dirsync.trees.hashing import TICK_NS, Content
from dirsync.trees.mounts import mount_holding

if TYPE_CHECKING:
    from dirsync.trees.data import DataCopier, Told
    from dirsync.trees.small_files import Made, Making, Olds
    from dirsync.trees.source import FileAhead, SourceTree

OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # the root itself may be reached through links
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_CAP_CHOWN = 1 << 0
_CAP_SYS_ADMIN = 1 << 21
_CAP_SETFCAP = 1 << 31
_SECOND_NS = 1_000_000_000
_VFAT = Capabilities(
    mtime_resolution_ns=2 * _SECOND_NS,
    modes=False,
    any_owner=False,
    symlinks=False,
    hard_links=False,
    attributes=frozenset(),
)
_LIMITED = {
    "vfat": _VFAT,
    "msdos": _VFAT,
    "exfat": replace(_VFAT, mtime_resolution_ns=_SECOND_NS // 100),
}
_COARSE_NS = {"ext3": _SECOND_NS, "ext2": _SECOND_NS, "hfsplus": _SECOND_NS, "ntfs3": 100, "ntfs": 100}


class LocalTree:
    """One tree, read through handles of its directories; for one thread."""

    small_bytes = (16 << 10) - 1  # from there on a clone costs less than it saves

    def __init__(self, root: int) -> None:
        """Take over `root`, the open root directory."""
        self.handles = DirectoryHandles(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every handle."""
        self.handles.close()

    def directory(self, path: bytes) -> Entry:
        """Give the entry of a directory from its own handle.

        Raises:
            OSError: it is not there, is no directory, or may not be entered.
        """
        return entry_of(path, os.fstat(self.handles.handle(path)), None)

    def entry(self, path: bytes) -> Entry | None:
        """Give what is at a path now; None: nothing is.

        Raises:
            OSError: its directory cannot be entered, say.
        """
        parent, name = split(path)
        fd = self.handles.handle(parent)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            target = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else None
        except FileNotFoundError:
            return None
        return entry_of(path, status, target)

    def status(self, path: bytes) -> os.stat_result:
        """Give what `lstat` says of a path.

        Raises:
            OSError: it is not there, or its directory cannot be entered.
        """
        parent, name = split(path)
        return os.stat(name, dir_fd=self.handles.handle(parent), follow_symlinks=False)

    def ctime_ns(self, path: bytes) -> int:
        """Say when a directory last changed.

        Raises:
            OSError: it is not there, is no directory, or may not be entered.
        """
        return os.fstat(self.handles.handle(path)).st_ctime_ns

    def opened(self, path: bytes) -> LocalFile:
        """Open a file to be copied.

        Raises:
            OSError: it cannot be opened.
        """
        return LocalFile(self.open_file(path))

    def open_file(self, path: bytes) -> int:
        """Open a file for reading, never through a symlink and never waiting for a FIFO.

        Raises:
            OSError: it cannot be opened.
        """
        parent, name = split(path)
        return os.open(name, OPEN_FILE, dir_fd=self.handles.handle(parent))

    def copy_small(
        self, directory: bytes, names: Sequence[bytes], *, into: int, making: Making, olds: Olds = ()
    ) -> Made:
        """Copy small files of a directory into an open one, as far as that goes together.

        Raises:
            OSError: the directory cannot be entered.
        """
        from dirsync.trees import small_files  # most runs copy nothing

        return small_files.copy(making, self.handles.handle(directory), into, names, olds=olds)

    def bearer(self, path: bytes) -> Bearer:
        """Give what bears the attributes at a path, never followed; valid until the next call.

        Raises:
            OSError: its directory cannot be entered.
        """
        parent, name = split(path)
        return Bearer(self.handles.handle(parent), name)

    def directory_bearer(self, path: bytes) -> Bearer:
        """Give a directory as what bears attributes; valid until the next call.

        Raises:
            OSError: it is not there, is no directory, or may not be entered.
        """
        return Bearer(self.handles.handle(path))

    def described(self, path: bytes, status: os.stat_result) -> Entry:
        """Give the entry of an open file, from what `fstat` said of it."""
        return entry_of(path, status, None)

    def find_in(self, handles: Sequence[int]) -> None:
        """Hear of open files in which much may be of what is copied next: nothing here is faster for it."""

    def foresee(
        self,
        *,
        listings: Sequence[bytes] = (),
        entries: Sequence[bytes] = (),
        together: Sequence[NewFiles] = (),
        files: Sequence[FileAhead] = (),
        attributes: Sequence[bytes] = (),
    ) -> None:
        """Hear what will be asked for next: nothing here is faster for it."""

    def read_file(self, path: bytes) -> bytes:
        """Read a whole (small) file.

        Raises:
            OSError: it is no regular file or cannot be read.
        """
        with open(self.open_file(path), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError(f"{os.fsdecode(path)!r} is no regular file")
            return file.read()

    def content(
        self,
        path: bytes,
        algorithm: HashAlgorithm,
        *,
        check: Callable[[], None],
        from_disk: bool = False,
        lasting: bool = True,
    ) -> Content:
        """Hash a file's content; `check` is called now and then, and may raise to stop.

        `lasting` False: for now alone, as `content_of_handle` has it.

        Raises:
            OSError: it cannot be read.
        """
        handle = self.open_file(path)
        try:
            return hashing.content_of_handle(
                handle, algorithm, from_disk=from_disk, lasting=lasting, check=check
            )
        finally:
            os.close(handle)


class LocalFile:
    """An open file of this machine; see `OpenFile`."""

    def __init__(self, handle: int) -> None:
        """Take over an open file."""
        self._handle = handle

    def status(self) -> os.stat_result:
        """Give what it is now."""
        return os.fstat(self._handle)

    def settled(self, sleep: Callable[[float], None]) -> os.stat_result:
        """Let the tick in which it was last changed pass, and give what it is then."""
        status = os.fstat(self._handle)
        age_ns = time.time_ns() - status.st_ctime_ns
        if not -TICK_NS < age_ns < TICK_NS:
            return status
        sleep((TICK_NS - age_ns) / 1e9)
        return os.fstat(self._handle)

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give its extended attributes."""
        return Bearer(self._handle).attributes(namespaces)

    def copy_to(
        self,
        copy: int,
        copier: DataCopier,
        *,
        before: os.stat_result,
        told: Told,
        basis: Callable[[], int | None],
    ) -> bool:
        """Copy its data, in the kernel where that can be; the basis is of no use to it."""
        allocated = before.st_blocks * 512
        return copier.copy(self._handle, copy, size=before.st_size, allocated=allocated, told=told)

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):  # it was only read
            os.close(self._handle)


@overload
def open_tree(place: LocalPlace) -> LocalTree: ...


@overload
def open_tree(place: Place) -> SourceTree: ...


def open_tree(place: Place) -> SourceTree:
    """Open a tree at its root.

    Raises:
        OSError: the root is not there, is no directory, may not be entered, or is not
            the directory that the place was pinned to (ESTALE).
        RunError: the far end does not answer, or refuses.
    """
    if isinstance(place, FarPlace):
        from dirsync.trees.far.tree import FarTree  # few jobs need it

        return FarTree.of(place)
    root = open_root(place)
    if place.follows_links:
        from dirsync.trees.following import FollowingTree  # few jobs need it

        return FollowingTree(root, path=place.path)
    return LocalTree(root)


def open_root(place: LocalPlace) -> int:
    """Open the directory that a place is.

    Raises:
        OSError: as `open_tree` says.
    """
    if place.within is None:
        root = os.open(place.path, OPEN_ROOT)
    else:
        with DirectoryHandles(os.open(place.within, OPEN_ROOT)) as handles:
            root = os.dup(handles.handle(_beneath(place.within, place.path)))
    status = os.fstat(root)
    if place.identity not in (None, (status.st_dev, status.st_ino)):
        os.close(root)
        raise OSError(errno.ESTALE, "another directory has taken its place")
    return root


def status_of_root(place: LocalPlace) -> os.stat_result:
    """Say what is where a place is, a directory or not.

    Raises:
        OSError: nothing is, or it cannot be looked at.
    """
    if place.within is None:
        return os.stat(place.path)
    parent, name = split(_beneath(place.within, place.path))
    with DirectoryHandles(os.open(place.within, OPEN_ROOT)) as handles:
        if not name:
            return os.fstat(handles.root)
        return os.stat(name, dir_fd=handles.handle(parent), follow_symlinks=False)


def _beneath(within: bytes, path: bytes) -> bytes:
    return path.removeprefix(within).lstrip(b"/")


def entry_of(path: bytes, status: os.stat_result, target: bytes | None) -> Entry:
    """Make an `Entry` of what `stat` said."""
    return Entry(
        path=path,
        mode=status.st_mode,
        size=0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        uid=status.st_uid,
        gid=status.st_gid,
        ino=status.st_ino,
        dev=status.st_dev,
        nlink=status.st_nlink,
        target=target,
    )


def capabilities_of(path: bytes) -> Capabilities:
    """Tell what the file system at a path can keep when this process writes to it.

    Known by the file system's type; a type not known keeps everything.
    """
    mount = mount_holding(path)
    fstype = mount.fstype if mount else ""
    if fstype in _LIMITED:
        return _LIMITED[fstype]
    granted = _granted()
    privileged = bool(granted & _CAP_CHOWN)
    return Capabilities(
        mtime_resolution_ns=_COARSE_NS.get(fstype, 1),
        any_owner=privileged,
        groups=frozenset() if privileged else frozenset({os.getegid(), *os.getgroups()}),
        uid=0 if privileged else os.geteuid(),
        attributes=namespaces_at(path) & _settable(granted),
    )


def _settable(granted: int) -> frozenset[Namespace]:
    """Say which attributes this process may set, with the capabilities it has.

    Source: capabilities(7).
    """
    settable = {Namespace.USER, Namespace.ACL}
    if granted & _CAP_SYS_ADMIN:
        settable |= {Namespace.TRUSTED, Namespace.SECURITY}
    if granted & _CAP_SETFCAP:
        settable |= {Namespace.CAPABILITY}
    return frozenset(settable)


def _granted() -> int:
    """Give the capabilities of this process as bits: on Linux root may lack some; elsewhere it has all."""
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as lines:
        for line in lines:
            if line.startswith(b"CapEff:"):
                return int(line.split()[1], 16)
    return -1 if not hasattr(os, "geteuid") or os.geteuid() == 0 else 0

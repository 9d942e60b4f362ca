"""What was seen at one path."""

from __future__ import annotations

import enum
import stat
from typing import NamedTuple


class Kind(enum.Enum):
    """What an object is, as far as a mirror cares."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"  # socket, FIFO, device: named, never opened


_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


def kind_of_mode(mode: int) -> Kind:
    """Name the kind that the type bits of a `st_mode` stand for."""
    return _KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)


class Entry(NamedTuple):
    """One path and what was seen there; a NamedTuple, for it is made by the million."""

    path: bytes  # relative to the root, "/"-separated; b"" is the root itself
    mode: int  # st_mode: type and permission bits
    size: int  # bytes; 0 for a directory
    mtime_ns: int  # nanoseconds since 1970, negative before
    ctime_ns: int
    uid: int
    gid: int
    ino: int
    dev: int
    nlink: int
    target: bytes | None  # where a symlink points; None: not a symlink

    @property
    def kind(self) -> Kind:
        """What the object is."""
        return kind_of_mode(self.mode)

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory (never true of a link to one)."""
        return stat.S_ISDIR(self.mode)

    @property
    def permissions(self) -> int:
        """The permission bits, set-id and sticky bits included."""
        return stat.S_IMODE(self.mode)


def signed(ino: int) -> int:
    """Give an inode number as the signed number of 64 bits that a database holds."""
    return ino - (1 << 64) if ino >= 1 << 63 else ino

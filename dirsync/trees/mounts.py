"""What is mounted where, as Linux tells in `/proc/self/mountinfo`.

Elsewhere nothing is known: `mounts()` is empty, and device numbers have to do.

Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_MOUNTINFO = b"/proc/self/mountinfo"
_BY_UUID = b"/dev/disk/by-uuid"
_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One mounted file system, or a part of one."""

    point: bytes  # absolute path
    root: bytes  # the directory within the file system that is mounted there
    fstype: str
    device: bytes  # what is mounted: `/dev/sda1`, `nas:/photos`, `tmpfs`
    dev: int


def mounts() -> list[Mount]:
    """List what is mounted, later mounts after those they cover; empty where unknown."""
    try:
        with open(_MOUNTINFO, "rb") as lines:
            return [_mount_of(line) for line in lines]
    except OSError:
        return []


def _mount_of(line: bytes) -> Mount:
    before, _, after = line.partition(b" - ")
    fields = before.split(b" ")
    major, _, minor = fields[2].partition(b":")
    fstype, device = after.split(b" ")[:2]
    return Mount(
        point=_plain(fields[4]),
        root=_plain(fields[3]),
        fstype=fstype.decode(),
        device=_plain(device),
        dev=os.makedev(int(major), int(minor)),
    )


def _plain(field: bytes) -> bytes:
    return _OCTAL.sub(lambda digits: bytes([int(digits[1], 8)]), field)


def mount_holding(path: bytes) -> Mount | None:
    """Give the mount that a path is on; None: not known."""
    return MountTable(mounts()).holding(os.path.realpath(path))


class MountTable:
    """What is mounted, to be found by resolved paths, many of them."""

    def __init__(self, mounted: Iterable[Mount]) -> None:
        """`mounted` as `mounts` gives it."""
        self._at: dict[bytes, Mount] = {}  # of several on one point the last hides the others
        self._beneath: dict[bytes, list[Mount]] = {}
        for mount in mounted:
            self._at[mount.point] = mount
            for above in _above(mount.point):
                self._beneath.setdefault(above, []).append(mount)

    def holding(self, real: bytes) -> Mount | None:
        """Give the mount that a path is on; None: not known."""
        found = (self._at.get(path) for path in (real, *_above(real)))
        return next((mount for mount in found if mount is not None), None)

    def beneath(self, real: bytes) -> Sequence[Mount]:
        """Give what is mounted beneath a directory, not on it."""
        return self._beneath.get(real, ())


def _above(path: bytes) -> Iterator[bytes]:
    """Give the directories above an absolute path, the root last; none of the root's own."""
    while path != b"/":
        path = path[: path.rindex(b"/")] or b"/"
        yield path


def is_mount_point(path: bytes) -> bool:
    """Whether something is mounted at a path, another part of the same file system too."""
    known = mounts()
    if not known:
        return os.path.ismount(path)
    real = os.path.realpath(path)
    return any(mount.point == real for mount in known)


def mounted_beneath(path: bytes) -> frozenset[bytes]:
    """Give the mount points beneath a directory, relative to it."""
    real = os.path.realpath(path)
    start = 1 if real == b"/" else len(real) + 1
    return frozenset(m.point[start:] for m in mounts() if m.point != real and is_beneath(m.point, real))


def is_beneath(path: bytes, ancestor: bytes) -> bool:
    """Whether an absolute path is another or lies beneath it, by name."""
    return path == ancestor or path.startswith(ancestor.rstrip(b"/") + b"/")


def file_system_identity(path: bytes) -> str | None:
    """Name the file system a path is on, the same after a reboot; None: not known.

    A UUID where the device has one; else its type and what is mounted.
    """
    mount = mount_holding(path)
    if mount is None:
        return None
    return _uuid_of(mount.dev) or f"{mount.fstype}:{os.fsdecode(mount.device)}"


def _uuid_of(dev: int) -> str | None:
    with contextlib.suppress(OSError):
        for uuid in os.listdir(_BY_UUID):
            with contextlib.suppress(OSError):
                if os.stat(os.path.join(_BY_UUID, uuid)).st_rdev == dev:
                    return f"uuid:{os.fsdecode(uuid)}"
    return None

"""What is mounted where, as Linux tells in `/proc/self/mountinfo`.

Elsewhere nothing is known: `mounts()` is empty, and device numbers have to do.

Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
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
    return mount_of(os.path.realpath(path), mounts())


def mount_of(real: bytes, mounted: Sequence[Mount]) -> Mount | None:
    """Find the mount that a resolved path is on; of several on one point the last hides the others."""
    holding = [mount for mount in mounted if is_beneath(real, mount.point)]
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)


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

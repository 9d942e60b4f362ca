"""Where the mounted file systems are, so that one place under two names is known as one.

Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MOUNTINFO = "/proc/self/mountinfo"
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One mounted file system, or a part of one."""

    device: str  # `254:0`
    root: str  # the directory within the file system that is mounted
    point: str  # where it is mounted


def mounts() -> tuple[Mount, ...]:
    """List what is mounted, in mount order; nothing where the system does not tell."""
    try:
        with open(_MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.split(" ") for line in file]
    except OSError:
        return ()
    return tuple(Mount(each[2], _unescaped(each[3]), _unescaped(each[4])) for each in fields if len(each) > 4)


def mount_of(path: str, mounted: tuple[Mount, ...]) -> Mount | None:
    """Find the mount that a resolved path lies on; the last of several on one point hides the others."""
    holding = [mount for mount in mounted if is_below(path, mount.point)]
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)


def is_below(path: str, root: str) -> bool:
    """Whether a path is a directory or something in it, by its spelling."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def moved(path: str, *, old: str, new: str) -> str:
    """Respell a path that is below `old` as one below `new`."""
    return new.rstrip("/") + path[len(old.rstrip("/")) :] or "/"


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)

"""Which directory one end of a job was, so that another in its place is noticed days later."""

from __future__ import annotations

from msgspec import Struct

from dirsync.model.place import Place
from dirsync.runner.ends import file_system_at


class Root(Struct, frozen=True, kw_only=True):
    """Which directory one end of a job was."""

    device: int
    inode: int
    file_system: str | None  # the same after a reboot; None: not known


def root_of(place: Place | None) -> Root | None:
    """Tell which directory a place that was looked at is; None: there is none yet.

    Raises:
        RunError: a far end does not answer.
    """
    if place is None or place.identity is None:
        return None
    device, inode = place.identity
    return Root(device=device, inode=inode, file_system=file_system_at(place))


def is_same_root(planned: Root | None, now: Root | None) -> bool:
    """Whether a directory is the one that was planned for, after a reboot too.

    Inode numbers repeat on every disk, and device numbers on every disk that is put in
    another's place: so the file system must be the same, as far as it is known. A
    device number may change with a reboot; then only a UUID proves it.
    """
    if planned is None or now is None:
        return planned is now
    if planned.inode != now.inode:
        return False
    if planned.file_system and now.file_system and planned.file_system != now.file_system:
        return False
    return planned.device == now.device or (now.file_system or "").startswith("uuid:")

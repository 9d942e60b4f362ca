"""Small file systems on loop devices, from which the power can be taken.

`FS_IOC_SHUTDOWN` makes a file system stop as a power cut does: what is not on the disk
is gone, and every call that follows fails. Mounting it again replays its journal.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)

_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = (1 << 14) | (1 << 18)

_libc = ctypes.CDLL(None, use_errno=True)


class FileSystem(enum.Enum):
    """What an image is formatted as: how, and how large it must be."""

    EXT4 = ("ext4", ("mkfs.ext4", "-q", "-F"), 64 << 20)
    XFS = ("xfs", ("mkfs.xfs", "-q", "-f"), 300 << 20)  # the smallest that its mkfs makes

    def __init__(self, type_name: str, command: tuple[str, ...], size_bytes: int) -> None:
        self.type_name = type_name
        self.command = command
        self.size_bytes = size_bytes


class Cut(enum.IntEnum):
    """What becomes of the journal that is still in memory when the power goes."""

    JOURNAL_WRITTEN = 1  # FSOP_GOING_FLAGS_LOGFLUSH
    JOURNAL_LOST = 2  # FSOP_GOING_FLAGS_NOLOGFLUSH


class Image:
    """A mounted file system of our own; made by `mounted_image`."""

    def __init__(self, file_system: FileSystem, *, device: str, top: Path) -> None:
        self.file_system = file_system
        self.top = top
        self._device = device

    def format(self) -> None:
        """Make the file system anew; it must not be mounted."""
        subprocess.run([*self.file_system.command, self._device], check=True)

    def mount(self) -> None:
        """Mount it, which replays its journal."""
        kind = self.file_system.type_name.encode()
        _checked(_libc.mount(self._device.encode(), os.fsencode(self.top), kind, 0, None))

    def unmount(self) -> None:
        """Unmount it.

        Raises:
            OSError: EBUSY where a handle was left open on it.
        """
        _checked(_libc.umount2(os.fsencode(self.top), 0))

    def cut(self, how: Cut) -> None:
        """Take the power away."""
        handle = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, _FS_IOC_SHUTDOWN, int(how).to_bytes(4, "little"))
        finally:
            os.close(handle)

    def power_on(self) -> None:
        """Mount it again after a cut."""
        self.unmount()
        self.mount()

    def renewed(self) -> None:
        """Empty it by formatting it again."""
        self.unmount()
        self.format()
        self.mount()

    def settled(self) -> None:
        """Have everything on the disk."""
        handle = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _checked(_libc.syncfs(handle))
        finally:
            os.close(handle)


@contextlib.contextmanager
def mounted_image(file_system: FileSystem) -> Iterator[Image]:
    """Give a new file system in a file in memory; unmounted and gone afterwards."""
    with _own_mounts(), tempfile.TemporaryDirectory(prefix="image-", dir="/dev/shm") as folder:
        file, top = Path(folder, "image"), Path(folder, "top")
        top.mkdir()
        with open(file, "wb") as made:
            made.truncate(file_system.size_bytes)
        with _looped(file) as device:
            image = Image(file_system, device=device, top=top)
            image.format()
            image.mount()
            try:
                yield image
            finally:
                image.unmount()


@contextlib.contextmanager
def _own_mounts() -> Iterator[None]:
    """Show what is mounted in the block to this thread and its children alone.

    A process that takes a copy of all mounts (`unshare --mount`, as other tests do) would
    keep an image mounted that is to be mounted anew.
    """
    before, folder = os.open("/proc/self/ns/mnt", os.O_RDONLY), os.getcwd()
    _checked(_libc.unshare(_CLONE_NEWNS))
    try:
        _checked(_libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
        yield
    finally:
        _checked(_libc.setns(before, _CLONE_NEWNS))
        os.close(before)
        os.chdir(folder)


@contextlib.contextmanager
def _looped(file: Path) -> Iterator[str]:
    """Show a file as a block device."""
    found = subprocess.run(["losetup", "--find", "--show", file], check=True, capture_output=True, text=True)
    device = found.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

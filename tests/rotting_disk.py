"""A real disk whose blocks can be altered behind the back of its file system.

An ext4 image on a loop device: what is written to the image changes a file's content
while its size, its times and even its ctime stay, as a failing disk does it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RottingDisk:
    """A mounted file system, and the image that holds its blocks."""

    root: Path
    image: Path

    def rot(self, path: Path, *, bits: int = 1) -> None:
        """Flip bits of the first byte of a file on the disk; memory forgets what it held of the file."""
        subprocess.run(["sync", "-f", self.root], check=True)
        before = path.stat()
        offset = self._first_block(before.st_ino) * BLOCK_BYTES
        with open(self.image, "r+b") as blocks:
            blocks.seek(offset)
            first = blocks.read(1)
            assert first == path.read_bytes()[:1], "the block found is not the file's"
            blocks.seek(offset)
            blocks.write(bytes([first[0] ^ bits]))
        _forget(path)
        assert path.read_bytes()[:1] != first
        assert path.stat().st_ctime_ns == before.st_ctime_ns

    def _first_block(self, inode: int) -> int:
        request = ["debugfs", "-R", f"bmap <{inode}> 0", str(self.image)]
        return int(subprocess.run(request, check=True, capture_output=True, text=True).stdout)


def _forget(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def rotting_disk(place: Path) -> Iterator[RottingDisk]:
    """Give a small disk of its own, mounted below `place`."""
    image, root = place / "disk.img", place / "disk"
    root.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", str(BLOCK_BYTES), image], check=True)
    subprocess.run(["mount", "-o", "loop", image, root], check=True)
    try:
        yield RottingDisk(root, image)
    finally:
        subprocess.run(["umount", "-l", root], check=True)

"""Seeded trees to measure on: the same bytes and names for the same seed, on any machine.

A tree is described by a `Shape`, built once, changed by a known share, and compared
afterwards. Content is cut from one block of random bytes, so that building is bound by
the file system and not by the generator.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EPOCH_NS = 1_700_000_000_000_000_000
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a tree looks like."""

    files: int
    files_per_directory: int = 32
    smallest_bytes: int = 0
    largest_bytes: int = 4096
    depth: int = 0  # 0: directories in groups, side by side; else each in the next, so many deep
    linked_share: float = 0.0  # of the files: they are further names of the file before them
    seed: int = 1

    @property
    def entries(self) -> int:
        """How many entries the tree has, its root excluded."""
        return self.files + len(self.groups()) + len(self.leaves())

    def groups(self) -> list[str]:
        """Give the directories that hold directories only."""
        if self.depth or not self.files:
            return []
        return [f"group{group:04}" for group in range(round(self._leaf_count**0.5))]

    def leaves(self) -> list[str]:
        """Give the directories that hold files, parents first."""
        if not self.files:
            return []
        if self.depth:
            levels = range(self._leaf_count)
            return [f"chain{n // self.depth:05}" + "/deeper" * (n % self.depth) for n in levels]
        groups = self.groups()
        return [f"{groups[n % len(groups)]}/directory{n:06}" for n in range(self._leaf_count)]

    @property
    def _leaf_count(self) -> int:
        return max(1, self.files // self.files_per_directory)


SHAPES = {
    "ten-files": Shape(files=10),
    "wide-20k": Shape(files=19_000),
    "wide-60k": Shape(files=58_000),
    "wide-320k": Shape(files=310_000),
    "wide-1300k": Shape(files=1_260_000),
    "wide-2000k": Shape(files=1_940_000),
    "tracked-320k": Shape(files=300_000, files_per_directory=15),  # 20,141 directories
    "deep-20k": Shape(files=15_000, files_per_directory=3, depth=200),
    "linked-60k": Shape(files=58_000, linked_share=0.2),
    "few-huge": Shape(files=8, files_per_directory=4, smallest_bytes=256 << 20, largest_bytes=256 << 20),
    "small-files": Shape(files=60_000, smallest_bytes=1, largest_bytes=16_384),
}


def build(root: Path, shape: Shape) -> None:
    """Make the tree below `root`, which must not be there."""
    draw = random.Random(shape.seed)
    block = draw.randbytes(_BLOCK_BYTES)
    root.mkdir(parents=True)
    for directory in [*shape.groups(), *shape.leaves()]:
        (root / directory).mkdir()
    made = 0
    leaves = shape.leaves()
    for number, directory in enumerate(leaves):
        share = shape.files // len(leaves) + (number < shape.files % len(leaves))
        _fill(root / directory, range(made, made + share), shape, draw, block)
        made += share


def _fill(directory: Path, numbers: range, shape: Shape, draw: random.Random, block: bytes) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        before = ""  # the last file that is not one more name
        for number in numbers:
            name = f"file{number:07}.dat"
            if shape.linked_share and number > numbers.start and draw.random() < shape.linked_share:
                os.link(before, name, src_dir_fd=handle, dst_dir_fd=handle)
                continue
            size = draw.randint(shape.smallest_bytes, shape.largest_bytes)
            _write(handle, name, _pieces(block, size, draw), mtime_ns=_EPOCH_NS + number * 1_000_003)
            before = name
    finally:
        os.close(handle)


def build_big_file(root: Path, *, size_bytes: int, seed: int = 1) -> None:
    """Make a tree of one file without holes."""
    block = random.Random(seed).randbytes(_BLOCK_BYTES)
    root.mkdir(parents=True)
    with open(root / "big.dat", "wb") as file:
        for _ in range(size_bytes // _BLOCK_BYTES):
            file.write(block)


def change_share(root: Path, *, share: float, step: int, seed: int = 1) -> int:
    """Change a share of the files: of ten, eight get other data, one goes, one comes. Tell how many.

    `step` counts the changes made so far, so that the same step is the same change.
    """
    draw = random.Random(f"{seed}/{step}")
    files = sorted(_files(root))
    chosen = draw.sample(files, max(1, int(len(files) * share)))
    now_ns = time.time_ns() // 1_000_000_000 * 1_000_000_000 + step
    for number, path in enumerate(chosen):
        if number % 10 == 0:
            os.unlink(path)
        elif number % 10 == 1:
            _rewrite(f"{path}-{step}", draw, mtime_ns=now_ns)
        else:
            _rewrite(path, draw, mtime_ns=now_ns)
    return len(chosen)


def set_modes(root: Path, step: int) -> None:
    """Give every file another mode than it had at the step before."""
    for path in _files(root):
        os.chmod(path, 0o640 if step % 2 else 0o644)


def rename_files(root: Path, step: int) -> None:
    """Give every file another name in its directory."""
    for path in list(_files(root)):
        os.rename(path, f"{path.partition('~')[0]}~{step}")


def _rewrite(path: str, draw: random.Random, *, mtime_ns: int) -> None:
    with open(path, "wb") as file:
        file.write(draw.randbytes(draw.randint(1, 4096)))
    os.utime(path, ns=(mtime_ns, mtime_ns))


def _files(root: Path) -> Iterator[str]:
    pending = [str(root)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    yield entry.path


def _write(handle: int, name: str, pieces: Iterator[memoryview], *, mtime_ns: int) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=handle)
    try:
        for piece in pieces:
            os.write(file, piece)
        os.utime(file, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(file)


def _pieces(block: bytes, size: int, draw: random.Random) -> Iterator[memoryview]:
    """Give so many bytes: the block as often as it fits, and a piece of it."""
    whole = memoryview(block)
    while size >= len(block):
        yield whole
        size -= len(block)
    start = draw.randrange(len(block) - size)
    yield whole[start : start + size]

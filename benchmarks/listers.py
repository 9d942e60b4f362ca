"""What listing costs: `python -m benchmarks.listers [FOLDER]…`.

Trees of empty files are made in each folder (default: the temporary one and /dev/shm)
and listed by both listers in turn, from the page cache. A ratio compares two listings
that follow each other, so that drift and other load hit both alike.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dirsync.model.listing import Listing
from dirsync.scan import lister as reference
from dirsync.scan.chosen import list_natively

_ROUNDS = 9
_SHAPES = ((800, 16), (20, 1_000), (1, 100_000))  # directories, files in each


class Cost(NamedTuple):
    """Of listing some directories once."""

    seconds: float
    user_seconds: float  # outside the kernel


def main(folders: Sequence[str]) -> None:
    """Print a line a tree."""
    print(f"{'':<28}{'native, µs an entry':>24}{'reference':>24}{'ratio':>20}")
    for folder in folders or (tempfile.gettempdir(), "/dev/shm"):
        for directories, files in _SHAPES:
            with _handles(folder, directories=directories, files=files) as fds:
                label = f"{folder}, {directories:,} of {files:,}"
                print(f"{label:<28}{_row(fds, entries=directories * files)}")


def _row(fds: list[int], *, entries: int) -> str:
    rounds = [(_cost(list_natively, fds), _cost(reference.list_directory, fds)) for _ in range(_ROUNDS)]
    ratios = sorted(slow.seconds / fast.seconds for fast, slow in rounds)
    shown = []
    for costs in zip(*rounds, strict=True):
        whole = statistics.median(cost.seconds for cost in costs) / entries * 1e6
        user = statistics.fmean(cost.user_seconds for cost in costs) / entries * 1e6  # counted in ticks
        shown.append(f"{whole:.2f} (user {user:.2f})")
    ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    return f"{shown[0]:>24}{shown[1]:>24}{ratio:>20}"


def _cost(lists: Callable[[int], Listing], fds: list[int]) -> Cost:
    user, began = os.times().user, time.perf_counter()
    for fd in fds:
        lists(fd)
    return Cost(time.perf_counter() - began, os.times().user - user)


@contextlib.contextmanager
def _handles(folder: str, *, directories: int, files: int) -> Iterator[list[int]]:
    """Make a tree and give the handles of its directories."""
    with tempfile.TemporaryDirectory(dir=folder) as root, contextlib.ExitStack() as until_the_end:
        fds = []
        for number in range(directories):
            path = Path(root) / str(number)
            path.mkdir()
            fd = os.open(path, os.O_RDONLY)
            until_the_end.callback(os.close, fd)
            fds.append(fd)
            for file in range(files):
                os.mknod(f"file-{file * 7919 % files:06}.dat", dir_fd=fd)
        yield fds


if __name__ == "__main__":
    main(sys.argv[1:])

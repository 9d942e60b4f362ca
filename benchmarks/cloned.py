"""A large file where the file system shares blocks: `python -m benchmarks.cloned [--gib N] [--at DIRECTORY]`.

A file system of its own (XFS, in a file) is mounted for it, which takes root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import Asked, contenders
from benchmarks.report import Section, spread
from benchmarks.trees import build_big_file

_GIB = 1 << 30
_ROUNDS = 5
_MOST_SECONDS = 0.1  # more than a run over an empty tree: nothing of the file's length is done


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cloned", description=__doc__)
    parser.add_argument("--gib", type=int, default=4, metavar="N", help="size of the file")
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()), metavar="DIRECTORY")
    asked = parser.parse_args()
    found = section(asked.at.absolute(), gib=asked.gib)
    print(found.text)
    return 0 if found.is_met else 1


def section(workplace: Path, *, gib: int = 4) -> Section:
    """Copy a large file on a file system that clones, and an empty tree."""
    if os.geteuid() != 0 or shutil.which("mkfs.xfs") is None:
        return Section("Not measured: it takes root, and mkfs.xfs.\n", is_met=True)
    with _file_system(workplace, byte_count=(2 * gib + 1) * _GIB) as place:
        build_big_file(place / "big", size_bytes=gib * _GIB)
        (place / "nothing").mkdir()
        (program,) = contenders(place, Asked(peers=()))
        copied, empty = [], []
        for _ in range(_ROUNDS):
            copied.append(_seconds(program.command(place / "big", place / "to-big"), place / "to-big"))
            empty.append(_seconds(program.command(place / "nothing", place / "to-none"), place / "to-none"))
        subprocess.run(["cmp", place / "big/big.dat", place / "to-big/big.dat"], check=True)
    more = statistics.median(one - other for one, other in zip(copied, empty, strict=True))
    is_met = more <= _MOST_SECONDS
    verdict = "met" if is_met else "**not met**"
    return Section(
        f"One file of {gib} GiB within XFS: {spread(copied, digits=3)} s; "
        f"an empty tree: {spread(empty, digits=3)} s.\n\n"
        f"- The file takes {more:.3f} s, allowed are {_MOST_SECONDS} s: {verdict}.\n",
        is_met,
    )


@contextlib.contextmanager
def _file_system(workplace: Path, *, byte_count: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cloned-", dir=workplace) as folder:
        image, place = Path(folder, "image"), Path(folder, "mounted")
        with open(image, "wb") as file:
            file.truncate(byte_count)
        place.mkdir()
        subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)


def _seconds(command: list[str], destination: Path) -> float:
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir()
    begun_at = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun_at


if __name__ == "__main__":
    sys.exit(main())

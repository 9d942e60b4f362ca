"""Small files, many in one call: made in an open directory by C, where that is built.

It is only faster, and does what is plainly right alone: whatever it leaves is for the usual way
(`mirror/files.py`), which is the reference. Nobody can stand at the gate of `fsops` between its
system calls, so it serves only while that is open. `DIRSYNC_SMALL_FILES=python` does without it,
for tests and benchmarks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from dirsync.trees import fsops

try:
    from dirsync.trees.native import _small as native
except ImportError:  # no compiler, another system, or built for another one
    IS_BUILT = False
else:
    IS_BUILT = True

_VARIABLE = "DIRSYNC_SMALL_FILES"
_is_wanted = IS_BUILT and os.environ.get(_VARIABLE) != "python"
_RANDOM_BYTES = 8

# A file whose data came from elsewhere: name, data, mode, uid, gid, mtime_ns.
Arrived: TypeAlias = tuple[bytes, bytes, int, int, int, int]


class Making(NamedTuple):
    """How files are made; see `native/small.h`."""

    gives_owner: bool
    same_group: bool
    sets_mtime: bool
    attributes: bool
    sparse: bool
    bits: int
    most_bytes: int
    places: bool  # each gets its name at once; else it stays under its temporary one


class Made(NamedTuple):
    """What came of some files, one by one."""

    ended: Sequence[int]  # of the first, which were tried: 1: it is made; 0: it is for the usual way
    byte_count: int = 0  # that were written
    identities: Sequence[tuple[int, int]] = ()  # without `places`: device and inode of each
    temporaries: Sequence[bytes] = ()  # without `places`: the temporary name of each

    def among(self, numbers: Sequence[int], *, count: int) -> Made:
        """Say the same of `count` files, of which some, of those with the given numbers, were tried.

        Others before the last that was tried are for the usual way.
        """
        tried = len(self.ended)
        if tried < len(numbers):
            count = numbers[tried]
        if tried == count:
            return self
        ended = bytearray(count)
        identities = [(0, 0)] * count
        temporaries = [b""] * count
        for at, number in enumerate(numbers[:tried]):
            ended[number] = self.ended[at]
            if self.identities:
                identities[number], temporaries[number] = self.identities[at], self.temporaries[at]
        return Made(bytes(ended), self.byte_count, identities, temporaries)


def serves() -> bool:
    """Whether files can be made here, at this moment."""
    return _is_wanted and fsops.is_open()


def reads() -> bool:
    """Whether files can be read here."""
    return _is_wanted


def none_made(count: int) -> Made:
    """Leave all files for the usual way."""
    return Made(bytes(count))


def copy(making: Making, source: int, destination: int, names: Sequence[bytes]) -> Made:
    """Copy files from one open directory to another."""
    random = os.urandom(_RANDOM_BYTES * len(names))
    return _made(making, random, native.copy(making, source, destination, b"\0".join(names), random))


def write(making: Making, destination: int, files: Sequence[Arrived]) -> Made:
    """Write files to an open directory."""
    random = os.urandom(_RANDOM_BYTES * len(files))
    return _made(making, random, native.write(making, destination, tuple(files), random))


def _made(making: Making, random: bytes, told: tuple[bytes, int, list[tuple[int, int]]]) -> Made:
    return Made(*told) if making.places else Made(*told, fsops.temporary_names(random))


def place(destination: int, temporaries: Sequence[bytes], names: Sequence[bytes]) -> bytes:
    """Give files that are under their temporary names theirs, which are free; 1: it has it, 0: it is not."""
    return native.place(destination, b"\0".join(temporaries), b"\0".join(names), len(names))


def read(
    directory: int, names: Sequence[bytes], *, most_bytes: int, attributes: bool, room: int
) -> list[tuple[bytes, tuple[int, int, int, int, int, int, int, int, int, int]] | None]:
    """Read the first of some files of an open directory, until there are `room` bytes; None: it is left.

    The status is in the order of the wire's. `attributes`: a file that has any is left.
    """
    return native.read(directory, b"\0".join(names), len(names), most_bytes, attributes, room)

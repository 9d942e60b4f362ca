"""Files of one directory, many in one call of C where that is built: made if they are small, altered, linked.

It is only faster, and does what is plainly right alone: whatever it leaves is for the usual way
(`mirror/files.py`), which is the reference. Nobody can stand at the gate of `fsops` between its
system calls, so it serves only while that is open. `DIRSYNC_SMALL_FILES=python` does without it,
for tests and benchmarks.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from dirsync.model.entry import Entry
from dirsync.model.links import Identity
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
_EXPECTED = struct.Struct("<IqqqQQ")  # as `native/small.h` has it
_FREE = bytes(_EXPECTED.size)
_MODEL = struct.Struct("<QQQQ?qq")  # likewise
_WANTED = struct.Struct("<IIIq")  # likewise


class Read(NamedTuple):
    """What came of some files that were read, the first of those that were wanted."""

    ended: bytes  # of each: 1: it was read; 0: it is for the usual way
    rows: bytes  # of those that were read: their statuses, as `native/small.h` has them
    data: bytes  # theirs, one behind another


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
    names: bool = False  # a file with other names is made, too, and each file is told of; else it is left


class Made(NamedTuple):
    """What came of some files, one by one."""

    ended: bytes  # of the first, which were tried: 1: it is made; 0: it is for the usual way
    byte_count: int = 0  # that were written
    identities: Sequence[Identity] = ()  # without `places`, or with `names`: which each is
    origins: Sequence[Identity | None] = ()  # with `names`: what each was made of, if that has other names
    temporaries: Sequence[bytes] = ()  # without `places`: the temporary name of each


Olds: TypeAlias = Sequence[Entry | None]  # what each replaces, None: nothing; empty: all names are free


def serves() -> bool:
    """Whether files can be made here, at this moment."""
    return _is_wanted and fsops.is_open()


def reads() -> bool:
    """Whether files can be read here."""
    return _is_wanted


def none_made(count: int) -> Made:
    """Leave all files for the usual way."""
    return Made(bytes(count))


def none_read(count: int) -> Read:
    """Leave all files for the usual way."""
    return Read(bytes(count), b"", b"")


def copy(making: Making, source: int, destination: int, names: Sequence[bytes], *, olds: Olds = ()) -> Made:
    """Copy files from one open directory to another."""
    random = os.urandom(_RANDOM_BYTES * len(names))
    expected = _expected(olds)
    return _made(
        making, random, native.copy(making, source, destination, b"\0".join(names), random, expected)
    )


def write(
    making: Making,
    destination: int,
    names: Sequence[bytes],
    *,
    rows: bytes,
    data: bytes,
    start: int,
    olds: Olds = (),
) -> Made:
    """Write files to an open directory; `data` from `start` on are theirs, as `Read` has them."""
    random = os.urandom(_RANDOM_BYTES * len(names))
    expected = _expected(olds)
    made = native.write(making, destination, b"\0".join(names), rows, data, start, random, expected)
    return _made(making, random, made)


def may_be_expected(old: Entry) -> bool:
    """Whether a file can be replaced here: one with no other names, whose times a row can tell."""
    return stat.S_ISREG(old.mode) and old.nlink == 1 and is_told(old)


def is_told(entry: Entry) -> bool:
    """Whether an entry's mtime can be told to C."""
    return -(1 << 63) <= entry.mtime_ns < 1 << 63


def _expected(olds: Olds) -> bytes:
    return b"".join(
        _FREE
        if old is None
        else _EXPECTED.pack(old.mode, old.size, old.mtime_ns, old.ctime_ns, old.ino, old.dev)
        for old in olds
    )


def _made(
    making: Making, random: bytes, told: tuple[bytes, int, list[Identity], list[Identity | None]]
) -> Made:
    return Made(*told) if making.places else Made(*told, fsops.temporary_names(random))


def place(destination: int, temporaries: Sequence[bytes], names: Sequence[bytes]) -> bytes:
    """Give files that are under their temporary names theirs, which are free; 1: it has it, 0: it is not."""
    return native.place(destination, b"\0".join(temporaries), b"\0".join(names), len(names))


class Altering(NamedTuple):
    """How metadata are set; see `native/small.h`."""

    sets_mode: bool
    sets_mtime: bool
    attributes: bool


class ToAlter(NamedTuple):
    """A file or directory whose metadata are to be set."""

    name: bytes
    old: Entry | None  # what the file is; None: it is a directory, and whatever its times are by now
    uid: int
    gid: int
    mode: int  # permission bits
    mtime_ns: int


def alter(altering: Altering, source: int, destination: int, wanted: Sequence[ToAlter]) -> bytes:
    """Set the metadata of what is in an open directory: of the first, which were tried, 1: it is done.

    `source` is the directory of the source with the same names.
    """
    metadata = b"".join([_WANTED.pack(*each[2:]) for each in wanted])
    expected = _expected([each.old for each in wanted])
    names = b"\0".join([each.name for each in wanted])
    return native.alter(altering, source, destination, names, expected, metadata)


def may_be_altered(new: Entry, old: Entry) -> bool:
    """Whether a file's metadata can be set here: it has one name, and its times can be told."""
    return may_be_expected(old) and new.nlink == 1 and is_told(new)


class ToLink(NamedTuple):
    """A name that is to lead to a file of the destination, which has another by now."""

    name: bytes
    leading: bytes  # the name there is
    source: Identity  # the file that the name leads to in the source
    replica: Identity  # the file of the destination
    expected: Entry | None  # what the replica must still be in size and mtime; None: whatever it is


def link(source: int, leading: int, destination: int, wanted: Sequence[ToLink]) -> bytes:
    """Link names of one open directory to files in another: 1: it is linked, 0: it is for the usual way.

    Each name must be free. `source` is the directory of the source with the same names.
    """
    models = b"".join(_model(each) for each in wanted)
    names = b"\0".join([each.name for each in wanted])
    leaders = b"\0".join([each.leading for each in wanted])
    random = os.urandom(_RANDOM_BYTES * len(wanted))
    return native.link(source, leading, destination, names, leaders, models, random)


def may_be_linked(wanted: ToLink) -> bool:
    """Whether a name can be linked here: the times that the file must have can be told."""
    return wanted.expected is None or is_told(wanted.expected)


def _model(wanted: ToLink) -> bytes:
    entry = wanted.expected
    looks = (False, 0, 0) if entry is None else (True, entry.size, entry.mtime_ns)
    return _MODEL.pack(*wanted.source, *wanted.replica, *looks)


def read(directory: int, names: Sequence[bytes], *, most_bytes: int, attributes: bool, room: int) -> Read:
    """Read the first of some files of an open directory, until there are `room` bytes.

    `attributes`: a file that has any is left.
    """
    return Read(*native.read(directory, b"\0".join(names), len(names), most_bytes, attributes, room))

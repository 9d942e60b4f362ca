"""One directory as one scan saw it, in columns.

Two directories agree when the compared columns are equal: a few memory
compares, no Python per entry. Every column is little-endian and of fixed width,
so that any lister, in any language, can fill it and any machine can read it.
"""

from __future__ import annotations

import bisect
import stat
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, groupby, pairwise
from typing import NamedTuple, TypeAlias

from dirsync.model.entry import Entry

# 64 bits of nanoseconds since 1970 end in 2262. Counted from the earliest time that
# 32 bits of seconds can tell they reach 2486, all that ext4 and XFS can keep.
EPOCH_NS = -(2**31) * 10**9
_LATEST_NS = EPOCH_NS + 2**64 - 1

DIGEST_BYTES = 16

# 1 for each second byte of a mode that is a directory's, or a file's: its upper half names the kind.
_IS_DIRECTORY = bytes(byte >> 4 == stat.S_IFDIR >> 12 for byte in range(256))
_IS_FILE = bytes(byte >> 4 == stat.S_IFREG >> 12 for byte in range(256))
_ONE_NAME = (1).to_bytes(8, "little")

Runs: TypeAlias = Sequence[tuple[int, int]]  # rows: from one on, up to another; in order


WIDTHS = (4, 8, 8, 8, 4, 4, 8, 8, 8)  # bytes a row of each column, from the mode on


class Unknown(NamedTuple):
    """A name that was seen, but not what it is: neither present nor absent."""

    name: bytes
    reason: str


class Subdirectory(NamedTuple):
    """What a walk goes on by."""

    name: bytes
    ino: int
    device: int


class Listing(NamedTuple):
    """The sorted names of a directory, and a column for each attribute.

    `names` and `targets` are joined by NUL; `targets` holds the symlinks' only, in
    the order of their names. Directories have size 0.
    """

    names: bytes = b""
    mode: bytes = b""  # u32: type and permission bits
    size: bytes = b""  # i64: bytes
    mtime_ns: bytes = b""  # u64: nanoseconds since `EPOCH_NS`
    ctime_ns: bytes = b""  # i64: nanoseconds since 1970
    uid: bytes = b""  # u32
    gid: bytes = b""  # u32
    ino: bytes = b""  # u64
    dev: bytes = b""  # u64
    nlink: bytes = b""  # u64
    targets: bytes = b""
    unknown: tuple[Unknown, ...] = ()

    @property
    def entry_count(self) -> int:
        """How many entries were seen. (`len` of a tuple is its width.)"""
        return len(self.mode) // 4

    def name_list(self) -> list[bytes]:
        """Split the names."""
        return self.names.split(b"\0") if self.mode else []

    def digest(self, *, salt: bytes = b"") -> bytes | None:
        """Name in 16 bytes what a catalog records of the directory; None: something in it is unknown.

        `salt` is part of what is named. The device is not, for its number may change with a
        reboot, nor is how many names a file has.
        """
        from hashlib import blake2b  # takes long to load, and a sync job needs no digests

        if self.unknown:
            return None
        columns = (self.names, self.mode, self.size, self.mtime_ns, self.ctime_ns)
        more = (self.uid, self.gid, self.ino, self.targets, salt)
        return blake2b(b"".join((*columns, *more)), digest_size=DIGEST_BYTES).digest()

    def modes(self) -> array[int]:
        """Unpack the modes."""
        return numbers("I", self.mode)

    def ctimes_ns(self) -> array[int]:
        """Unpack the ctimes."""
        return numbers("q", self.ctime_ns)

    def devices(self) -> array[int]:
        """Unpack the device numbers."""
        return numbers("Q", self.dev)

    def directories(self) -> list[bytes]:
        """Give the names of the directories, in order."""
        marks = self._directory_marks()
        return list(compress(self.name_list(), marks)) if 1 in marks else []

    def subdirectories(self) -> Iterator[Subdirectory]:
        """Give the directories, in order."""
        marks = self._directory_marks()
        if 1 not in marks:
            return iter(())
        columns = (self.name_list(), numbers("Q", self.ino), numbers("Q", self.dev))
        return map(Subdirectory, *(compress(column, marks) for column in columns))

    def _directory_marks(self) -> bytes:
        """Give 1 for each row that is a directory, 0 for each other."""
        return self.mode[1::4].translate(_IS_DIRECTORY)

    def has_file(self, name: bytes) -> bool:
        """Whether a name is there, and is a regular file's."""
        if name not in self.names:
            return False
        names = self.name_list()
        row = bisect.bisect_left(names, name)
        return names[row : row + 1] == [name] and stat.S_ISREG(numbers("I", self.mode)[row])

    def plain_files(self) -> Runs:
        """Give the rows that are regular files with one name."""
        marks = self.mode[1::4].translate(_IS_FILE)
        if self.nlink != _ONE_NAME * self.entry_count:
            links = numbers("Q", self.nlink)
            marks = bytes(mark and count == 1 for mark, count in zip(marks, links, strict=True))
        return runs_of(marks)

    def rows(self, runs: Runs, *, targets: bytes = b"") -> Listing:
        """Give some rows; `targets` are those of the symlinks among them."""
        if list(runs) == [(0, self.entry_count)]:
            return self
        names = self.name_list()
        joined = b"\0".join([name for start, end in runs for name in names[start:end]])
        return Listing(names=joined, targets=targets, unknown=(), **self._fixed(runs))

    def cut(self, ends: Sequence[int]) -> Iterator[Listing]:
        """Give the rows in pieces, each up to the next of some ends; none may be a symlink's."""
        names = self.name_list()
        for start, end in pairwise([0, *ends]):
            yield Listing(names=b"\0".join(names[start:end]), unknown=(), **self._fixed([(start, end)]))

    def _fixed(self, runs: Runs) -> dict[str, bytes]:
        """Give some rows of the columns of numbers."""
        columns = (self.mode, self.size, self.mtime_ns, self.ctime_ns, self.uid, self.gid)
        more = (self.ino, self.dev, self.nlink)
        return {
            name: b"".join([column[start * width : end * width] for start, end in runs])
            for name, column, width in zip(_FIXED, (*columns, *more), WIDTHS, strict=True)
        }

    def entries(self, parent: bytes) -> list[Entry]:
        """Make an `Entry` of each row; `parent` is the path of this directory."""
        modes = numbers("I", self.mode)
        prefix = parent + b"/" if parent else b""
        return list(
            map(
                Entry,
                [prefix + name for name in self.name_list()],
                modes,
                numbers("q", self.size),
                [stamp + EPOCH_NS for stamp in numbers("Q", self.mtime_ns)],
                numbers("q", self.ctime_ns),
                numbers("I", self.uid),
                numbers("I", self.gid),
                numbers("Q", self.ino),
                numbers("Q", self.dev),
                numbers("Q", self.nlink),
                self.target_of_each(),
            )
        )

    def target_of_each(self) -> Iterator[bytes | None]:
        """Give where each entry points; None: it is no symlink."""
        if not self.targets:
            return iter([None] * self.entry_count)
        return self._target_of_each(self.modes())

    def _target_of_each(self, modes: array[int]) -> Iterator[bytes | None]:
        targets = iter(self.targets.split(b"\0"))
        return (next(targets) if mode & 0o170000 == stat.S_IFLNK else None for mode in modes)


_FIXED = Listing._fields[1 : 1 + len(WIDTHS)]


def runs_of(marks: bytes) -> Runs:
    """Give the rows whose mark is not 0."""
    if marks and 0 not in marks:
        return [(0, len(marks))]
    found, at = [], 0
    for is_marked, some in groupby(marks, bool):
        end = at + len(list(some))
        if is_marked:
            found.append((at, end))
        at = end
    return found


def other_runs(runs: Runs, *, count: int) -> Runs:
    """Give the rows of so many that are not in some runs."""
    ends = [0, *(end for _, end in runs)]
    starts = [*(start for start, _ in runs), count]
    return [(end, start) for end, start in zip(ends, starts, strict=True) if end < start]


def listing_of(entries: Sequence[Entry], *, unknown: Sequence[Unknown] = ()) -> Listing:
    """Make a listing of entries that lie in one directory, in order; their paths are names."""
    return Listing(
        names=b"\0".join(entry.path for entry in entries),
        mode=column("I", (entry.mode for entry in entries)),
        size=column("q", (entry.size for entry in entries)),
        mtime_ns=mtime_column(entry.mtime_ns for entry in entries),
        ctime_ns=ctime_column(entry.ctime_ns for entry in entries),
        uid=column("I", (entry.uid for entry in entries)),
        gid=column("I", (entry.gid for entry in entries)),
        ino=column("Q", (entry.ino for entry in entries)),
        dev=column("Q", (entry.dev for entry in entries)),
        nlink=column("Q", (entry.nlink for entry in entries)),
        targets=b"\0".join(entry.target for entry in entries if entry.target is not None),
        unknown=tuple(unknown),
    )


def column(typecode: str, values: Iterable[int]) -> bytes:
    """Pack numbers into a column; `typecode` as in the `array` module."""
    packed = array(typecode, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def mtime_column(mtimes_ns: Iterable[int]) -> bytes:
    """Pack nanoseconds since 1970; a time before 1901 or after 2486 becomes the nearest of these."""
    stamps = [mtime_ns - EPOCH_NS for mtime_ns in mtimes_ns]
    try:
        return column("Q", stamps)
    except OverflowError:
        return column("Q", [min(max(stamp, 0), _LATEST_NS - EPOCH_NS) for stamp in stamps])


def ctime_column(ctimes_ns: Iterable[int]) -> bytes:
    """Pack nanoseconds since 1970; a time before 1677 or after 2262 becomes the nearest of these."""
    stamps = list(ctimes_ns)
    try:
        return column("q", stamps)
    except OverflowError:
        return column("q", [min(max(stamp, -(2**63)), 2**63 - 1) for stamp in stamps])


def numbers(typecode: str, packed: bytes) -> array[int]:
    """Unpack a column."""
    values: array[int] = array(typecode)
    values.frombytes(packed)
    if sys.byteorder == "big":
        values.byteswap()
    return values

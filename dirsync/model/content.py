"""What the content of a file is: by what the kernel says of it, and by its hash."""

from __future__ import annotations

import enum
from typing import NamedTuple

from dirsync.model.entry import Entry


class Stamp(NamedTuple):
    """One file at one time, as far as the kernel tells: who edits the file changes its ctime at least."""

    path: bytes
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, entry: Entry) -> Stamp:
        """Take it from an entry."""
        return cls(entry.path, entry.size, entry.mtime_ns, entry.ctime_ns)


class Hashed(NamedTuple):
    """A file of the source whose content was hashed while it bore a stamp, and its replica's."""

    stamp: Stamp
    hash: bytes
    replica_hash: bytes


class Soundness(enum.Enum):
    """What the hashes of a file, of its replica and of the record say together."""

    SOUND = "sound"
    DIFFERENT = "different"  # and no record tells which of the two is right
    REPLICA_ROTTED = "replica rotted"  # the source is as on record
    SOURCE_ROTTED = "source rotted"  # the replica is as on record
    ROTTED = "rotted"  # of a file that has no replica: it is not as on record
    BOTH_ROTTED = "both rotted"  # neither is as on record


def judged(*, source: bytes, replica: bytes, on_record: bytes | None) -> Soundness:
    """Judge three hashes; `on_record` is that of the same stamp, None: there is none."""
    if source == replica and on_record in (None, source):
        return Soundness.SOUND
    if on_record is None:
        return Soundness.DIFFERENT
    if source == on_record:
        return Soundness.REPLICA_ROTTED
    return Soundness.SOURCE_ROTTED if replica == on_record else Soundness.BOTH_ROTTED

"""What is believed of another end: names that are single components, numbers in their bounds.

The other end may be broken, or hostile. Nothing it says is sorted, joined or opened before
it went through here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

from dirsync.model.entry import Entry
from dirsync.model.listing import DIGEST_BYTES, WIDTHS, Listing, Unknown, numbers
from dirsync.wire.asks import Listed, Seen, Status, Surveyed, Unseen
from dirsync.wire.frames import ProtocolError

_COLUMNS = Listing._fields[:-1]
_LONGEST_NAME = 255
_LONGEST_TARGET = 4095
_LONGEST_TEXT = 1_000
_MOST_ENTRIES = 2**48
_LARGEST = 2**63 - 1
_32_BITS = 2**32 - 1
_64_BITS = 2**64 - 1
_EARLIEST, _LATEST = -(2**70), 2**70  # nanoseconds since 1970
_KINDS = frozenset(
    {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK}
)


def check_name(name: bytes) -> None:
    """Check that a name is a single component.

    Raises:
        ProtocolError: it is not.
    """
    if not name or len(name) > _LONGEST_NAME or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise ProtocolError(f"{name[:80]!r} is not the name of an entry")


def check_names(names: bytes) -> None:
    """Check that each of some names, joined by NUL, is a single component.

    Raises:
        ProtocolError: one is not.
    """
    each = names.split(b"\0")
    if b"/" in names or b"." in each or b".." in each or min(map(len, each)) == 0:
        raise ProtocolError("a name that no entry has")
    if max(map(len, each)) > _LONGEST_NAME:
        raise ProtocolError("a name that is too long for any entry")


def check_path(path: bytes) -> None:
    """Check that a path leads nowhere but down from its root; b"" is the root.

    Raises:
        ProtocolError: it is absolute, or holds `..` or the like.
    """
    if path:
        for name in path.split(b"/"):
            check_name(name)


def listing_of(listed: Listed) -> Listing:
    """Give a listing that another end sent.

    Raises:
        ProtocolError: its columns are of different lengths; or names are no names, out of order, or
            there twice; or a number is none that a file has.
    """
    columns = listed.columns
    if len(columns) != len(WIDTHS) + 2:
        raise ProtocolError(f"a listing of {len(columns)} columns")
    names, *fixed, _ = columns
    rows = len(fixed[0]) // WIDTHS[0]
    if any(len(column) != rows * width for column, width in zip(fixed, WIDTHS, strict=True)):
        raise ProtocolError("a listing whose columns are of different lengths")
    _check_names(names.split(b"\0") if rows else [], rows, listed.unknown)
    if rows == 0 and names:
        raise ProtocolError("a listing whose columns are of different lengths")
    unknown = tuple(Unknown(*each) for each in listed.unknown)
    listing = Listing(**dict(zip(_COLUMNS, columns, strict=True)), unknown=unknown)
    _check_rows(listing)
    return listing


def _check_names(names: list[bytes], rows: int, unknown: list[tuple[bytes, str]]) -> None:
    if len(names) != rows:
        raise ProtocolError(f"a listing of {rows} rows and {len(names)} names")
    joined = b"/".join(names)
    if joined.count(b"/") != max(rows - 1, 0) or not _are_sorted(names):
        raise ProtocolError("a listing whose names are not in order, or no names")
    if rows and (min(map(len, names)) == 0 or max(map(len, names)) > _LONGEST_NAME):
        raise ProtocolError("a listing with a name that is too short or too long")
    if b"." in names or b".." in names:
        raise ProtocolError("a listing that holds . or ..")
    seen = set(names)
    for name, _ in unknown:
        check_name(name)
        if name in seen:
            raise ProtocolError(f"{name[:80]!r} is listed twice")
        seen.add(name)


def _are_sorted(names: list[bytes]) -> bool:
    return all(map(bytes.__lt__, names, names[1:]))


def _check_rows(listing: Listing) -> None:
    modes = numbers("I", listing.mode)
    kinds = list(map(stat.S_IFMT, modes))
    if not _KINDS.issuperset(kinds):
        raise ProtocolError("a listing with a mode that no file has")
    sizes = numbers("q", listing.size)
    if sizes and min(sizes) < 0:
        raise ProtocolError("a listing with a size below zero")
    if any(size for size, kind in zip(sizes, kinds, strict=True) if kind == stat.S_IFDIR):
        raise ProtocolError("a listing with a directory that has a size")
    links = kinds.count(stat.S_IFLNK)
    targets = listing.targets.split(b"\0") if listing.targets or links else []
    if len(targets) != links or not all(0 < len(target) <= _LONGEST_TARGET for target in targets):
        raise ProtocolError("a listing whose symlinks and targets do not agree")


def check_status(status: Status) -> None:
    """Check the numbers of an object.

    Raises:
        ProtocolError: one is none that a file has.
    """
    if not (
        0 <= status.size <= _LARGEST
        and _EARLIEST <= status.mtime_ns <= _LATEST
        and _EARLIEST <= status.ctime_ns <= _LATEST
        and 0 <= status.uid <= _32_BITS
        and 0 <= status.gid <= _32_BITS
        and 0 <= status.ino <= _64_BITS
        and 0 <= status.dev <= _64_BITS
        and 0 <= status.nlink <= _64_BITS
        and 0 <= status.blocks <= _LARGEST
        and 0 <= status.mode <= _32_BITS
    ):
        raise ProtocolError("an object with a number that no file has")
    if stat.S_IFMT(status.mode) not in _KINDS:
        raise ProtocolError(f"a mode that no file has: {status.mode:o}")


def check_surveyed(surveyed: Surveyed) -> None:
    """Check what another end says of a directory it surveyed.

    Raises:
        ProtocolError: its digests or its numbers are none.
    """
    digests = [digest for digest in (surveyed.own, surveyed.whole) if digest is not None]
    if any(len(digest) != DIGEST_BYTES for digest in digests):
        raise ProtocolError("a digest of a length that none has")
    if not 0 <= surveyed.rows <= surveyed.entries <= _MOST_ENTRIES:
        raise ProtocolError("a directory with more entries than any has")


def entry_of(path: bytes, status: Status, target: bytes | None) -> Entry:
    """Make an entry of what another end sent.

    Raises:
        ProtocolError: its numbers or its target are none that an object has.
    """
    check_status(status)
    is_link = stat.S_ISLNK(status.mode)
    if is_link != (target is not None) or (target is not None and not _is_target(target)):
        raise ProtocolError(f"a symlink without a target, or a target without one: {path[:80]!r}")
    size = 0 if stat.S_ISDIR(status.mode) else status.size
    return Entry(
        path,
        status.mode,
        size,
        status.mtime_ns,
        status.ctime_ns,
        status.uid,
        status.gid,
        status.ino,
        status.dev,
        status.nlink,
        target,
    )


def _is_target(target: bytes) -> bool:
    return 0 < len(target) <= _LONGEST_TARGET and b"\0" not in target


def error_of(unseen: Unseen) -> OSError:
    """Make the error that the other end met; one of an unknown name is an EIO."""
    number = getattr(errno, unseen.error, errno.EIO) if unseen.error.startswith("E") else errno.EIO
    return OSError(number, one_line(unseen.reason) or os.strerror(number))


def one_line(text: str) -> str:
    """Give what another end says as one line that does nothing to a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text[:_LONGEST_TEXT])


def sent_attributes(attributes: Mapping[str, bytes]) -> dict[bytes, bytes]:
    """Put extended attributes into a message: their names are bytes, as those of files are."""
    return {os.fsencode(name): value for name, value in attributes.items()}


def believed_attributes(attributes: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """Give extended attributes that another end sent, but for those whose names are none."""
    return {
        os.fsdecode(name): value
        for name, value in attributes.items()
        if 0 < len(name) <= _LONGEST_NAME and b"\0" not in name
    }


def unseen_of(path: bytes, error: OSError) -> Unseen:
    """Say of a path what went wrong."""
    name = errno.errorcode.get(error.errno or 0, "EIO")
    return Unseen(path=path, error=name, reason=error.strerror or str(error) or "cannot be read")


def seen_of(entry: Entry) -> Seen:
    """Put an entry into a message."""
    status = Status(
        entry.mode,
        entry.size,
        entry.mtime_ns,
        entry.ctime_ns,
        entry.uid,
        entry.gid,
        entry.ino,
        entry.dev,
        entry.nlink,
    )
    return Seen(path=entry.path, status=status, target=entry.target)


def status_of(status: os.stat_result) -> Status:
    """Put what `stat` said into a message."""
    return Status(
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_uid,
        status.st_gid,
        status.st_ino,
        status.st_dev,
        status.st_nlink,
        getattr(status, "st_blocks", 0),
    )


def stat_of(status: Status) -> os.stat_result:
    """Give what another end's `stat` said, as this machine's would.

    Raises:
        ProtocolError: a number is none that a file has.
    """
    check_status(status)
    seconds = [ns // 10**9 for ns in (status.mtime_ns, status.mtime_ns, status.ctime_ns)]
    ten = (status.mode, status.ino, status.dev, status.nlink, status.uid, status.gid, status.size, *seconds)
    times = [ns / 1e9 for ns in (status.mtime_ns, status.mtime_ns, status.ctime_ns)]
    more = (*times, status.mtime_ns, status.mtime_ns, status.ctime_ns, 4096, status.blocks, 0)
    return os.stat_result((*ten, *more))

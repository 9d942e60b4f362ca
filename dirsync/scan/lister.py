"""List an open directory into columns: the reference, in plain Python.

Cost: one `getdents64` a few hundred entries, one `fstatat` an entry, one
`readlinkat` a symlink. Names never leave the directory's handle, so nothing is
resolved twice and no depth is too deep. `native/` does the same in C, and has to give
the same Listings; `chosen.py` says which of the two serves.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence
from operator import attrgetter

from dirsync.model.listing import Listing, Unknown, column, ctime_column, mtime_column

ATTEMPTS_WHILE_NAMES_VANISH = 3

_name = attrgetter("name")
_times = attrgetter("st_mtime_ns", "st_ctime_ns")
_KIND = 0o170000  # the bits of a mode that name the kind
_ENCODING = sys.getfilesystemencoding()


def list_directory(fd: int) -> Listing:
    """List the directory behind a handle.

    A name that vanishes while the directory is listed may have been renamed to one
    that the listing missed, so the directory is listed again; one whose attributes
    still cannot be read becomes `Listing.unknown`.

    Raises:
        OSError: the directory could not be read to its end.
    """
    for _ in range(ATTEMPTS_WHILE_NAMES_VANISH):
        listing, vanished = _list_once(fd)
        if not vanished:
            break
    return listing


def _list_once(fd: int) -> tuple[Listing, bool]:
    with os.scandir(fd) as found:
        entries = _sorted_by_bytes(list(found))
    try:
        stats = [entry.stat(follow_symlinks=False) for entry in entries]
        return _columns(fd, entries, stats), False
    except OSError:
        return _list_what_can_be_seen(fd, entries)


def _sorted_by_bytes(entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Sort by the names' bytes; code points agree with that but for escaped bytes."""
    entries.sort(key=_name)
    if not "".join(map(_name, entries)).isascii():
        entries.sort(key=lambda entry: os.fsencode(entry.name))
    return entries


def _columns(
    fd: int,
    entries: Sequence[os.DirEntry[str]],
    stats: Sequence[os.stat_result],
    unknown: tuple[Unknown, ...] = (),
) -> Listing:
    if not stats:
        return Listing(unknown=unknown)
    modes, inos, devs, nlinks, uids, gids, sizes, *_ = zip(*stats, strict=True)
    mtimes_ns, ctimes_ns = zip(*map(_times, stats), strict=True)
    kinds = [mode & _KIND for mode in modes]
    if stat.S_IFDIR in kinds:
        sizes = tuple(0 if kind == stat.S_IFDIR else size for kind, size in zip(kinds, sizes, strict=True))
    links: list[str] = []
    if stat.S_IFLNK in kinds:
        links = [e.name for e, kind in zip(entries, kinds, strict=True) if kind == stat.S_IFLNK]
    return Listing(
        names="\0".join(map(_name, entries)).encode(_ENCODING, "surrogateescape"),
        mode=column("I", modes),
        size=column("q", sizes),
        mtime_ns=mtime_column(mtimes_ns),
        ctime_ns=ctime_column(ctimes_ns),
        uid=column("I", uids),
        gid=column("I", gids),
        ino=column("Q", inos),
        dev=column("Q", devs),
        nlink=column("Q", nlinks),
        targets=b"\0".join([os.readlink(os.fsencode(name), dir_fd=fd) for name in links]),
        unknown=unknown,
    )


def _list_what_can_be_seen(fd: int, entries: Sequence[os.DirEntry[str]]) -> tuple[Listing, bool]:
    """List entry by entry, after one of them failed; tell whether any had vanished."""
    seen: list[os.DirEntry[str]] = []
    stats: list[os.stat_result] = []
    unknown: list[Unknown] = []
    vanished = False
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                os.readlink(entry.name, dir_fd=fd)
        except OSError as error:
            vanished |= error.errno in (errno.ENOENT, errno.EINVAL)
            unknown.append(Unknown(os.fsencode(entry.name), _reason(error)))
        else:
            seen.append(entry)
            stats.append(status)
    try:
        return _columns(fd, seen, stats, tuple(unknown)), vanished
    except OSError as error:  # a symlink that vanished since: nothing here is certain
        everything = tuple(Unknown(os.fsencode(entry.name), _reason(error)) for entry in entries)
        return Listing(unknown=everything), True


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "vanished while its directory was listed"
    return f"could not be seen: {error.strerror}"

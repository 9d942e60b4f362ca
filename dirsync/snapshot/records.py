"""Headers, entries and failures as values of JSON, and back; what is read is checked."""

from __future__ import annotations

import datetime
import json
import operator
import stat
from collections.abc import Mapping
from typing import Any

from dirsync.model.change import Failure
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import HashAlgorithm
from dirsync.model.names import escaped, fields_of, from_fields
from dirsync.model.snapshot import Seen, SnapshotHeader

VERSION = 1

Fields = dict[str, object]

json_text = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

_NO_NAMES = frozenset({b"", b".", b".."})
_HASH_BYTES = 32  # of either algorithm
_FILE, _DIRECTORY, _SYMLINK = Kind.FILE.value, Kind.DIRECTORY.value, Kind.SYMLINK.value
_TYPE_BITS = {
    _FILE: stat.S_IFREG,
    _DIRECTORY: stat.S_IFDIR,
    _SYMLINK: stat.S_IFLNK,
    Kind.SPECIAL.value: stat.S_IFIFO,  # which of the special ones is not told
}
_NUMBERS = ("size", "mtime_ns", "mode", "uid", "gid")
_numbers = operator.itemgetter(*_NUMBERS)
_LARGEST_ID = 2**32 - 1
_LARGEST_SIZE = 2**63 - 1
_FARTHEST_NS = 2**63 * 10**9  # 64 bits of seconds


def written_header(header: SnapshotHeader) -> Fields:
    """Write what stands before the entries."""
    taken_at = header.taken_at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return {
        "version": VERSION,
        **fields_of("root", header.root),
        "taken_at": taken_at.replace("+00:00", "Z"),
        "algorithm": None if header.algorithm is None else header.algorithm.value,
    }


def entry_line(seen: Seen) -> str:
    """Write one entry as JSON; by hand, for it is done by the million."""
    entry = seen.entry
    target = '"link_target":null' if entry.target is None else _named("link_target", entry.target)
    content = "null" if seen.hash is None else f'"{seen.hash.hex()}"'
    return (
        f'{{{_named("path", entry.path)},"kind":"{entry.kind.value}","size":{entry.size},'
        f'"mtime_ns":{entry.mtime_ns},"mode":{entry.permissions},"uid":{entry.uid},"gid":{entry.gid},'
        f'{target},"hash":{content}}}'
    )


def _named(key: str, path: bytes) -> str:
    return ",".join(f'"{name}":{json_text(value)}' for name, value in fields_of(key, path).items())


def written_failure(failure: Failure) -> Fields:
    """Write one path that could not be seen; the root is `.`."""
    return {**fields_of("path", failure.path or b"."), "reason": failure.reason}


def read_header(record: object) -> SnapshotHeader:
    """Read what stands before the entries.

    Raises:
        ValueError: it is no snapshot's, or a later version's.
    """
    fields = _mapping(record)
    version = fields.get("version")
    if type(version) is not int or version < 1:
        raise ValueError("it is no snapshot: it has no 'version'")
    if version > VERSION:
        raise ValueError(
            f"it is a snapshot of version {version}, made by a later dirsync; this one reads {VERSION}"
        )
    return SnapshotHeader(
        root=from_fields(fields, "root"),
        taken_at=_moment(_value(fields, "taken_at")),
        algorithm=_algorithm(_value(fields, "algorithm")),
    )


def _moment(value: object) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("'taken_at' is no moment; it is written as 2026-11-21T12:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _algorithm(value: object) -> HashAlgorithm | None:
    if value is None:
        return None
    for algorithm in HashAlgorithm:
        if value == algorithm.value:
            return algorithm
    raise ValueError("'algorithm' is neither null nor a hash that is known; it may be 'blake3'")


def read_entry(record: object, *, algorithm: HashAlgorithm | None) -> Seen:
    """Read one entry, as far as a snapshot tells: it has no ctime, inode or device.

    Raises:
        ValueError: it is none.
    """
    fields = _mapping(record)
    kind = _value(fields, "kind")
    if not isinstance(kind, str) or kind not in _TYPE_BITS:
        raise ValueError(f"'kind' is none of {', '.join(_TYPE_BITS)}")
    size, mtime_ns, mode, uid, gid = _checked_numbers(fields)
    path = _checked_path(from_fields(fields, "path"))
    mode = _TYPE_BITS[kind] | mode & 0o7777
    if kind == _DIRECTORY:
        size = 0
    entry = Entry(path, mode, size, mtime_ns, 0, uid, gid, 0, 0, 1, _target(fields, kind))
    return Seen(entry, _hash(_value(fields, "hash"), may_be=algorithm is not None and kind == _FILE))


def _target(fields: Mapping[str, Any], kind: str) -> bytes | None:
    if kind == _SYMLINK:
        return from_fields(fields, "link_target")
    if fields.get("link_target") is not None:
        raise ValueError("'link_target' belongs to a symlink")
    return None


def _hash(value: object, *, may_be: bool) -> bytes | None:
    if value is None:
        return None
    if not may_be:
        raise ValueError("'hash' belongs to a file of a snapshot with an 'algorithm'")
    try:
        content = bytes.fromhex(value if isinstance(value, str) else "")
    except ValueError:
        content = b""
    if len(content) != _HASH_BYTES:
        raise ValueError(f"'hash' is not {2 * _HASH_BYTES} hexadecimal digits")
    return content


def read_failure(record: object) -> Failure:
    """Read one path that could not be seen.

    Raises:
        ValueError: it is none.
    """
    fields = _mapping(record)
    path = from_fields(fields, "path")
    reason = _value(fields, "reason")
    if not isinstance(reason, str):
        raise ValueError("'reason' is no text")
    printable = reason if reason.isprintable() else escaped(reason)  # it is shown as it is
    return Failure(b"" if path == b"." else _checked_path(path), printable)


def _checked_path(path: bytes) -> bytes:
    """Give a path that is relative and leads nowhere else.

    Raises:
        ValueError: it is not.
    """
    if b"\0" in path or not _NO_NAMES.isdisjoint(path.split(b"/")):
        raise ValueError("'path' is not relative to the root")
    return path


def _mapping(record: object) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise ValueError("it is no object of JSON")
    return record


def _value(fields: Mapping[str, Any], key: str) -> object:
    if key not in fields:
        raise ValueError(f"'{key}' is missing")
    return fields[key]


def _checked_numbers(fields: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """Give size, mtime, mode, user and group."""
    try:
        size, mtime_ns, mode, uid, gid = numbers = _numbers(fields)
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    for key, number in zip(_NUMBERS, numbers, strict=True):
        if type(number) is not int:
            raise ValueError(f"'{key}' is no whole number")
    if not 0 <= size <= _LARGEST_SIZE or not -_FARTHEST_NS <= mtime_ns <= _FARTHEST_NS:
        raise ValueError("'size' or 'mtime_ns' is out of range")
    if not 0 <= mode | uid | gid <= _LARGEST_ID:  # one negative makes all of it negative
        raise ValueError("'mode', 'uid' or 'gid' is out of range")
    return size, mtime_ns, mode, uid, gid

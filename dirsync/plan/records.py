"""Steps of a plan as plain values of JSON, and back; nothing that is read is ever executed.

What a step is made of says how it is written: a tuple as a list of its fields, an enum
by its member's name, bytes percent-encoded. `FIELDS` names it all, so that a record of
another version is told apart before any of it is read.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from dirsync.model.change import Change, ChangeKind, Failure, Leader
from dirsync.model.entry import Entry
from dirsync.model.names import percent_encoded
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import RESERVED

_NO_NAMES = frozenset({b"", b".", b".."})


class _Codec(Struct, frozen=True, kw_only=True):
    """How values of one type are written and read; `read` raises ValueError for any other."""

    write: Callable[[Any], object]
    read: Callable[[Any], Any]


def written_operation(operation: Operation) -> object:
    """Write one step."""
    return _OPERATION.write(operation)


def read_operation(record: object) -> Operation:
    """Read one step.

    Raises:
        ValueError: it is none, or it leads out of the tree.
    """
    operation: Operation = _OPERATION.read(record)
    _check_change(operation.change)
    _check_leader(operation)
    return operation


def _check_change(change: Change) -> None:
    """Check that a change has the entry its kind cannot do without, and names one path unless it moves."""
    old, new = change.old, change.new
    if (old if change.kind is ChangeKind.DELETED else new) is None:
        raise ValueError("a change without its entry")
    for entry in (old, new):
        if entry is not None:
            _check_path(entry.path)
    if change.kind is not ChangeKind.MOVED and old is not None and new is not None and old.path != new.path:
        raise ValueError("a change of two paths")


def _check_leader(operation: Operation) -> None:
    """Check that a step that links names a path to link to, and no other step does."""
    leader = operation.change.leader
    if (operation.phase is Phase.LINK) != (leader is not None):
        raise ValueError("a link without what it leads to")
    if leader is not None:
        _check_path(leader.path)
        if leader.entry is not None and leader.entry.path != leader.path:
            raise ValueError("a link to two paths")


def _check_path(path: bytes) -> None:
    names = path.split(b"/")
    if path and (_NO_NAMES.intersection(names) or b"\0" in path or names[0] == RESERVED):
        raise ValueError("a path that leads out of the tree")


def written_failure(failure: Failure) -> object:
    """Write a path that was given up."""
    return _FAILURE.write(failure)


def read_failure(record: object) -> Failure:
    """Read a path that was given up.

    Raises:
        ValueError: it is none.
    """
    failure: Failure = _FAILURE.read(record)
    return failure


def _codec(kind: Any) -> _Codec:
    """Make the codec of a type that fields of steps have."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _optional(_codec(inner))
    if origin in (frozenset, tuple):
        return _collection(origin, _codec(arguments[0]))
    if kind is bytes:
        return _Codec(write=percent_encoded, read=_read_bytes)
    if kind in (int, bool, str):
        return _Codec(write=lambda value: value, read=lambda value: _checked(value, kind))
    if issubclass(kind, enum.Enum):
        return _Codec(write=lambda member: member.name, read=lambda name: _member(kind, name))
    return _named_tuple(kind)


def _optional(inner: _Codec) -> _Codec:
    return _Codec(
        write=lambda value: None if value is None else inner.write(value),
        read=lambda value: None if value is None else inner.read(value),
    )


def _collection(kind: Any, inner: _Codec) -> _Codec:
    in_order: Callable[[Any], Any] = sorted if kind is frozenset else list
    return _Codec(
        write=lambda values: in_order([inner.write(value) for value in values]),
        read=lambda values: kind([inner.read(value) for value in _checked(values, list)]),
    )


def _named_tuple(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    codecs = [_codec(hints[name]) for name in kind._fields]

    def read(values: Any) -> Any:
        fields = zip(codecs, _checked(values, list), strict=True)
        return kind(*[codec.read(value) for codec, value in fields])

    return _Codec(
        write=lambda value: [codec.write(item) for codec, item in zip(codecs, value, strict=True)], read=read
    )


def _checked(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {type(value).__name__} for a {kind.__name__}")
    return value


def _read_bytes(value: Any) -> bytes:
    from urllib.parse import unquote_to_bytes  # takes long to load, and few plans are held

    return unquote_to_bytes(_checked(value, str))


def _member(kind: type[enum.Enum], name: Any) -> enum.Enum:
    try:
        return kind[_checked(name, str)]
    except KeyError:
        raise ValueError(f"no {kind.__name__} is called '{name}'") from None


_OPERATION = _codec(Operation)
_FAILURE = _codec(Failure)
FIELDS: dict[str, list[str]] = {
    kind.__name__: list(kind._fields) for kind in (Operation, Change, Leader, Entry, Failure)
}

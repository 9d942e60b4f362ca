"""Carrying extended attributes and ACLs over: a replica gets exactly those of its source.

They are read before anything is changed, so that what cannot be read is known in time,
and set after owner and mode: a change of owner clears a program's capabilities, a change
of mode alters an ACL.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from dirsync.errors import PathError, TransientError
from dirsync.mirror.lost import Lost
from dirsync.model.attributes import Namespace, namespace_of
from dirsync.trees import attributes, fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.source import Attributed

_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_PRIVILEGED = frozenset({Namespace.TRUSTED, Namespace.SECURITY, Namespace.CAPABILITY})


class AttributeCarrier:
    """Reads attributes from the source and sets them at the destination."""

    def __init__(self, *, carried: frozenset[Namespace], settable: frozenset[Namespace], lost: Lost) -> None:
        """Carry over the attributes of some namespaces, as far as they are settable there."""
        self._carried = carried if settable else frozenset()
        self._settable = settable
        self._lost = lost

    def read(self, source: Attributed, path: bytes) -> dict[str, bytes]:
        """Give what the source's object has and the destination can be given; note the rest.

        Raises:
            TransientError: one was removed while they were read.
            PathError: something cannot be read.
        """
        if not self._carried:
            return {}
        try:
            found = source.attributes(self._carried)
        except OSError as error:
            kind = TransientError if error.errno == errno.ENODATA else PathError
            raise kind(path, f"its extended attributes cannot be read: {error.strerror}") from error
        return {name: value for name, value in found.items() if self._is_settable(name, path)}

    def _is_settable(self, name: str, path: bytes) -> bool:
        namespace = namespace_of(name)
        if namespace in self._settable:
            return True
        if namespace in _PRIVILEGED:  # a file system without the others was spoken of before
            self._lost.note(_called(name), path)
        return False

    def give(self, wanted: dict[str, bytes], bearer: Bearer, path: bytes, *, mode: int) -> None:
        """Give an object exactly these attributes; `mode` are its permission bits.

        Raises:
            PathError: one of them cannot be set.
        """
        if not self._carried:
            return
        there = attributes.names(bearer, self._settable & self._carried)
        surplus = there - wanted.keys()
        missing = {
            name: value
            for name, value in wanted.items()
            if name not in there or attributes.value(bearer, name) != value
        }
        if surplus or missing:
            with _writable(bearer, mode=mode):
                for name in surplus:
                    self._change(bearer, name, None, path)
                for name, value in missing.items():
                    self._change(bearer, name, value, path)

    def _change(self, bearer: Bearer, name: str, value: bytes | None, path: bytes) -> None:
        """Set one attribute, or remove it."""
        try:
            _set(bearer, name, value) if value is not None else _remove(bearer, name)
        except OSError as error:
            refused = error.errno == errno.EPERM and namespace_of(name) in _PRIVILEGED
            if not refused and error.errno not in _UNSUPPORTED:
                raise PathError(path, f"its attribute '{name}' cannot be set: {error.strerror}") from error
            self._lost.note(_called(name), path)


@contextlib.contextmanager
def _writable(bearer: Bearer, *, mode: int) -> Iterator[None]:
    """Let the owner write to an object for as long as the block runs: attributes ask for it, but of root."""
    if mode & stat.S_IWUSR or os.geteuid() == 0:
        yield
        return
    _set_mode(bearer, mode | stat.S_IWUSR)
    try:
        yield
    finally:
        _set_mode(bearer, mode)


def _set_mode(bearer: Bearer, mode: int) -> None:
    if bearer.name is None:
        fsops.set_mode_of_handle(bearer.handle, mode=mode)
    else:
        fsops.set_mode(bearer.handle, bearer.name, mode=mode)


def _set(bearer: Bearer, name: str, value: bytes) -> None:
    if bearer.name is None:
        fsops.set_xattr_of_handle(bearer.handle, attribute=name, value=value)
    else:
        fsops.set_xattr(bearer.handle, bearer.name, attribute=name, value=value)


def _remove(bearer: Bearer, name: str) -> None:
    if bearer.name is None:
        fsops.remove_xattr_of_handle(bearer.handle, attribute=name)
    else:
        fsops.remove_xattr(bearer.handle, bearer.name, attribute=name)


def _called(name: str) -> str:
    """Name a kind of attribute, in the plural."""
    match namespace_of(name):
        case Namespace.ACL:
            return "ACLs"
        case Namespace.CAPABILITY:
            return "'security.capability' attributes"
        case _:
            return f"'{name.partition('.')[0]}.' attributes"

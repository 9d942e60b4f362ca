"""Reading and comparing extended attributes, ACLs among them.

An object is named by its own handle, or by a name in an open directory, which is never
followed. What a file system does not have, it has none of.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Set
from typing import NamedTuple

from dirsync.model.attributes import Namespace, namespace_of
from dirsync.trees.kernel import path_of_name

_NONE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_NAMES_CAN_BE_ASKED = os.path.isdir("/proc/self/fd")  # else open objects alone can
_PROBES = {  # an attribute of each kind: whether there is one tells whether there can be
    Namespace.USER: "user.dirsync",
    Namespace.TRUSTED: "trusted.dirsync",
    Namespace.SECURITY: "security.dirsync",
    Namespace.CAPABILITY: "security.capability",
    Namespace.ACL: "system.posix_acl_access",
}


class Bearer(NamedTuple):
    """An object that bears attributes: an open one, or a name in an open directory."""

    handle: int
    name: bytes | None = None  # None: the handle's own object

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give those that belong to some namespaces.

        Raises:
            OSError: one of them cannot be read.
        """
        return {name: value(self, name) for name in names(self, namespaces)}


def names(bearer: Bearer, namespaces: Set[Namespace]) -> set[str]:
    """Name the attributes of an object that belong to some namespaces.

    Raises:
        OSError: they cannot be listed.
    """
    try:
        if bearer.name is None:
            found = os.listxattr(bearer.handle)
        elif not _NAMES_CAN_BE_ASKED:
            return set()
        else:
            found = os.listxattr(path_of_name(bearer.handle, bearer.name), follow_symlinks=False)
    except OSError as error:
        if error.errno in _NONE:
            return set()
        raise
    return {name for name in found if namespace_of(name) in namespaces} if found else set()


def value(bearer: Bearer, attribute: str) -> bytes:
    """Give the value of an attribute.

    Raises:
        OSError: ENODATA where there is none; EACCES where it may not be read.
    """
    if bearer.name is None:
        return os.getxattr(bearer.handle, attribute)
    return os.getxattr(path_of_name(bearer.handle, bearer.name), attribute, follow_symlinks=False)


def namespaces_at(path: bytes) -> frozenset[Namespace]:
    """Say which attributes the file system at a path has at all; five system calls.

    A file system that does not say so has them.
    """
    if not hasattr(os, "getxattr"):
        return frozenset()
    return frozenset(namespace for namespace, probe in _PROBES.items() if _has(path, probe))


def _has(path: bytes, probe: str) -> bool:
    try:
        os.getxattr(path, probe)
    except OSError as error:
        return error.errno not in _NONE
    return True

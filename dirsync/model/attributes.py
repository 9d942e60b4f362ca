"""Extended attributes and ACLs, by who may keep them."""

from __future__ import annotations

import enum
from collections.abc import Collection, Set

from dirsync.model.job import Preserve


class Namespace(enum.Enum):
    """Attributes that a place can keep all or none of."""

    USER = "user"
    TRUSTED = "trusted"
    SECURITY = "security"
    CAPABILITY = "security.capability"  # of a program; it has a permission of its own
    ACL = "ACL"  # POSIX ACLs, a directory's default one too


_ACLS = frozenset({"system.posix_acl_access", "system.posix_acl_default"})
# The kernel makes these: a label follows from the place, a signature from the inode.
_LEFT_ALONE = frozenset({"security.selinux", "security.evm"})
_BY_PREFIX = {
    "user": Namespace.USER,
    "trusted": Namespace.TRUSTED,
    "security": Namespace.SECURITY,
}


def namespace_of(name: str) -> Namespace | None:
    """Say where an attribute belongs; None: it is the file system's own, and left alone.

    Source: xattr(7).
    """
    if name in _ACLS:
        return Namespace.ACL
    if name == Namespace.CAPABILITY.value:
        return Namespace.CAPABILITY
    return None if name in _LEFT_ALONE else _BY_PREFIX.get(name.partition(".")[0])


def namespaces_carried(preserve: Set[Preserve]) -> frozenset[Namespace]:
    """Say which attributes a job carries over; an ACL holds the mode, and goes only with it."""
    carried: frozenset[Namespace] = frozenset()
    if Preserve.XATTRS in preserve:
        carried |= frozenset(Namespace) - {Namespace.ACL}
    if Preserve.ACLS in preserve and Preserve.MODE in preserve:
        carried |= {Namespace.ACL}
    return carried


def namespaces_named(names: Collection[str]) -> frozenset[Namespace]:
    """Give the namespaces of some names; names of none are left out."""
    return frozenset(namespace for namespace in Namespace if namespace.value in names)

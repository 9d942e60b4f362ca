"""Extended attributes of handles and names: which are seen, and when two objects agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.model.attributes import Namespace, namespace_of, namespaces_carried
from dirsync.model.job import Preserve
from dirsync.trees import attributes
from dirsync.trees.attributes import Bearer

ALL = frozenset(Namespace)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """An open directory with the files `a` and `b` and the link `l` to `a`."""
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "l").symlink_to("a")
    handle = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield handle
    os.close(handle)


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("user.comment", Namespace.USER),
        ("trusted.overlay.opaque", Namespace.TRUSTED),
        ("security.ima", Namespace.SECURITY),
        ("security.capability", Namespace.CAPABILITY),
        ("system.posix_acl_access", Namespace.ACL),
        ("system.posix_acl_default", Namespace.ACL),
        ("security.selinux", None),
        ("security.evm", None),
        ("system.nfs4_acl", None),
        ("userland", None),
    ],
)
def test_each_attribute_belongs_to_a_namespace_or_is_left_alone(
    name: str, namespace: Namespace | None
) -> None:
    assert namespace_of(name) is namespace


def test_acls_go_with_the_mode_alone() -> None:
    assert namespaces_carried(frozenset(Preserve)) == ALL
    assert Namespace.ACL not in namespaces_carried(frozenset(Preserve) - {Preserve.MODE})
    assert namespaces_carried(frozenset({Preserve.MODE, Preserve.ACLS})) == {Namespace.ACL}


def test_a_link_is_not_followed_to_the_attributes_of_its_target(directory: int, tmp_path: Path) -> None:
    os.setxattr(tmp_path / "a", "trusted.x", b"file")
    os.setxattr(tmp_path / "l", "trusted.y", b"link", follow_symlinks=False)

    assert Bearer(directory, b"a").attributes(ALL) == {"trusted.x": b"file"}
    assert Bearer(directory, b"l").attributes(ALL) == {"trusted.y": b"link"}
    assert attributes.names(Bearer(directory, b"a"), frozenset({Namespace.USER})) == set()


def test_two_objects_agree_when_names_and_values_do(directory: int, tmp_path: Path) -> None:
    def differ() -> bool:
        return Bearer(directory, b"a").attributes(ALL) != Bearer(directory, b"b").attributes(ALL)

    assert not differ()
    os.setxattr(tmp_path / "a", "user.x", b"1")
    assert differ()
    os.setxattr(tmp_path / "b", "user.x", b"2")
    assert differ()
    os.setxattr(tmp_path / "b", "user.x", b"1")
    assert not differ()


def test_a_file_system_says_which_attributes_it_has(tmp_path: Path) -> None:
    assert attributes.namespaces_at(os.fsencode(tmp_path)) == ALL
    assert attributes.namespaces_at(b"/proc") == frozenset()

"""Handles: one component at a time, never through a link, at any depth."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirsync.trees.handles import DirectoryHandles, join, split
from tests.trees import Link, tree


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    tree(tmp_path, {"a": {"b": {"c": {}}}, "link": Link("a"), "file": b""})
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield os.dup(fd)
    os.close(fd)


def test_a_path_leads_to_its_directory(root: int, tmp_path: Path) -> None:
    with DirectoryHandles(root) as handles:
        assert os.fstat(handles.handle(b"a/b/c")).st_ino == os.stat(tmp_path / "a/b/c").st_ino
        assert os.fstat(handles.handle(b"")).st_ino == os.stat(tmp_path).st_ino


@pytest.mark.parametrize("path", [b"link", b"link/b", b"file", b"missing", b"a/missing/x"])
def test_links_files_and_what_is_missing_are_refused(root: int, path: bytes) -> None:
    with DirectoryHandles(root) as handles, pytest.raises(OSError):  # noqa: PT011 - any errno will do
        handles.handle(path)


def test_few_handles_are_enough_for_any_tree(tmp_path: Path) -> None:
    paths = [b"/".join([b"d"] * depth) for depth in range(1, 60)]
    tree(tmp_path, {})
    with DirectoryHandles(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY), capacity=3) as handles:
        for path in paths:
            os.mkdir(b"d", dir_fd=handles.handle(split(path)[0]))
        seen = [os.fstat(handles.handle(path)).st_ino for path in reversed(paths)]

    assert seen == [os.stat(os.path.join(os.fsencode(tmp_path), path)).st_ino for path in reversed(paths)]


def test_with_no_handle_to_be_had_those_at_hand_are_given_up(tmp_path: Path) -> None:
    path = b"/".join([b"d"] * 30)
    os.makedirs(os.path.join(os.fsencode(tmp_path), path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with DirectoryHandles(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)) as handles:
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles.root + 8, hard))
        try:
            found = os.fstat(handles.handle(path)).st_ino
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert found == os.stat(os.path.join(os.fsencode(tmp_path), path)).st_ino


def test_closing_leaves_no_handle_open(tmp_path: Path) -> None:
    tree(tmp_path, {"a": {"b": {}}})
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryHandles(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)) as handles:
        handles.handle(b"a/b")

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_forgotten_path_is_walked_anew(root: int, tmp_path: Path) -> None:
    with DirectoryHandles(root) as handles:
        handles.handle(b"a/b")
        os.rename(tmp_path / "a/b", tmp_path / "a/old")
        tree(tmp_path / "a" / "b", {})
        handles.forget()

        assert os.fstat(handles.handle(b"a/b")).st_ino == os.stat(tmp_path / "a/b").st_ino


def test_split_and_join_are_each_others_inverse() -> None:
    for path in (b"a", b"a/b", b"a/b/c"):
        assert join(*split(path)) == path

"""Threads that stand in the directories they look at, and are back where they were afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from dirsync.scan.chosen import glance_natively, list_natively
from dirsync.scan.glance import Place
from dirsync.scan.native import _lister
from dirsync.scan.stride import Stride, Striding, stride
from tests.trees import Children, File, Link, tree
from tests.unit.test_glance import all_on_record, inode_of
from tests.unit.test_native_lister import opened

T = TypeVar("T")
NAMES = 20  # in a directory: enough to stand there
EVERYTHING = Striding(size=True, mtime=True, ownership=True, hard_links=True, levels=32, most_rows=10**6)


def in_a_thread(deed: Callable[[], T]) -> T:
    """Do something in a thread with a working directory of its own."""
    done: list[T] = []

    def work() -> None:
        assert _lister.own_working_directory()
        done.append(deed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    (given,) = done
    return given


def many(data: bytes) -> Children:
    """Files, links, and a directory of the same."""
    some: dict[str, bytes | File | Link] = {f"f{each:02}": File(data, mtime_ns=each) for each in range(NAMES)}
    some |= {f"l{each}": Link(f"f{each:02}", mtime_ns=each) for each in range(5)}
    return {**some, "d": dict(some)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two sides, of which two directories are equal but for their own mtimes, and two differ."""
    tree(tmp_path / "s", {"same": many(b"1"), "other": many(b"1")})
    tree(tmp_path / "d", {"same": many(b"1"), "other": many(b"22")})
    for side in "sd":
        for directory in ("same/d", "other/d", "same", "other"):
            os.utime(tmp_path / side / directory, ns=(1, 1))
    return tmp_path


def strode(place: Path) -> Stride:
    with opened(place / "s") as source, opened(place / "d") as destination:
        return stride(source, destination, (b"same", b"other"), EVERYTHING)


def test_a_stride_sees_the_same_from_where_it_stands(place: Path) -> None:
    seen = in_a_thread(lambda: strode(place))

    assert seen == strode(place)
    assert (seen.entries, [each.path for each in seen.differing]) == (2 * (NAMES + 5) + 1, [b"other"])


def test_a_glance_sees_the_same_from_where_it_stands(place: Path) -> None:
    with opened(place / "s") as parent:
        asked = all_on_record(parent, "same", "same/d")
        places = tuple(Place(name.encode(), inode_of(parent, name)) for name in ("same", "other"))
        seen = in_a_thread(lambda: glance_natively(parent, b"", places, asked))

        assert seen == glance_natively(parent, b"", places, asked)
        assert (seen.entries, [each.path for each in seen.differing]) == (2 * (NAMES + 5) + 1, [b"other"])


def test_nobody_is_anywhere_else_afterwards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)

    def where() -> tuple[str, str, bytes]:
        before = os.getcwd()
        strode(place)
        with opened(place / "s/same") as fd:
            names = list_natively(fd).names
        return before, os.getcwd(), names

    before, after, names = in_a_thread(where)

    assert (before, after, os.getcwd()) == (str(place), str(place), str(place))
    assert len(names.split(b"\0")) == NAMES + 6


def test_the_process_stays_where_it_is_meanwhile(place: Path) -> None:
    here, over = os.getcwd(), threading.Event()

    def work() -> None:
        while not over.is_set():
            strode(place)

    moving = threading.Thread(target=lambda: in_a_thread(work))
    moving.start()
    try:
        assert {os.getcwd() for _ in range(2_000)} == {here}
    finally:
        over.set()
        moving.join()


def test_a_working_directory_that_was_removed_is_no_hindrance(
    place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = strode(place)
    gone = tmp_path_factory.mktemp("gone")
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert in_a_thread(lambda: strode(place)) == expected

"""Small files made together are what they are made one by one: equal trees, and equal answers.

What is drawn is as in `test_random_pairs.py`. The clock's tick is waited for, for files that
were changed within it are always taken one by one.
"""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.answers.files import FileAnswers
from dirsync.model.attributes import Namespace
from dirsync.model.job import Durability, MirrorJob, Preserve
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.trees import fsops, small_files
from dirsync.trees.far.connection import decode_answers
from dirsync.trees.hashing import TICK_NS
from dirsync.trees.local import OPEN_ROOT, LocalTree
from dirsync.trees.small_files import Altering, Made, Making, Olds, ToAlter, ToLink
from dirsync.wire import frames, rows
from dirsync.wire.asks import AskFiles, FileBegins, FilesTogether, FileWanted, Unseen, WholeFile
from dirsync.wire.frames import Frames
from tests.jobs import run, sync_job
from tests.property.test_random_pairs import MANY, Pair, linked, paired_directories, whole, workplace
from tests.trees import Directory, File, HardLink, Link, Snapshot, differences, snapshot, tree

# Without symlinks, directories that hold one stay where they are, whatever is done about files.
SOME = st.sets(st.sampled_from(list(Preserve))).map(lambda some: some | {Preserve.SYMLINKS})


class Calls:
    """How many files were made together."""

    def __init__(self) -> None:
        self.made = 0


@contextmanager
def one_by_one() -> Iterator[None]:
    """Do without the extension while the block runs."""
    wanted = small_files._is_wanted
    small_files._is_wanted = False
    try:
        yield
    finally:
        small_files._is_wanted = wanted


@contextmanager
def counted() -> Iterator[Calls]:
    """Count the files that are made together while the block runs."""
    copy, calls = small_files.copy, Calls()

    def copied(
        making: Making, source: int, destination: int, names: Sequence[bytes], *, olds: Olds = ()
    ) -> Made:
        made = copy(making, source, destination, names, olds=olds)
        calls.made += sum(made.ended)
        return made

    small_files.copy = copied
    try:
        yield calls
    finally:
        small_files.copy = copy


@MANY
@given(
    pair=paired_directories(3),
    preserved=SOME,
    durability=st.sampled_from(Durability),
    workers=st.sampled_from([1, 2]),
)
def test_both_ways_leave_the_same(
    pair: Pair, preserved: set[Preserve], durability: Durability, workers: int
) -> None:
    source, old = (linked(whole(side), made=[]) for side in pair)
    with workplace() as place:
        tree(place / "source", source)
        for name in ("together", "alone"):
            tree(place / name, old)
        time.sleep(2 * TICK_NS / 1e9)

        together = run(job(place, "together", preserved, durability, workers), state=place / "state 1")
        with one_by_one():
            alone = run(job(place, "alone", preserved, durability, workers), state=place / "state 2")

        assert counts(together) == counts(alone)
        dated = Preserve.MTIME in preserved
        assert not differences(seen(place / "alone", dated=dated), seen(place / "together", dated=dated))


def test_new_small_files_are_made_together(tmp_path: Path) -> None:
    """What is above would say nothing if they were not."""
    tree(tmp_path / "source", {"a": b"1", "b": {"c": b"", "d": b"2"}, "large": b"x" * 20_000})
    time.sleep(2 * TICK_NS / 1e9)

    with counted() as calls:
        run(job(tmp_path, "destination", set(Preserve), Durability.FULL, 1), state=tmp_path / "state")

    assert calls.made == 3


@pytest.mark.parametrize("durability", Durability)
def test_files_of_several_names_are_made_and_linked_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    tree(tmp_path / "source", {"a": b"1", "b": {}, "c": HardLink("a"), "d": HardLink("a"), "e": b"2"})
    os.link(tmp_path / "source/a", tmp_path / "source/b/f")
    time.sleep(2 * TICK_NS / 1e9)
    link, linked_together = small_files.link, []

    def counting(source: int, leading: int, destination: int, wanted: Sequence[ToLink]) -> bytes:
        ended = link(source, leading, destination, wanted)
        linked_together.append((len(wanted), sum(ended)))
        return ended

    monkeypatch.setattr(small_files, "link", counting)
    with counted() as calls:
        run(job(tmp_path, "destination", set(Preserve), durability, 1), state=tmp_path / "state")

    assert (calls.made, linked_together) == (2, [(2, 2), (1, 1)])
    assert not differences(snapshot(tmp_path / "source"), seen(tmp_path / "destination", dated=True))


@pytest.fixture
def altered_together(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """What was tried to be altered, and whether it was: names, of calls one after another."""
    alter = small_files.alter
    altered: list[tuple[bytes, int]] = []

    def noting(altering: Altering, source: int, destination: int, wanted: Sequence[ToAlter]) -> bytes:
        ended = alter(altering, source, destination, wanted)
        altered.extend(zip([each.name for each in wanted], ended, strict=False))
        return ended

    monkeypatch.setattr(small_files, "alter", noting)
    return altered


def test_files_whose_metadata_alone_differ_are_altered_together(
    tmp_path: Path, altered_together: list[tuple[bytes, int]]
) -> None:
    children: dict[str, File] = {name: File(b"1", mode=0o600) for name in ("a", "b", "c", "named")}
    tree(tmp_path / "source", {**children, "named": File(b"1", mode=0o600, xattrs={"user.a": b"1"})})
    run(job(tmp_path, "destination", set(Preserve), Durability.FULL, 1), state=tmp_path / "state")
    for name in ("a", "b", "named"):
        os.chmod(tmp_path / "source" / name, 0o644)
    os.chown(tmp_path / "source/b", 1000, 1001)
    done = counts(
        run(job(tmp_path, "destination", set(Preserve), Durability.FULL, 1), state=tmp_path / "state")
    )

    assert (done.metadata, altered_together) == (3, [(b"a", 1), (b"b", 1), (b"named", 0)])
    assert not differences(snapshot(tmp_path / "source"), seen(tmp_path / "destination", dated=True))


def test_directories_are_finished_together(tmp_path: Path, altered_together: list[tuple[bytes, int]]) -> None:
    inner = Directory({"f": b"1"}, mode=0o750, mtime_ns=1)
    marked = Directory({"f": b"1"}, mtime_ns=1, xattrs={"user.a": b"1"})
    closed = Directory({"d": inner}, mode=0o555, mtime_ns=1)
    tree(tmp_path / "source", {"a": inner, "b": Directory({"c": inner}), "closed": closed, "marked": marked})
    run(job(tmp_path, "destination", set(Preserve), Durability.FULL, 1), state=tmp_path / "state")
    first, altered_together[:] = altered_together[:], []
    os.chown(tmp_path / "source/a", 1000, 1001)
    (tmp_path / "source/b/c/g").touch()
    run(job(tmp_path, "destination", set(Preserve), Durability.FULL, 1), state=tmp_path / "state")

    assert sorted(first) == [(b"a", 1), (b"b", 1), (b"c", 1), (b"d", 1), (b"marked", 0)]
    assert sorted(altered_together) == [(b"a", 1), (b"c", 1)]
    assert not differences(snapshot(tmp_path / "source"), seen(tmp_path / "destination", dated=True))


def test_a_directory_that_somebody_else_made_meanwhile_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "source", {"a": Directory(mode=0o750), "b": Directory({"c": {}}, mode=0o750)})
    make = fsops.make_directory

    def made_before(fd: int, name: bytes) -> None:
        if name == b"b":
            make(fd, name)
        make(fd, name)

    monkeypatch.setattr(fsops, "make_directory", made_before)
    result = run(job(tmp_path, "destination", set(Preserve), Durability.NONE, 1), state=tmp_path / "state")

    assert (result.counts.created, result.counts.failed) == (1, 1)
    there = seen(tmp_path / "destination", dated=True)
    assert {path: each.mode for path, each in there.items() if path in (b"a", b"b")} == {
        b"a": 0o750,
        b"b": 0o700,
    }


@pytest.mark.parametrize("durability", Durability)
def test_small_files_that_changed_are_replaced_together(tmp_path: Path, durability: Durability) -> None:
    same = File(b"4", mtime_ns=1)
    tree(tmp_path / "source", {"a": b"1", "b": b"2", "link": Link("a"), "new": b"3", "same": same})
    tree(tmp_path / "destination", {"a": b"old", "b": b"", "link": b"no link", "same": same})
    time.sleep(2 * TICK_NS / 1e9)

    with counted() as calls:
        done = counts(
            run(job(tmp_path, "destination", set(Preserve), durability, 1), state=tmp_path / "state")
        )

    assert (done.created, done.modified, calls.made) == (1, 3, 3)
    assert not differences(snapshot(tmp_path / "source"), seen(tmp_path / "destination", dated=True))


@pytest.mark.parametrize("preserved", [{Preserve.MODE}, {Preserve.OWNERSHIP}], ids=str)
def test_a_file_that_keeps_something_of_its_own_is_replaced_alone(
    tmp_path: Path, preserved: set[Preserve]
) -> None:
    tree(tmp_path / "source", {"a": b"1"})
    tree(tmp_path / "destination", {"a": File(b"old", mode=0o600, uid=1000, gid=1000)})
    time.sleep(2 * TICK_NS / 1e9)

    with counted() as calls:
        wanted = preserved | {Preserve.MTIME}
        run(job(tmp_path, "destination", wanted, Durability.NONE, 1), state=tmp_path / "state")

    status = os.stat(tmp_path / "destination/a")
    assert (calls.made, (tmp_path / "destination/a").read_bytes()) == (0, b"1")
    kept = (status.st_uid, stat.S_IMODE(status.st_mode))
    assert kept == ((1000, 0o644) if Preserve.MODE in preserved else (os.geteuid(), 0o600))


def test_a_file_that_changed_since_it_was_compared_is_not_replaced(tmp_path: Path) -> None:
    tree(tmp_path / "source", {"a": b"1", "b": b"2"})
    tree(tmp_path / "destination", {"a": b"old", "b": b"old"})
    time.sleep(2 * TICK_NS / 1e9)
    copy = small_files.copy

    def copied(*given: Any, **more: Any) -> Made:
        (tmp_path / "destination/a").write_bytes(b"somebody's")
        return copy(*given, **more)

    small_files.copy = copied
    try:
        result = run(
            job(tmp_path, "destination", set(Preserve), Durability.NONE, 1), state=tmp_path / "state"
        )
    finally:
        small_files.copy = copy

    assert (result.counts.modified, result.counts.failed) == (1, 1)
    assert (tmp_path / "destination/a").read_bytes() == b"somebody's"
    assert (tmp_path / "destination/b").read_bytes() == b"2"


def seen(place: Path, *, dated: bool) -> Snapshot:
    """Say what is there; times that are not the source's are when it was made."""
    there = snapshot(place)
    return there if dated else {path: each._replace(mtime_ns=0) for path, each in there.items()}


def job(
    place: Path, destination: str, preserved: set[Preserve], durability: Durability, workers: int
) -> MirrorJob:
    plain = sync_job(place / "source", place / destination)
    return structs.replace(plain, preserve=frozenset(preserved), durability=durability, workers=workers)


def counts(result: RunResult) -> Counts:
    assert result.outcome is Outcome.SUCCEEDED, result
    return result.counts


@MANY
@given(pair=paired_directories(2), namespaces=st.sampled_from([[], [each.value for each in Namespace]]))
def test_both_ways_read_the_same(pair: Pair, namespaces: list[str]) -> None:
    with workplace() as place:
        tree(place / "source", linked(whole(pair.source), made=[]))
        time.sleep(2 * TICK_NS / 1e9)
        with LocalTree(os.open(place / "source", OPEN_ROOT)) as opened:
            paths = [*snapshot(place / "source"), b"nowhere"]
            ask = AskFiles(files=[FileWanted(path) for path in paths if path], namespaces=namespaces)

            together = told(FileAnswers(opened, check=lambda: None), ask)
            with one_by_one():
                alone = told(FileAnswers(opened, check=lambda: None), ask)

        assert together == alone


def told(answers: FileAnswers, ask: AskFiles) -> list[object]:
    """Give what is answered, file by file, however it is sent."""
    sent = io.BytesIO(b"".join(answers.files(ask)) + frames.END)
    left = [wanted.path for wanted in ask.files]
    found: list[object] = []
    for is_message, payload in Frames(sent):
        if not is_message:
            if isinstance(found[-1], FilesTogether):
                data, together = io.BytesIO(payload), found.pop()
                assert isinstance(together, FilesTogether)
                for status in rows.statuses(together.rows):
                    content = data.read(status.size)
                    found.append(WholeFile(path=left.pop(0), status=status, data=content))
                assert not data.read()
            else:
                found.append(payload)
            continue
        for answer in decode_answers(payload):
            if isinstance(answer, WholeFile | Unseen | FileBegins):
                assert answer.path == left.pop(0)
            found.append(answer)
    assert not left
    return found

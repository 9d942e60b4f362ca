"""Small files made together: what is done, what is left, and when nobody tries."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.mirror.linking import Leaders
from dirsync.mirror.settings import Settings, settings_for
from dirsync.mirror.small import SmallCopier
from dirsync.mirror.together import parted
from dirsync.model.capabilities import Capabilities
from dirsync.model.change import Change, ChangeKind
from dirsync.model.job import OnError
from dirsync.model.operation import Operation, Phase
from dirsync.trees import fsops, small_files
from dirsync.trees.hashing import TICK_NS
from dirsync.trees.local import OPEN_ROOT, LocalTree
from dirsync.trees.native import _small
from dirsync.trees.small_files import Altering, Making, ToAlter, ToLink
from dirsync.wire import rows
from dirsync.wire.asks import Status
from dirsync.wire.beliefs import status_of
from tests.jobs import sync_job
from tests.rows import packed_row
from tests.trees import Directory, File, HardLink, Link, Node, differences, snapshot, tree

PLAIN = Making(
    gives_owner=True,
    same_group=False,
    sets_mtime=True,
    attributes=True,
    sparse=True,
    bits=0o7777,
    most_bytes=100,
    places=True,
)
FILES: dict[str | bytes, Node] = {
    "a": File(b"1", mode=0o640, mtime_ns=-1, uid=1000, gid=1000),
    "empty": b"",
    "link": Link("a"),
    "set-id": File(b"1", mode=0o4755),
    "large": b"x" * 101,
    "hole": File(size=4096),
    "named": File(b"1", xattrs={"user.a": b"1"}),
    "one": b"1",
    "other": HardLink("one"),
}


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[LocalTree, LocalTree]]:
    tree(tmp_path / "s", FILES)
    tree(tmp_path / "d", {})
    time.sleep(2 * TICK_NS / 1e9)
    with opened(tmp_path / "s") as source, opened(tmp_path / "d") as destination:
        yield source, destination


def opened(place: Path) -> LocalTree:
    return LocalTree(os.open(place, OPEN_ROOT))


def test_plain_files_are_made_and_others_left(ends: tuple[LocalTree, LocalTree], tmp_path: Path) -> None:
    source, destination = ends
    names = [*sorted(map(os.fsencode, FILES)), b"nowhere"]
    made = source.copy_small(b"", names, into=destination.handles.root, making=PLAIN)

    done = {name for name, is_made in zip(names, made.ended, strict=True) if is_made}
    assert done == {b"a", b"empty"}
    assert set(os.listdir(os.fsencode(tmp_path / "d"))) == done
    assert made.byte_count == 1
    wanted = {path: seen for path, seen in snapshot(tmp_path / "s").items() if path in done}
    there = {path: seen for path, seen in snapshot(tmp_path / "d").items() if path}
    assert not differences(wanted, there)


def test_what_is_staged_has_a_temporary_name_until_it_is_placed(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    into = destination.handles.root
    made = source.copy_small(b"", [b"a", b"link", b"empty"], into=into, making=PLAIN._replace(places=False))
    staged = [made.temporaries[0], made.temporaries[2]]
    status = os.stat(staged[0], dir_fd=into)

    assert list(made.ended) == [1, 0, 1]
    assert all(map(fsops.is_temporary, made.temporaries))
    assert sorted(os.listdir(os.fsencode(tmp_path / "d"))) == sorted(staged)
    assert made.identities[0] == (status.st_dev, status.st_ino)

    (tmp_path / "d/empty").write_bytes(b"in the way")
    assert small_files.place(into, staged, [b"a", b"empty"]) == b"\1\0"
    assert sorted(os.listdir(os.fsencode(tmp_path / "d"))) == sorted([b"a", b"empty", staged[1]])


def test_files_of_several_names_are_made_and_told_of_where_that_is_asked_for(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    making, into = PLAIN._replace(names=True), destination.handles.root
    made = source.copy_small(b"", [b"a", b"one", b"link"], into=into, making=making)

    assert list(made.ended) == [1, 1, 0]
    assert made.identities[:2] == [identity_at(tmp_path / "d/a"), identity_at(tmp_path / "d/one")]
    assert made.origins[:2] == [None, identity_at(tmp_path / "s/one")]

    (tmp_path / "d/one").unlink()
    read = small_files.read(source.handles.root, [b"one"], most_bytes=100, attributes=True, room=1000)
    made = small_files.write(making, into, [b"one"], rows=read.rows, data=read.data, start=0)

    assert (made.ended, made.origins) == (b"\1", [identity_at(tmp_path / "s/one")])


def identity_at(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def test_names_are_linked_to_what_leads_in_another_directory(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    tree(tmp_path / "d", {"there": {"leads": b"1"}, "here": b"in the way"})
    replica = identity_at(tmp_path / "d/there/leads")
    entry = destination.entry(b"there/leads")
    assert entry is not None
    meant = ToLink(b"other", b"leads", identity_at(tmp_path / "s/one"), replica, entry)
    wanted = [
        meant,
        meant._replace(name=b"one", expected=None),
        meant._replace(expected=entry._replace(size=2)),
        meant._replace(source=replica),
        meant._replace(leading=b"nowhere"),
    ]
    with destination.handles.held(b"there") as there:
        ended = small_files.link(source.handles.root, there, destination.handles.root, wanted)

    assert list(ended) == [1, 1, 0, 0, 0]
    assert sorted(os.listdir(tmp_path / "d")) == ["here", "one", "other", "there"]
    assert identity_at(tmp_path / "d/one") == identity_at(tmp_path / "d/other") == replica
    assert not small_files.may_be_linked(meant._replace(expected=entry._replace(mtime_ns=1 << 63)))


def test_metadata_are_set_of_files_that_are_what_they_were(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    tree(tmp_path / "d", {"a": b"1", "empty": b"", "named": b"1"})
    names = [b"a", b"empty", b"named"]
    olds = [found for name in names if (found := destination.entry(name)) is not None]
    wanted = [ToAlter(old.path, old, 1000, 1001, 0o640, -1) for old in olds]
    wanted[1] = wanted[1]._replace(old=olds[1]._replace(ctime_ns=olds[1].ctime_ns - 1))
    into = destination.handles.root
    ended = small_files.alter(Altering(True, True, True), source.handles.root, into, wanted)

    assert list(ended) == [1, 0, 0]
    altered = os.stat(tmp_path / "d/a")
    assert (altered.st_uid, altered.st_gid, altered.st_mode & 0o7777) == (1000, 1001, 0o640)
    assert altered.st_mtime_ns == -1
    assert [destination.entry(name) for name in names[1:]] == olds[1:]
    assert small_files.may_be_altered(olds[0], olds[1])
    assert not small_files.may_be_altered(olds[0]._replace(mtime_ns=1 << 63), olds[1])
    assert not small_files.may_be_altered(olds[0]._replace(nlink=2), olds[1])


def test_metadata_are_set_of_directories_whatever_their_times_are(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    bare, marked = Directory(), Directory(xattrs={"user.a": b"1"})
    tree(tmp_path / "s", {"d": bare, "m": marked, "n": bare, "l": bare, "f": bare, "none": bare})
    tree(tmp_path / "d", {"d": bare, "m": bare, "n": marked, "l": Link("d"), "f": b""})
    names = [b"d", b"m", b"n", b"l", b"f", b"none"]
    before = snapshot(tmp_path / "d")
    wanted = [ToAlter(name, None, 1000, 1001, 0o2750, -1) for name in names]
    into = destination.handles.root
    ended = small_files.alter(Altering(True, True, True), source.handles.root, into, wanted)

    assert list(ended) == [1, 0, 0, 0, 0, 0]
    altered = os.stat(tmp_path / "d/d")
    assert (altered.st_uid, altered.st_gid, altered.st_mode & 0o7777) == (1000, 1001, 0o2750)
    assert altered.st_mtime_ns == -1
    after = snapshot(tmp_path / "d")
    assert [path for path in before if before[path] != after[path]] == [b"d"]


def test_metadata_that_are_as_wanted_are_not_set_again(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    tree(tmp_path / "s", {"d": {}})
    tree(tmp_path / "d", {"d": Directory({}, mode=0o750)})
    before = os.stat(tmp_path / "d/d")
    wanted = [ToAlter(b"d", None, before.st_uid, before.st_gid, 0o750, 1)]
    ended = small_files.alter(
        Altering(True, False, True), source.handles.root, destination.handles.root, wanted
    )

    assert list(ended) == [1]
    assert os.stat(tmp_path / "d/d") == before


def test_temporary_names_are_distinct_and_known_as_such() -> None:
    names = fsops.temporary_names(os.urandom(8 * 64))

    assert len(set(names)) == 64
    assert all(map(fsops.is_temporary, names))


def test_what_is_read_together_has_rows_and_data_of_what_was_read(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, _ = ends
    names = [*sorted(map(os.fsencode, FILES)), b"nowhere"]
    read = small_files.read(source.handles.root, names, most_bytes=100, attributes=True, room=1000)

    got = [name for name, is_read in zip(names, read.ended, strict=True) if is_read]
    assert got == [b"a", b"empty", b"one", b"other", b"set-id"]
    assert read.data == b"1111"
    seen = [status_of(os.lstat(os.fsencode(tmp_path / "s") + b"/" + name)) for name in got]
    assert list(rows.statuses(read.rows)) == seen
    assert b"".join(map(packed_row, seen)) == read.rows
    assert rows.sizes(read.rows) == [1, 0, 1, 1, 1]


def test_what_was_read_elsewhere_is_written_where_it_is_plain(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    names = [b"a", b"empty", b"one", b"set-id"]
    read = small_files.read(source.handles.root, names, most_bytes=100, attributes=True, room=1000)
    into = destination.handles.root
    made = small_files.write(PLAIN, into, names, rows=read.rows, data=b"before" + read.data, start=6)

    assert made.ended == b"\1\1\0\0"
    assert made.byte_count == 1
    wanted = {path: seen for path, seen in snapshot(tmp_path / "s").items() if path in names[:2]}
    assert not differences(wanted, {path: seen for path, seen in snapshot(tmp_path / "d").items() if path})


@pytest.mark.parametrize("names", [b"a", b"a\0b\0c", b""])
def test_names_that_are_not_as_many_as_was_said_are_refused(names: bytes) -> None:
    with pytest.raises(ValueError, match="names"):
        _small.copy(PLAIN, 0, 0, names, bytes(16), b"")
    with pytest.raises(ValueError, match="names"):
        _small.place(0, names, b"a\0b", 2)
    with pytest.raises(ValueError, match="names"):
        _small.read(0, names, 2, 100, True, 100)
    with pytest.raises(ValueError, match="names"):
        _small.link(0, 0, 0, names, b"a\0b", bytes(2 * 49), bytes(16))
    with pytest.raises(ValueError, match="names"):
        _small.link(0, 0, 0, b"a\0b", names, bytes(2 * 49), bytes(16))
    with pytest.raises(ValueError, match="names"):
        _small.alter((True, True, True), 0, 0, names, bytes(2 * 44), bytes(2 * 20))


def test_no_file_or_a_number_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="names"):
        _small.copy(PLAIN, 0, 0, b"", b"", b"")
    row = packed_row(Status(0o100600, 1, 0, 0, 0, 0, 1, 1, 1))
    below_zero = packed_row(Status(0o100600, -1, 0, 0, 0, 0, 1, 1, 1))
    for given, data, start in [
        (row, b"", 0),
        (row, b"1", 1),
        (row, b"1", 2),
        (row, b"1", -1),
        (row[:-1], b"1", 0),
        (row * 2, b"11", 0),
        (b"", b"", 0),
        (below_zero, b"1", 0),
    ]:
        with pytest.raises(ValueError, match="data"):
            _small.write(PLAIN, 0, b"a", given, data, start, bytes(8), b"")
    with pytest.raises(ValueError, match="names"):
        _small.write(PLAIN, 0, b"a\0b", row, b"1", 0, bytes(8), b"")
    with pytest.raises(ValueError, match="expected"):
        _small.copy(PLAIN, 0, 0, b"a", bytes(8), bytes(43))
    for models, random in [(bytes(48), bytes(8)), (bytes(49), bytes(9)), (bytes(98), bytes(8))]:
        with pytest.raises(ValueError, match="model"):
            _small.link(0, 0, 0, b"a", b"a", models, random)
    with pytest.raises(ValueError, match="names"):
        _small.link(0, 0, 0, b"", b"", b"", b"")
    for expected, wanted in [(bytes(44), bytes(19)), (bytes(43), bytes(20)), (bytes(88), bytes(20))]:
        with pytest.raises(ValueError, match="needed"):
            _small.alter((True, True, True), 0, 0, b"a", expected, wanted)


def settings(place: Path, **more: object) -> Settings:
    job = sync_job(place / "s", place / "d")
    return structs.replace(settings_for(job, Capabilities(), version_area=None), **more)


def copy_of(name: bytes, source: LocalTree) -> Operation:
    return Operation(Phase.COPY, Change(ChangeKind.CREATED, None, source.entry(name)))


def ways_of(steps: list[Operation], small: SmallCopier) -> list[tuple[list[Operation], bool]]:
    return [(some, way is small) for some, way in parted(steps, [small])]


def test_small_files_go_together_and_nothing_else(ends: tuple[LocalTree, LocalTree], tmp_path: Path) -> None:
    source, destination = ends
    steps = [copy_of(name, source) for name in (b"a", b"empty", b"link", b"one", b"named")]
    new = source.entry(b"a")
    assert new is not None
    olds = [new, new._replace(nlink=2), source.entry(b"link"), new._replace(mtime_ns=1 << 63)]
    steps += [Operation(Phase.COPY, Change(ChangeKind.MODIFIED, old, new)) for old in olds]
    steps.append(Operation(Phase.COPY, Change(ChangeKind.METADATA, new, new)))
    small = SmallCopier(source, destination, settings=settings(tmp_path), leaders=Leaders())

    assert ways_of(steps, small) == [
        (steps[:2], True),
        (steps[2:3], False),
        (steps[3:6], True),
        (steps[6:], False),
    ]


@pytest.mark.parametrize(
    "more", [{"ownership": False}, {"mode": False}, {"version_area": b".dirsync/v"}], ids=str
)
def test_what_leaves_something_of_itself_is_not_replaced_together(
    more: dict[str, object], ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    old = source.entry(b"a")
    steps = [Operation(Phase.COPY, Change(ChangeKind.MODIFIED, old, old))]
    small = SmallCopier(source, destination, settings=settings(tmp_path, **more), leaders=Leaders())

    assert ways_of(steps, small) == [(steps, False)]


def test_nobody_tries_while_somebody_stands_at_the_gate(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, destination = ends
    steps = [copy_of(b"a", source)]
    small = SmallCopier(source, destination, settings=settings(tmp_path), leaders=Leaders())
    monkeypatch.setattr(fsops, "gate", lambda operation: None)

    assert ways_of(steps, small) == [(steps, False)]


@pytest.mark.parametrize(
    "more", [{"bandwidth": 1}, {"stop_on_failure": True}], ids=["bandwidth", OnError.STOP.value]
)
def test_what_has_to_be_done_step_by_step_is(
    more: dict[str, object], ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    steps = [copy_of(b"a", source)]
    small = SmallCopier(source, destination, settings=settings(tmp_path, **more), leaders=Leaders())

    assert ways_of(steps, small) == [(steps, False)]


def test_a_directory_that_is_gone_leaves_all_for_the_usual_way(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    new = source.entry(b"a")
    assert new is not None
    step = Operation(Phase.COPY, Change(ChangeKind.CREATED, None, new._replace(path=b"gone/a")))
    small = SmallCopier(source, destination, settings=settings(tmp_path), leaders=Leaders())

    assert small.tried([step]) == ([], [step], [], 0)


def test_where_most_files_are_left_nobody_tries_any_more(
    ends: tuple[LocalTree, LocalTree], tmp_path: Path
) -> None:
    source, destination = ends
    steps = [copy_of(b"named", source)] * 101
    small = SmallCopier(source, destination, settings=settings(tmp_path), leaders=Leaders())
    assert ways_of(steps, small) == [(steps, True)]

    assert small.tried(steps).left == steps
    assert ways_of(steps, small) == [(steps, False)]

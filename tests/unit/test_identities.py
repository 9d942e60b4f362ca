"""What is remembered of the source's objects is true, or it is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from dirsync.model.entry import Entry
from dirsync.model.job import MirrorJob
from dirsync.runner.identities import Identities
from dirsync.runner.ledger import open_ledger
from dirsync.trees.local import entry_of
from tests.jobs import run, sync_job
from tests.trees import tree


@contextmanager
def identities(job: MirrorJob, place: Path) -> Iterator[Identities]:
    with open_ledger(str(place / "state")) as ledger:
        yield Identities(job, ledger, folder=str(place))


def entry(path: Path) -> Entry:
    return entry_of(os.fsencode(path), os.lstat(path), None)


def remembered(job: MirrorJob, place: Path, path: str) -> bytes | None:
    """Where the mirror is remembered to have an object of the source."""
    with identities(job, place) as found:
        row = found.find(entry(place / "s" / path))
        return None if row is None else row.path


def mirrored(place: Path) -> MirrorJob:
    job = sync_job(tree(place / "s", {"a": b"1", "d": {"e": {"f": b"22"}, "g": b"4444"}}), place / "d")
    run(job, state=place / "state")
    return job


def test_what_a_run_made_is_remembered_with_its_ctime(tmp_path: Path) -> None:
    job = mirrored(tmp_path)

    with identities(job, tmp_path) as found:
        assert found.are_of_these_places()
        seen = entry(tmp_path / "s/d/e/f")
        assert found.find(seen) == (seen.ctime_ns, b"d/e/f")


def test_what_is_beneath_a_directory_that_moved_is_remembered_at_its_new_path(tmp_path: Path) -> None:
    job = mirrored(tmp_path)
    os.rename(tmp_path / "s/d", tmp_path / "s/z")
    os.rename(tmp_path / "s/z/e", tmp_path / "s/e")
    run(job, state=tmp_path / "state")

    paths = ["z", "z/g", "e", "e/f", "a"]
    assert [remembered(job, tmp_path, path) for path in paths] == [path.encode() for path in paths]


def test_nothing_is_believed_of_another_destination(tmp_path: Path) -> None:
    job = mirrored(tmp_path)
    os.rename(tmp_path / "d", tmp_path / "aside")
    tree(tmp_path / "d", {})

    with identities(job, tmp_path) as found:
        assert not found.are_of_these_places()


def test_a_run_without_moves_leaves_nothing_that_it_made_untrue(tmp_path: Path) -> None:
    job = mirrored(tmp_path)
    (tmp_path / "s/a").write_bytes(b"333")
    run(structs.replace(job, moves=False), state=tmp_path / "state")

    assert remembered(job, tmp_path, "a") is None
    assert remembered(job, tmp_path, "d/g") is None


def test_an_inode_number_of_64_bits_is_kept(tmp_path: Path) -> None:
    """Some network file systems use all of them."""
    job = mirrored(tmp_path)
    far = entry(tmp_path / "s/a")._replace(ino=2**64 - 2)

    with identities(job, tmp_path) as found:
        assert found.find(far) is None

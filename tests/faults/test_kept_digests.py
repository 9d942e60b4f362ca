"""The copy of a catalog's digests beside the ledger: it saves reading them, and is never believed blindly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dirsync.catalog import altered_digests
from dirsync.catalog.catalog import Catalog
from tests.faults.test_tracking import told, tracked
from tests.jobs import run, watched_run


def kept(place: Path) -> Path:
    (file,) = (place / "state").glob("*.digests")
    return file


def test_a_run_over_the_state_of_the_last_one_reads_no_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"a": b"1", "d": {"e": {"f": b"2"}}})
    run(job, state=tmp_path / "state")
    monkeypatch.delattr(Catalog, "digests")

    assert watched_run(job, tmp_path)[1].changes == []
    for content in (b"33", b"444"):  # nor does one after a change
        (tmp_path / "s/d/e/f").write_bytes(content)
        assert told(watched_run(job, tmp_path)[1]) == [("modified", b"d/e/f")]


def test_what_too_many_changes_left_on_record_is_read_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"d": {"f": b"1"}, "e": {"f": b"1"}})
    monkeypatch.setattr(altered_digests, "MOST", 1)
    for name in ("d", "e"):
        (tmp_path / "s" / name / "f").write_bytes(b"22")
    assert len(told(watched_run(job, tmp_path)[1])) == 2
    before = kept(tmp_path).read_bytes()

    assert watched_run(job, tmp_path)[1].changes == []
    assert kept(tmp_path).read_bytes() != before


def _cut(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _garbled(file: Path, _: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _emptied(file: Path, _: Path) -> None:
    file.write_bytes(b"")


def _earlier(file: Path, earlier: Path) -> None:
    shutil.copy(earlier, file)


@pytest.mark.parametrize("spoil", [_cut, _garbled, _emptied, _earlier])
def test_a_file_that_is_not_of_the_state_on_record_is_made_anew(
    tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    job = tracked(tmp_path, {"d": {"f": b"1"}, "e": {}})
    run(job, state=tmp_path / "state")
    shutil.copy(kept(tmp_path), tmp_path / "earlier")
    before = os.stat(tmp_path / "s/d/f")
    os.chmod(tmp_path / "s/d/f", 0o600)
    run(job, state=tmp_path / "state")
    run(job, state=tmp_path / "state")
    spoil(kept(tmp_path), tmp_path / "earlier")
    os.chmod(tmp_path / "s/d/f", before.st_mode)

    assert told(watched_run(job, tmp_path)[1]) == [("metadata", b"d/f")]
    assert watched_run(job, tmp_path)[1].changes == []


def test_a_dry_run_keeps_none(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"d": {"f": b"1"}})
    before = kept(tmp_path).read_bytes()
    (tmp_path / "s/d/f").write_bytes(b"22")
    assert told(watched_run(job, tmp_path, dry_run=True)[1]) == [("modified", b"d/f")]
    assert kept(tmp_path).read_bytes() == before

    kept(tmp_path).unlink()
    watched_run(job, tmp_path, dry_run=True)
    assert not list((tmp_path / "state").glob("*.digests"))

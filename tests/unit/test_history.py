"""What a sync job did is in its catalog, however much it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.opening import open_catalog
from dirsync.model.job import MirrorJob
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import RecordedRun
from dirsync.runner import history
from tests.jobs import run, sync_job
from tests.trees import tree


def recorded(place: Path) -> MirrorJob:
    """Declare a mirror with a history."""
    there = CatalogPlace(url=f"sqlite:///{place}/catalog.db", key_file=f"{place}/catalog.key")
    return structs.replace(sync_job(place / "s", place / "d"), catalog=there)


def runs_and_changes(job: MirrorJob) -> tuple[list[RecordedRun], int]:
    """Give the runs on record, newest first, and how many changes are."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        return catalog.runs(known.job_id), known.next_change - 1


@pytest.mark.parametrize("many", [1, 1000], ids=["counted", "kept"])
def test_a_first_run_is_a_count_and_a_later_one_its_changes(
    many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MANY", many)
    job = recorded(tmp_path)
    tree(tmp_path / "s", {"a": b"1", "b": b"22", "c": {"d": b"333"}})
    run(job, state=tmp_path / "state")
    tree(tmp_path / "s/new", {"e": b"4444", "f": b"55555"})
    run(job, state=tmp_path / "state")

    (later, first), changes = runs_and_changes(job)
    assert (first.is_baseline, first.bytes_added, first.counts.created) == (True, 6, 4)
    assert (later.is_baseline, later.bytes_added, later.counts.created) == (False, 9, 3)
    assert changes == 3


def test_a_catalog_that_cannot_be_opened_is_told_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MANY", 1)
    job = recorded(tmp_path)
    (tmp_path / "catalog.db").mkdir()
    tree(tmp_path / "s", {"a": b"1", "b": b"22"})

    result = run(job, state=tmp_path / "state")

    assert result.counts.created == 2
    assert (tmp_path / "d/b").read_bytes() == b"22"

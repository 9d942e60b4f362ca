"""Content on record is read again in the same order, and staged as well, whatever database it is in."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.contents import Contents
from dirsync.model.job import Compare, Comparison, Fingerprint
from dirsync.model.result import Outcome
from tests.catalogs_on_record import flaws
from tests.contract.catalogs import JOB, directory, opened, stage
from tests.jobs import track_job, watched_run
from tests.trees import tree


def test_content_on_record_comes_oldest_first_or_by_directory(url: str) -> None:
    read = {(1, b"a"): 5, (2, b"a"): 7, (1, b"b"): 9, (2, b"\xff"): 5, (1, b"c"): None}
    with opened(url) as catalog:
        stage(
            catalog.store,
            directories=[directory(1, b""), directory(2, b"d")],
            entries=[
                (number, name, 0o100644, 1, 0, 0, 0, 0, 0, None, at and b"h" * 32, at)
                for (number, name), at in read.items()
            ],
        )
        contents = Contents(catalog, JOB)

        def given(moment: int | None, *, by_directory: bool) -> list[tuple[bytes, bytes]]:
            found = contents.read_before(moment, by_directory=by_directory)
            return [(each.directory.path, each.row.name) for each in found]

        everything = [(b"", b"a"), (b"", b"b"), (b"d", b"a"), (b"d", b"\xff")]
        assert given(None, by_directory=True) == everything
        assert given(None, by_directory=False) == [everything[n] for n in (0, 3, 2, 1)]
        assert given(9, by_directory=True) == [everything[n] for n in (0, 2, 3)]
        assert given(7, by_directory=False) == [everything[n] for n in (0, 3)]
        assert given(5, by_directory=True) == []


@pytest.mark.parametrize("budget_bytes", [None, 1000])
def test_what_is_read_again_leaves_a_sound_catalog(
    url: str, tmp_path: Path, budget_bytes: int | None
) -> None:
    children = {"d": {"f": b"1", "g": b"1"}, "e": {"h": b"1", "i": b"1"}, "m": {"j": b"1"}, "x": {"k": b"1"}}
    job = track_job(tree(tmp_path / "s", children), tmp_path / "state")
    assert job.catalog is not None
    place = structs.replace(job.catalog, url=url)
    hashed = Comparison(by=frozenset({*Comparison().by, Compare.HASH}))
    job = structs.replace(job, catalog=place, comparison=hashed)
    watched_run(job, tmp_path)
    time.sleep(1.6)
    began_at = int(time.time())
    (tmp_path / "s/d/g").write_bytes(b"2")
    os.rename(tmp_path / "s/m", tmp_path / "s/n")
    (tmp_path / "s/x/k").unlink()
    (tmp_path / "s/x").rmdir()
    often = Fingerprint(refresh_seconds=0.5, budget_bytes=budget_bytes)
    result, _ = watched_run(structs.replace(job, fingerprint=often), tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    with opened(url, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        ages = {row.name: row.hashed_at for _, row in catalog.entries(known.job_id) if row.is_file}
    assert ages.keys() == {b"f", b"g", b"h", b"i", b"j"}
    assert min(age for age in ages.values() if age is not None) >= began_at
    assert flaws(job, tmp_path) == []

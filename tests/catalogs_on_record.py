"""What the catalog of a track job says, for tests: its present and earlier states, its runs, its flaws."""

from __future__ import annotations

from pathlib import Path

from dirsync.catalog.opening import open_catalog
from dirsync.model.entry import Entry
from dirsync.model.job import TrackJob
from dirsync.model.recorded import RecordedRun
from dirsync.model.snapshot import Seen
from dirsync.runner.tracking.auditing import verify_catalog
from dirsync.runner.tracking.states import EarlierState, LatestState


def on_record(
    job: TrackJob, place: Path, *, run_id: int | None = None
) -> dict[bytes, tuple[Entry, bytes | None]]:
    """Give each entry and its hash as the newest run left them, or another; its state is `place/state`."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        state = (
            LatestState(job, catalog, known)
            if run_id is None
            else EarlierState(job, catalog, known, run_id=run_id, folder=str(place / "state"))
        )
        seen = [each for each in state.sightings() if isinstance(each, Seen)]
    assert [each.entry.path for each in seen] == sorted(
        (each.entry.path for each in seen), key=lambda path: path.replace(b"/", b"\0")
    )
    return {each.entry.path: (each.entry, each.hash) for each in seen}


def recorded_runs(job: TrackJob) -> list[RecordedRun]:
    """List the runs on record, newest first."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        return catalog.runs(known.job_id)


def flaws(job: TrackJob, place: Path) -> list[str]:
    """Say what `catalog verify` finds."""
    assert job.catalog is not None
    found: list[str] = []
    verify_catalog(
        job.catalog,
        state=str(place / "state"),
        job=None,
        found=lambda flaw: found.append(flaw.text),
        noticed=lambda _: None,
    )
    return found

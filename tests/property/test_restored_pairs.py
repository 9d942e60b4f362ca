"""Whatever a run makes of a destination, the tree it was can be restored, exactly.

The pairs are those of `test_random_pairs`, without attributes: any tree becomes any other. Special files are
kept, too, but not restored. `DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import datetime

from hypothesis import given
from msgspec import structs

from dirsync.model.job import DeletePolicy
from dirsync.model.result import Outcome
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.observer import Silent
from dirsync.runner.restoring import Request, Restore
from tests.jobs import run, sync_job
from tests.property.test_random_pairs import (
    MANY,
    Pair,
    bare,
    linked,
    paired_directories,
    whole,
    workplace,
)
from tests.trees import Snapshot, differences, separated, snapshot, tree


@MANY
@given(pair=paired_directories(3))
def test_the_tree_that_was_comes_back_exactly(pair: Pair) -> None:
    with workplace() as place:
        source, destination = (bare(linked(whole(side), made=[])) for side in pair)
        wanted = snapshot(tree(place / "source", source))
        before = snapshot(tree(place / "destination", destination))
        job = structs.replace(sync_job(place / "source", place / "destination"), delete=DeletePolicy.TRASH)
        at = datetime.datetime.now(datetime.UTC)
        assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
        assert not differences(wanted, mirrored(snapshot(place / "destination")))
        assert run(job, state=place / "state").counts.changes == 0

        request = Request(path=b"", at=at, to=bytes(place / "back"), overwrite=False)
        restore = Restore(job, request, observer=Silent(), deadline=Deadline(Stop(), timeout_seconds=None))
        restore.run(state=str(place / "state"))
        assert restore.counts.failed == 0
        assert not differences(restorable(before), restorable(snapshot(place / "back")))


def mirrored(seen: Snapshot) -> Snapshot:
    return {path: each for path, each in seen.items() if path.split(b"/")[0] != b".dirsync"}


def restorable(seen: Snapshot) -> Snapshot:
    """Leave out special files; names of one file come back as separate files."""
    return {path: each for path, each in separated(seen).items() if each.kind != "special"}

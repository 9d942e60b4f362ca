"""Whatever is renamed, edited, removed and made between two runs, the mirror agrees.

Names, sizes and mtimes are few, so that what moved has look-alikes of other content.
`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec import structs

from dirsync.model.job import DeletePolicy, MirrorJob, PatternLine
from dirsync.model.result import Outcome
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.observer import Silent
from dirsync.runner.restoring import Request, Restore
from tests.jobs import run, sync_job
from tests.property.test_random_pairs import EXAMPLES, MANY, contents, keep_bytes, workplace
from tests.trees import File, Link, Node, Snapshot, ctimes, differences, separated, snapshot, tree

NAMES = [*"abcdef"]
OLD_NS = 1_500_000_000_000_000_000
names = st.sampled_from(NAMES)
small_files = st.builds(
    File,
    st.sampled_from([b"", b"1", b"2", b"11", b"22", b"333", b"4444", b"55555"]),
    st.sampled_from([0o644, 0o644, 0o600]),
    st.integers(0, 2).map(lambda second: OLD_NS + second),
)
nodes: st.SearchStrategy[Node] = st.recursive(
    st.one_of(small_files, small_files, small_files, st.builds(Link, names)),
    lambda inner: st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
trees = st.dictionaries(names, nodes, min_size=2, max_size=6)
numbers = st.integers(0, 1000)
deeds = st.lists(
    st.tuples(
        st.sampled_from(["move"] * 6 + ["link"] * 2 + ["edit", "remove", "make", "chmod"]),
        numbers,
        numbers,
        names,
    ),
    min_size=1,
    max_size=6,
)


def do(root: Path, deed: tuple[str, int, int, str], *, count: int) -> None:
    """Do something to a tree, if it can be done; the numbers choose among what is there."""
    what, one, other, name = deed
    everything = sorted(path for path in root.rglob("*"))
    directories = [root, *(path for path in everything if path.is_dir() and not path.is_symlink())]
    target = directories[other % len(directories)] / name
    if what == "make" and not os.path.lexists(target):
        target.mkdir()
    if not everything:
        return
    path = everything[one % len(everything)]
    is_directory = path.is_dir() and not path.is_symlink()
    if what == "move" and not os.path.lexists(target) and path not in (target, *target.parents):
        os.rename(path, target)
    elif what == "link" and not os.path.lexists(target) and path.is_file() and not path.is_symlink():
        os.link(path, target)
    elif what == "edit" and path.is_file() and not path.is_symlink():
        path.write_bytes(b"x" * (count % 3))
        os.utime(path, ns=(OLD_NS, OLD_NS + 100 + count))
    elif what == "remove":
        shutil.rmtree(path) if is_directory else path.unlink()
    elif what == "chmod" and not path.is_symlink():
        path.chmod(0o711 if is_directory else 0o640)


def hides(before: Snapshot, after: Snapshot) -> bool:
    """Whether a path holds other content of the same size and mtime, which a quick check cannot see."""
    return any(
        (was.kind, was.size, was.mtime_ns) == (seen.kind, seen.size, seen.mtime_ns)
        and was.content != seen.content
        for path, seen in after.items()
        if (was := before.get(path)) is not None
    )


@settings(MANY, max_examples=2 * EXAMPLES)
@given(
    children=trees,
    rounds=st.lists(deeds, min_size=1, max_size=3),
    excludes=st.booleans(),
    keeps=st.booleans(),
    shares=st.booleans(),
)
def test_what_is_renamed_and_edited_between_runs_is_mirrored_and_comes_back(
    children: dict[str, Node],
    rounds: list[list[tuple[str, int, int, str]]],
    excludes: bool,
    keeps: bool,
    shares: bool,
) -> None:
    with workplace() as place:
        job = sync_job(tree(place / "source", children), place / "destination")
        if excludes:
            job = structs.replace(job, exclude=(PatternLine(b"f", "test", 1),))
        if keeps:
            job = structs.replace(job, delete=DeletePolicy.TRASH)
        assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
        was: list[tuple[datetime.datetime, Snapshot]] = []
        for number, some in enumerate(rounds):
            before = snapshot(place / "source")
            was.append((datetime.datetime.now(datetime.UTC), mirrored(place)))
            for count, deed in enumerate(some):
                do(place / "source", deed, count=10 * number + count)
            if hides(before, snapshot(place / "source")):
                return
            run_sharing_files(job, place, excludes=excludes, shares=shares)
        for at, seen in was if keeps else ():
            assert not differences(separated(seen), restored(job, place, at))


def run_sharing_files(job: MirrorJob, place: Path, *, excludes: bool, shares: bool) -> None:
    """Run a job; what shares files with the mirror keeps its bytes, the sides agree, all is done."""
    kept = keep_bytes(place / "destination", place / "kept", files=shares)
    result = run(job, state=place / "state")
    event(f"moved: {result.counts.moved}")
    assert result.outcome is Outcome.SUCCEEDED, result
    wanted = without_excluded(snapshot(place / "source"), excludes)
    assert not differences(wanted, without_excluded(mirrored(place), excludes))
    assert contents(snapshot(place / "kept")) == contents(kept)
    shutil.rmtree(place / "kept")
    run_again_does_nothing(job, place)


def mirrored(place: Path) -> Snapshot:
    """Say what the mirror holds, but for its versions."""
    seen = snapshot(place / "destination")
    return {path: what for path, what in seen.items() if path.split(b"/")[0] != b".dirsync"}


def restored(job: MirrorJob, place: Path, at: datetime.datetime) -> Snapshot:
    """Restore the mirror as it was at a moment, and say what that is."""
    to = place / f"back {at.timestamp()}"
    request = Request(path=b"", at=at, to=bytes(to), overwrite=False)
    restore = Restore(job, request, observer=Silent(), deadline=Deadline(Stop(), timeout_seconds=None))
    restore.run(state=str(place / "state"))
    assert restore.counts.failed == 0
    return snapshot(to)


def run_again_does_nothing(job: MirrorJob, place: Path) -> None:
    touched = ctimes(place / "destination")
    second = run(job, state=place / "state")
    assert second.counts.changes == 0, second.counts
    assert ctimes(place / "destination") == touched


def without_excluded(seen: Snapshot, excludes: bool) -> Snapshot:
    """Leave out what the job excludes, and names that are linked to nothing else."""
    left = {path: what for path, what in seen.items() if not (excludes and b"f" in path.split(b"/"))}
    groups: dict[bytes | None, list[bytes]] = {}
    for path, what in left.items():
        groups.setdefault(what.linked, []).append(path)
    firsts = {linked: min(paths) if len(paths) > 1 else None for linked, paths in groups.items()}
    firsts[None] = None
    return {path: what._replace(linked=firsts[what.linked]) for path, what in left.items()}

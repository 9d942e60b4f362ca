"""Whatever is renamed, edited, removed and made between two runs, the mirror agrees.

Names, sizes and mtimes are few, so that what moved has look-alikes of other content.
`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from dirsync.model.job import Job, PatternLine
from dirsync.model.result import Outcome
from tests.jobs import run, sync_job
from tests.property.test_random_pairs import EXAMPLES, keep_bytes, workplace
from tests.trees import File, Link, Node, Snapshot, ctimes, differences, snapshot, tree

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
    st.tuples(st.sampled_from(["move"] * 6 + ["edit", "remove", "make", "chmod"]), numbers, numbers, names),
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


@settings(
    max_examples=2 * EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(children=trees, rounds=st.lists(deeds, min_size=1, max_size=3), excludes=st.booleans())
def test_what_is_renamed_and_edited_between_runs_is_mirrored(
    children: dict[str, Node], rounds: list[list[tuple[str, int, int, str]]], excludes: bool
) -> None:
    with workplace() as place:
        source, mirror = tree(place / "source", children), place / "destination"
        job = sync_job(source, mirror)
        if excludes:
            job = dataclasses.replace(job, exclude=(PatternLine(b"f", "test", 1),))
        assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
        for number, some in enumerate(rounds):
            before = snapshot(source)
            for count, deed in enumerate(some):
                do(source, deed, count=10 * number + count)
            after = snapshot(source)
            if hides(before, after):
                return
            kept = keep_bytes(mirror, place / f"kept {number}")
            result = run(job, state=place / "state")
            event(f"moved: {result.counts.moved}")
            assert result.outcome is Outcome.SUCCEEDED, result
            assert not differences(
                without_excluded(after, excludes), without_excluded(snapshot(mirror), excludes)
            )
            now = snapshot(place / f"kept {number}")
            assert {path: seen.content for path, seen in now.items()} == {
                path: seen.content for path, seen in kept.items()
            }
            shutil.rmtree(place / f"kept {number}")
            run_again_does_nothing(job, place)


def run_again_does_nothing(job: Job, place: Path) -> None:
    touched = ctimes(place / "destination")
    second = run(job, state=place / "state")
    assert second.counts.changes == 0, second.counts
    assert ctimes(place / "destination") == touched


def without_excluded(seen: Snapshot, excludes: bool) -> Snapshot:
    """Leave out what the job excludes."""
    return {path: what for path, what in seen.items() if not (excludes and b"f" in path.split(b"/"))}

"""Whatever is done to a tree between two runs, the catalog says just that.

The oracle compares what `tests.trees` saw before and after: it knows nothing of
inodes, digests or the catalog. A move is judged by carrying it out on what was there
before: what is left must be what the other changes say.

`DIRSYNC_EXAMPLES=1000` for a long run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import structs

from dirsync.catalog.opening import open_catalog
from dirsync.compare.states import compare_states
from dirsync.model.change import Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.job import Compare, Comparison, TrackJob
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Outcome
from dirsync.model.snapshot import Seen as Seen_
from dirsync.runner.tracking.kept_digests import digests_file, kept_digests, state_of
from dirsync.runner.tracking.states import EarlierState
from tests.jobs import UNGUARDED, track_job, watched_run
from tests.property.test_random_pairs import MANY, workplace
from tests.trees import Fifo, File, Link, Node, Seen, Snapshot, snapshot, tree

NAMES: list[bytes] = [*(bytes([n]) for n in b"abcdef"), b"\xff\n", b"a b", b"%41_", b"x" * 255]
OLD_NS = 1_500_000_000_000_000_000
Told = set[tuple[ChangeKind, bytes, frozenset[str]]]
Deed = tuple[str, int, int, bytes]

names = st.sampled_from(NAMES)
files = st.builds(
    File,
    st.sampled_from([b"", b"1", b"2", b"11", b"22", b"4444"]),
    st.sampled_from([0o644, 0o644, 0o600]),
    st.integers(0, 2).map(lambda second: OLD_NS + second),
)
nodes: st.SearchStrategy[Node] = st.recursive(
    st.one_of(files, files, files, st.builds(Link, st.sampled_from(["a", "b/c"])), st.builds(Fifo)),
    lambda inner: st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
trees = st.dictionaries(names, nodes, min_size=2, max_size=6)
numbers = st.integers(0, 1000)
KINDS = ["move"] * 5 + [
    "remove",
    "make",
    "create",
    "edit",
    "same size",
    "chmod",
    "chown",
    "swap kind",
    "touch",
]
deeds = st.lists(st.tuples(st.sampled_from(KINDS), numbers, numbers, names), min_size=1, max_size=7)


def do(root: bytes, deed: Deed, *, count: int) -> None:
    """Do something to a tree, if it can be done; the numbers choose among what is there."""
    what, one, other, name = deed
    found = sorted(_walk(root))
    directories = [root, *(path for path in found if _is_directory(path))]
    target = os.path.join(directories[other % len(directories)], name)
    is_free = not os.path.lexists(target)
    if what == "make" and is_free:
        os.mkdir(target)
    elif what == "create" and is_free:
        Path(os.fsdecode(target)).write_bytes(b"n" * (count % 3))
    if not found:
        return
    path = found[one % len(found)]
    is_file = os.path.isfile(path) and not os.path.islink(path)
    if what == "move" and is_free and not (target + b"/").startswith(path + b"/"):
        os.rename(path, target)
    elif what in ("edit", "same size") and is_file:
        size = os.path.getsize(path) + (what == "edit")
        Path(os.fsdecode(path)).write_bytes(bytes([count % 250]) * size)
        os.utime(path, ns=(OLD_NS, OLD_NS + 1000 + count))
    elif what == "remove":
        _remove(path)
    elif what == "swap kind":
        was_directory = _is_directory(path)
        _remove(path)
        Path(os.fsdecode(path)).write_bytes(b"now a file") if was_directory else os.mkdir(path)
    elif what == "chmod" and not os.path.islink(path):
        os.chmod(path, 0o711 if _is_directory(path) else 0o640)
    elif what == "chown":
        os.chown(path, 1234 + count % 2, 5, follow_symlinks=False)
    elif what == "touch":
        os.utime(path, ns=(OLD_NS, OLD_NS + 2000 + count), follow_symlinks=False)


def _walk(root: bytes) -> list[bytes]:
    return [os.path.join(at, name) for at, folders, others in os.walk(root) for name in folders + others]


def _is_directory(path: bytes) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _remove(path: bytes) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def moved(before: Snapshot, changes: list[Change]) -> Snapshot:
    """Carry out the moves that were told on what was there before, all at once."""
    now = dict(before)
    taken: dict[bytes, Snapshot] = {}
    moves = {
        change.path: change.old.path for change in changes if change.kind is ChangeKind.MOVED and change.old
    }
    for new, old in sorted(moves.items(), key=lambda each: -each[1].count(b"/")):  # out of others first
        beneath = [path for path in now if path == old or path.startswith(old + b"/")]
        assert beneath, f"{old!r} was moved, and was not there"
        taken[new] = {path[len(old) :]: now.pop(path) for path in beneath}
    for new, what in taken.items():
        assert new not in now, f"{new!r} was moved to where something was"
        now |= {new + rest: each for rest, each in what.items()}
    return now


def expected(before: Snapshot, after: Snapshot, *, hashes: bool, moves: list[Change]) -> Told:
    """Say what differs between two snapshots, in the words of a change."""
    told: Told = set()
    explained: set[bytes] = set()
    for change in moves:
        assert change.old is not None
        explained |= {_parent(change.path), _now(_parent(change.old.path), moves)}
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            told.add((ChangeKind.DELETED if new is None else ChangeKind.CREATED, path, frozenset()))
            explained.add(_parent(path))
            continue
        aspects = _aspects(old, new, hashes=hashes)
        content = aspects & {"kind", "size", "target", "hash"}
        if new.kind == "file" and "mtime" in aspects and not hashes:
            content |= {"mtime"}
        if content:
            explained.add(_parent(path))
        if aspects:
            told.add((ChangeKind.MODIFIED if content else ChangeKind.METADATA, path, frozenset(aspects)))
    return {
        each
        for each in told
        if not (each[2] == {"mtime"} and each[1] in explained and after[each[1]].kind == "directory")
    }


def _now(path: bytes, moves: list[Change]) -> bytes:
    """Say where what was at a path is now."""
    olds = {change.old.path: change.path for change in moves if change.old}
    above = max((old for old in olds if (path + b"/").startswith(old + b"/")), key=len, default=None)
    return path if above is None else olds[above] + path[len(above) :]


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _aspects(old: Seen, new: Seen, *, hashes: bool) -> set[str]:
    if old.kind != new.kind:
        return {"kind"}
    pairs = {
        "size": (old.size, new.size) if new.kind == "file" else (0, 0),
        "mtime": (old.mtime_ns, new.mtime_ns),
        "mode": (old.mode, new.mode) if new.kind != "symlink" else (0, 0),
        "ownership": ((old.uid, old.gid), (new.uid, new.gid)),
        "target": (old.target, new.target),
        "hash": (old.content, new.content) if hashes else (0, 0),
    }
    return {name for name, (one, other) in pairs.items() if one != other}


def check_moves(before: Snapshot, after: Snapshot, moves: list[Change]) -> None:
    """Check that a file that was moved is the same file."""
    for change in moves:
        assert change.old is not None
        new = after[change.path]
        event("a directory moved" if new.kind == "directory" else "a file moved")
        old = before.get(change.old.path)
        if new.kind == "file" and old is not None:
            assert (old.content, old.size) == (new.content, new.size)


def recorded(job: TrackJob) -> dict[bytes, tuple[object, ...]]:
    """Read the current view of a job's catalog, path by path."""
    assert job.catalog is not None
    view: dict[bytes, tuple[object, ...]] = {}
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        paths = {each.directory_id: each.path for each in catalog.directories_beneath(known.job_id, b"")}
        for directory_id, row in catalog.entries(known.job_id):
            path = b"/".join(part for part in (paths[directory_id], row.name) if part)
            view[path] = (
                row.kind.value,
                row.mode & 0o7777,
                row.uid,
                row.gid,
                row.size,
                row.mtime_ns,
                row.target,
            )
        assert known.entries == len(view) - 1
    return view


def check_kept_digests(job: TrackJob, folder: Path) -> None:
    """Check that what is kept for the next run is what is on record now, no less and no more."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        kept = kept_digests(digests_file(str(folder / "state"), job.name), catalog.sealer)
        assert known is not None
        assert kept is not None
        assert kept.state == state_of(catalog, known)
        on_record = {path: digest for path, digest in catalog.digests(known.job_id) if digest is not None}
        assert len(kept.digests) == len(on_record)
        assert {path: kept.digests.of(path) for path in on_record} == on_record


def states(job: TrackJob, folder: Path) -> list[dict[bytes, tuple[object, ...]]]:
    """Read the state after each run, the first one first."""
    assert job.catalog is not None
    found = []
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        for run in reversed(catalog.runs(known.job_id)):
            state = EarlierState(job, catalog, known, run_id=run.run_id, folder=str(folder))
            view: dict[bytes, tuple[object, ...]] = {}
            for sighting in state.sightings():
                assert isinstance(sighting, Seen_)
                view[sighting.path] = seen_as(sighting.entry)
            assert list(view) == sorted(view, key=lambda path: path.replace(b"/", b"\0"))
            found.append(view)
    return found


def seen_as(entry: Entry) -> tuple[object, ...]:
    """Give what `seen` gives of an entry."""
    figures = (entry.permissions, entry.uid, entry.gid, entry.size, entry.mtime_ns)
    return (entry.kind.value, *figures, entry.target)


def diff_of_last_run(job: TrackJob, folder: Path) -> Told:
    """Compare what the catalog has of before and of after the newest run, as `diff` does."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        after, before = (
            EarlierState(job, catalog, known, run_id=run.run_id, folder=str(folder))
            for run in catalog.runs(known.job_id, limit=2)
        )
        return told_of(each for each in compare_states(before, after) if isinstance(each, Change))


def last_recorded(job: TrackJob) -> Told:
    """Read what the newest run recorded as changes."""
    assert job.catalog is not None
    with open_catalog(job.catalog, may_create=False) as catalog:
        known = catalog.job(job.name)
        assert known is not None
        (run,) = catalog.runs(known.job_id, limit=1)
        changes = catalog.changes(known.job_id, first=run.first_change, last=run.last_change)
        return told_of(changes)


def told_of(changes: Iterable[Change | RecordedChange]) -> Told:
    return {(each.kind, each.path, frozenset(aspect.value for aspect in each.aspects)) for each in changes}


def seen(root: Path) -> dict[bytes, tuple[object, ...]]:
    return {path: tuple(each[:7]) for path, each in snapshot(root).items()}


@MANY
@given(
    children=trees,
    rounds=st.lists(deeds, min_size=1, max_size=3),
    hashes=st.booleans(),
    renames=st.booleans(),
)
def test_the_catalog_says_what_was_done(
    children: dict[bytes, Node], rounds: list[list[Deed]], hashes: bool, renames: bool
) -> None:
    with workplace() as place:
        source = tree(place / "source", children)
        job = structs.replace(track_job(source, place / "state"), moves=renames, guard=UNGUARDED)
        if hashes:
            job = structs.replace(job, comparison=Comparison(by=frozenset({*Comparison().by, Compare.HASH})))
        result, watched = watched_run(job, place)
        assert result.outcome is Outcome.SUCCEEDED
        assert {change.path for change in watched.changes} == snapshot(source).keys() - {b""}
        check_kept_digests(job, place)
        were = [seen(source)]
        for some in rounds:
            before = snapshot(source)
            for count, deed in enumerate(some):
                do(os.fsencode(source), deed, count=count)
            after = snapshot(source)
            result, watched = watched_run(job, place)

            moves = [change for change in watched.changes if change.kind is ChangeKind.MOVED]
            told = told_of(change for change in watched.changes if change.kind is not ChangeKind.MOVED)
            check_moves(before, after, moves)
            wanted = expected(moved(before, watched.changes), after, hashes=hashes, moves=moves)
            there = {path: aspects for _, path, aspects in wanted}
            for move in moves:
                within = {"mtime"} if move.entry.is_directory else set()
                besides = frozenset(aspect.value for aspect in move.aspects)
                assert besides == there.get(move.path, frozenset()) - within
            paths = {move.path for move in moves}
            assert told == {each for each in wanted if each[1] not in paths}
            assert renames or not moves
            assert last_recorded(job) == told_of(watched.changes)
            without_root = {each for each in expected(before, after, hashes=hashes, moves=[]) if each[1]}
            assert diff_of_last_run(job, place) == without_root
            assert recorded(job) == seen(source)
            check_kept_digests(job, place)
            assert result.counts.scanned == len(after) - 1
            were.append(seen(source))
        assert not watched_run(job, place)[1].changes
        assert states(job, place)[:-1] == [{path: was[path] for path in was if path} for was in were]

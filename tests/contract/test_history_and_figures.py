"""What a report counts, and where a path's history is, on every database alike."""

from __future__ import annotations

import contextlib
import datetime
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from dirsync.catalog.accepting import accept
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.moves import path_now
from dirsync.catalog.overview import Overview
from dirsync.catalog.recording import recording
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import JobType, Severity
from dirsync.model.recorded import Recorded, RecordedChange, RecordedRun
from dirsync.model.result import Counts, Outcome
from dirsync.runner.recorded_jobs import Record
from dirsync.runner.tracing import Trace
from tests.contract.catalogs import opened

BEGIN = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
NAMES = [b"a", b"b", b"%", b"_", b"\xff", b"\\", b"a\n", b"long" * 60]


def recorded(size: int, *, mode: int = 0o100644, hash_: bytes | None = None) -> Recorded:
    return Recorded(b"", mode, size, 1, 1, 0, 0, 1, None, hash_)


class Past:
    """One job whose runs record what they are told."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        catalog.add_job("a", source=b"/", machine="m")

    @property
    def record(self) -> Record:
        known = self.catalog.job("a")
        assert known is not None
        return Record(self.catalog, known)

    @property
    def overview(self) -> Overview:
        return Overview(*self.record[:1], self.record.known.job_id)

    def run(self, *changes: RecordedChange, entries: int = 0, byte_count: int = 0, added: int = 0) -> None:
        """Record a run, an hour after the one before; the first is the baseline."""
        catalog, known = self.record
        run_id = (known.last_run or 0) + 1
        counts = Counts()
        with recording(catalog, known, run_id=run_id) as rows:
            for change in changes:
                setattr(counts, change.kind.value, getattr(counts, change.kind.value) + 1)
                rows.change(
                    change.path,
                    kind=change.kind,
                    old=change.old,
                    new=change.new,
                    aspects=change.aspects,
                    severity=change.severity,
                    old_path=change.old_path,
                    rotted=change.rotted,
                )
            at = BEGIN + run_id * HOUR
            run = RecordedRun(
                run_id=run_id,
                type=JobType.TRACK,
                started_at=at,
                finished_at=at,
                outcome=Outcome.SUCCEEDED,
                counts=counts,
                entries=entries,
                bytes_total=byte_count,
                bytes_added=added,
                is_baseline=run_id == 1,
            )
            rows.commit(run, scope=b"", ending=contextlib.nullcontext)


@pytest.fixture
def past(url: str) -> Iterator[Past]:
    with opened(url) as catalog:
        past = Past(catalog)
        past.run(entries=5, byte_count=50, added=50)
        yield past


def told(
    path: bytes,
    kind: ChangeKind,
    *,
    old: Recorded | None = None,
    new: Recorded | None = None,
    severity: Severity | None = Severity.WARNING,
    old_path: bytes | None = None,
    rotted: bool = False,
) -> RecordedChange:
    aspects = frozenset({Aspect.SIZE}) if kind is ChangeKind.MODIFIED else frozenset[Aspect]()
    return RecordedChange(0, 0, path, old_path, kind, aspects, severity, old, new, None, rotted)


def created(path: bytes, size: int = 1, **more: Severity | None) -> RecordedChange:
    return told(path, ChangeKind.CREATED, new=recorded(size), **more)  # type: ignore[arg-type]


def moved(old_path: bytes, path: bytes) -> RecordedChange:
    directory = recorded(0, mode=0o040755)
    return told(path, ChangeKind.MOVED, old=directory, new=directory, old_path=old_path)


def test_subtrees_are_counted_as_one_would_by_hand(past: Past) -> None:
    """Two hundred random changes under odd names, at every depth."""
    rng = random.Random(1)
    changes = []
    for _ in range(200):
        path = b"/".join(rng.choice(NAMES) for _ in range(rng.randint(1, 5)))
        size = rng.randrange(1 << 40)
        changes.append(
            rng.choice(
                [
                    created(path, size),
                    told(path, ChangeKind.DELETED, old=recorded(size)),
                    told(path, ChangeKind.MODIFIED, old=recorded(3), new=recorded(size)),
                    told(path, ChangeKind.METADATA, old=recorded(7), new=recorded(7)),  # does not count
                ]
            )
        )
    past.run(created(b"before/x", 1000))
    first = past.record.known.next_change
    past.run(*changes)

    for depth in (0, 1, 2, 3, 8):
        expected: Counter[tuple[bytes, str]] = Counter()
        grown: Counter[bytes] = Counter()
        for change in changes:
            if change.kind is ChangeKind.METADATA:
                continue
            parent = b"/".join(change.path.split(b"/")[:-1][:depth])
            expected[parent, change.kind.value] += 1
            grown[parent] += (change.new.size if change.new else 0) - (change.old.size if change.old else 0)
        found = past.overview.subtrees(first=first, depth=depth)

        assert sorted(each.path for each in found) == sorted({path for path, _ in expected})
        for each in found:
            assert each.bytes_grown == grown[each.path]
            for kind in ChangeKind:
                assert getattr(each.counts, kind.value) == expected[each.path, kind.value]


def test_spans_tell_what_runs_recorded_and_what_there_was_at_their_end(past: Past) -> None:
    past.run(created(b"x"), entries=6, byte_count=60, added=10)
    past.run(entries=6, byte_count=61, added=1)
    past.run(created(b"y"), created(b"z"), entries=8, byte_count=90, added=29)

    begins = [BEGIN, BEGIN + 2 * HOUR, BEGIN + 3.5 * HOUR, BEGIN + 5 * HOUR]
    spans = past.overview.spans(begins)

    assert [(s.runs, s.changes, s.bytes_added, s.entries, s.bytes_total) for s in spans] == [
        (1, 0, 0, 5, 50),  # the first run: what it saw is no change
        (2, 1, 11, 6, 61),
        (1, 2, 29, 8, 90),
        (0, 0, 0, None, None),
    ]
    assert past.overview.before(BEGIN + 2 * HOUR) == (5, 50)
    assert past.overview.before(BEGIN) is None
    assert past.overview.first_change_since(BEGIN + 4 * HOUR) == 2
    assert past.overview.first_change_since(BEGIN + 9 * HOUR) is None
    assert past.overview.counts_since(BEGIN) == Counts(created=3)


def test_largest_are_files_by_their_size_and_newest_come_first_of_a_kind(past: Past) -> None:
    past.run(
        created(b"small", 1),
        told(b"went", ChangeKind.DELETED, old=recorded(1 << 50)),
        told(b"grew", ChangeKind.MODIFIED, old=recorded(1), new=recorded(500)),
        told(b"directory", ChangeKind.CREATED, new=recorded(4096, mode=0o040755)),
        moved(b"was", b"is"),
    )

    largest = past.overview.largest(first=1, limit=9)
    glimpses = list(past.overview.glimpses(ChangeKind.CREATED, first=1, limit=9))

    assert [change.path for change in largest] == [b"went", b"grew", b"small"]
    assert [(each.path, each.is_directory, each.size) for each in glimpses] == [
        (b"directory", True, 0),
        (b"small", False, 1),
    ]


def test_what_is_open_is_counted_until_it_is_accepted(past: Past) -> None:
    """An acceptance covers a path and what is beneath it, also what moved off it, up to its last change."""
    past.run(
        created(b"a/x", severity=Severity.CRITICAL),
        created(b"ab"),
        moved(b"a/y", b"c"),
        created(b"sync", severity=None),
        told(b"a/r", ChangeKind.MODIFIED, old=recorded(1), new=recorded(1), rotted=True),
    )
    past.run(created(b"a/later"))
    overview = past.overview
    assert overview.open_counts() == {Severity.CRITICAL: 1, Severity.WARNING: 4}
    assert [each.path for each in overview.open_glimpses(Severity.WARNING, limit=2)] == [b"a/later", b"a/r"]
    assert [change.path for change in overview.open_rot(limit=5)[1]] == [b"a/r"]

    catalog, known = past.record
    accepted = accept(
        catalog, known, path=b"a", last_change=5, who="me", at=BEGIN, ending=contextlib.nullcontext
    )
    catalog, known = past.record
    again = accept(
        catalog, known, path=b"a", last_change=5, who="me", at=BEGIN, ending=contextlib.nullcontext
    )

    assert accepted is not None
    assert accepted.counts == {Severity.CRITICAL: 1, Severity.WARNING: 2}
    assert again is None
    assert overview.open_counts() == {Severity.WARNING: 2}
    assert overview.open_rot(limit=5) == (0, [])
    assert [(a.acceptance_id, a.who, a.path, a.last_change) for a in catalog.acceptances(known.job_id)] == [
        (1, "me", b"a", 5)
    ]


def test_history_follows_moves_and_tells_each_change_once(past: Past) -> None:
    past.run(told(b"a/b/x", ChangeKind.MODIFIED, old=recorded(1), new=recorded(2)))
    past.run(moved(b"a", b"n"), moved(b"a/b/x", b"n/b/y"), created(b"a"))  # a new `a` in its place
    past.run(told(b"n/b/y", ChangeKind.MODIFIED, old=recorded(2), new=recorded(3)), created(b"n/b/z"))
    past.run(moved(b"n/b", b"top"))

    def history(path: bytes) -> list[tuple[str, bytes, int]]:
        events = Trace(past.record, path).events()
        return [(e.change.kind.value, e.change.path, e.change.run_id) for e in events]

    assert history(b"top/y") == [
        ("moved", b"top", 5),
        ("modified", b"n/b/y", 4),
        ("moved", b"n/b/y", 3),
        ("modified", b"a/b/x", 2),
    ]
    assert history(b"top/z") == [("moved", b"top", 5), ("created", b"n/b/z", 4)]
    assert history(b"a") == [
        ("created", b"a", 3),
        ("moved", b"n/b/y", 3),
        ("moved", b"n", 3),
        ("modified", b"a/b/x", 2),
    ]
    assert history(b"nothing") == []
    assert len(history(b"")) == 7
    assert Trace(past.record, b"top/y").baseline() is not None
    assert Trace(past.record, b"top/z").baseline() is None
    since = Trace(past.record, b"top/y", since=BEGIN + 4 * HOUR).events()
    assert [event.change.path for event in since] == [b"top", b"n/b/y"]
    kinds = Trace(past.record, b"top/y", kinds=[ChangeKind.MOVED]).events()
    assert [event.change.path for event in kinds] == [b"top", b"n/b/y"]


def test_history_tells_which_move_of_a_directory_above_took_a_path_along(past: Past) -> None:
    """Followed further where that was moved, changed or deleted later; not where nothing was there."""
    past.run(moved(b"d", b"D"), created(b"d"), created(b"D/in"))
    past.run(moved(b"D", b"E"))
    past.run(told(b"E/e/g", ChangeKind.MODIFIED, old=recorded(1), new=recorded(2)))
    past.run(created(b"E/later"), moved(b"E/was", b"was"))

    def history(path: bytes, *kinds: ChangeKind) -> list[bytes]:
        return [event.change.path for event in Trace(past.record, path, kinds=kinds).events()]

    assert history(b"d/e/g") == [b"D"]
    assert history(b"D/e/g") == [b"E", b"D"]
    assert history(b"d/was") == [b"D"]
    assert history(b"d/later") == history(b"d/in") == history(b"d/never") == []
    assert history(b"d/e/g", ChangeKind.CREATED) == []
    assert Trace(past.record, b"d/e/g").baseline() is not None


def test_what_a_change_is_about_is_followed_to_where_it_is_now(past: Past) -> None:
    """Through moves of later runs, of itself and of directories above it; of one run, the nearest tells."""
    past.run(moved(b"c", b"d"), told(b"d/e/a", ChangeKind.MODIFIED, rotted=True))
    past.run(moved(b"d", b"f"))
    past.run(moved(b"f", b"g"), moved(b"f/e", b"g/h"), moved(b"d/e/aa", b"dd"))
    past.run(moved(b"g/h/a", b"g/h/b"), moved(b"x", b"d"))
    catalog, known = past.record
    (change,) = catalog.changes(known.job_id, kinds=["modified"])

    assert path_now(catalog, known.job_id, change) == b"g/h/b"

"""A run that another end orders: what is to be done, what comes of it, what is asked meanwhile."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.entry import Entry
from dirsync.model.job import (
    Comparison,
    DeletePolicy,
    Durability,
    Guard,
    JobType,
    OnError,
    PatternLine,
    Preserve,
    Retries,
    SymlinkPolicy,
    TwoTrees,
    Verify,
    Versions,
)
from dirsync.wire.asks import Question, Seen
from dirsync.wire.beliefs import check_name, check_path, entry_of, seen_of
from dirsync.wire.frames import ProtocolError

_MOST_LINES = 10_000
_LONGEST_LINE = 4_096  # bytes
_MOST_WORKERS = 64
_LONGEST_SECONDS = 5e10  # fifteen centuries
_MOST = 2**62


class OrderedJob(Struct, frozen=True, kw_only=True):
    """What a job says of how its destination is to be made to agree; the names are `TwoTrees`'s."""

    type: JobType
    include: tuple[PatternLine, ...]
    exclude: tuple[PatternLine, ...]
    ignore_files: tuple[bytes, ...]
    one_file_system: bool
    comparison: Comparison
    symlinks: SymlinkPolicy
    guard: Guard
    on_error: OnError
    timeout_seconds: float | None
    workers: int | None
    bandwidth: int | None
    preserve: frozenset[Preserve]
    delete: DeletePolicy
    delete_excluded: bool
    versions: Versions
    moves: bool
    durability: Durability
    verify: Verify
    retries: Retries


def ordered_job(job: TwoTrees) -> OrderedJob:
    """Say what a job says."""
    return OrderedJob(**{name: getattr(job, name) for name in OrderedJob.__struct_fields__})


class Order(Struct, frozen=True, kw_only=True):
    """A run that is ordered."""

    root: bytes  # beneath the share
    client: str  # who orders, as 16 hexadecimal digits: jobs of one name from two machines are two jobs
    job: str
    ordered: OrderedJob
    dry_run: bool = False
    saves_plan: bool = False
    approves: bool = False  # carry out the plan that is held

    @property
    def changes_nothing(self) -> bool:
        """Whether the run only tells what differs."""
        return self.dry_run or (self.ordered.type is JobType.CHECK and not self.approves)


def name_of_job(job: str, *, client: str) -> str:
    """Name a job as the far end does, so that it is no other machine's."""
    return f"{job}@{client[:8]}"


def check_order(order: Order) -> None:
    """Check an order from another end.

    Raises:
        ProtocolError: something in it is out of its bounds.
    """
    job = order.ordered
    check_path(order.root)
    lines = (*job.include, *job.exclude)
    if len(lines) > _MOST_LINES or any(len(line.text) > _LONGEST_LINE for line in lines):
        raise ProtocolError(f"more than {_MOST_LINES} patterns, or one longer than {_LONGEST_LINE} bytes")
    for name in job.ignore_files:
        check_name(name)
    if job.guard.marker is not None:
        check_name(job.guard.marker.partition(b"/")[0])
        check_path(job.guard.marker)
    _check_figures(job)
    if len(order.client) != 16 or not all(c in "0123456789abcdef" for c in order.client):
        raise ProtocolError("a client without a name")
    if not order.job or len(order.job) > 200 or "/" in order.job or not order.job.isprintable():
        raise ProtocolError("a job without a name")
    if job.type is JobType.TRACK:
        raise ProtocolError("a track job has no destination")


def _check_figures(job: OrderedJob) -> None:
    figures: list[tuple[str, float | None, float, float]] = [
        ("workers", job.workers, 1, _MOST_WORKERS),
        ("bandwidth", job.bandwidth, 1, _MOST),
        ("timeout", job.timeout_seconds, 0, _LONGEST_SECONDS),
        ("modify_window", job.comparison.modify_window_ns, 0, _MOST),
        ("versions: keep", job.versions.keep_seconds, 0, _LONGEST_SECONDS),
        ("versions: count", job.versions.count, 0, _MOST),
        ("retries: attempts", job.retries.attempts, 0, _MOST),
        ("retries: wait", job.retries.wait_seconds, 0, _LONGEST_SECONDS),
    ]
    for limit in (job.guard.max_delete, job.guard.max_change, job.guard.min_free):
        if limit is not None:
            figures.append(("guard", limit.percent, 0, _MOST))
            figures.append(("guard", limit.absolute, 0, _MOST))
            if (limit.percent is None) == (limit.absolute is None):
                raise ProtocolError("a guard whose limit is not one")
    for name, figure, least, most in figures:
        if figure is not None and not least <= figure <= most:  # no number is not, either
            raise ProtocolError(f"{name}: {figure} is out of its bounds")


# What is told


class Asked(Struct, frozen=True, kw_only=True, tag="asked"):
    """Something is asked about the source; the answer is sent under this number."""

    number: int
    question: Question


class Began(Struct, frozen=True, kw_only=True, tag="began"):
    """The run has a name, by which it is answered, stopped, and heard again."""

    run: str


class AtStage(Struct, frozen=True, kw_only=True, tag="stage"):
    """A stage begins."""

    stage: str


class Figures(Struct, frozen=True, kw_only=True, tag="figures"):
    """How far it is; each None where it is as before."""

    scanned: int | None = None
    operations: int | None = None
    bytes_copied: int | None = None
    operations_planned: int | None = None
    bytes_planned: int | None = None


class Changed(Struct, frozen=True, kw_only=True, tag="changed"):
    """A path was changed; in a run that changes nothing: differs."""

    kind: ChangeKind
    old: Seen | None
    new: Seen | None
    aspects: frozenset[Aspect]


class GivenUp(Struct, frozen=True, kw_only=True, tag="failed"):
    """A path was given up."""

    path: bytes
    reason: str


class Noticed(Struct, frozen=True, kw_only=True, tag="noticed"):
    """Something a person should know."""

    text: str


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The run is over."""

    outcome: str
    counts: dict[str, int]
    error: str | None
    signal_number: int | None


Told: TypeAlias = Asked | Began | AtStage | Figures | Changed | GivenUp | Noticed | Ended


def changed_of(change: Change) -> Changed:
    """Put a change into a message."""
    return Changed(kind=change.kind, old=_seen(change.old), new=_seen(change.new), aspects=change.aspects)


def change_of(changed: Changed) -> Change:
    """Give a change that another end tells of.

    Raises:
        ProtocolError: it makes no sense.
    """
    old, new = _entry(changed.old), _entry(changed.new)
    is_created, is_deleted = changed.kind is ChangeKind.CREATED, changed.kind is ChangeKind.DELETED
    if (old is None) != is_created or (new is None) != is_deleted:
        raise ProtocolError("a change of nothing, or to nothing")
    return Change(changed.kind, old, new, changed.aspects)


def _seen(entry: Entry | None) -> Seen | None:
    return None if entry is None else seen_of(entry)


def _entry(seen: Seen | None) -> Entry | None:
    if seen is None or seen.status is None:
        return None
    check_path(seen.path)
    return entry_of(seen.path, seen.status, seen.target)

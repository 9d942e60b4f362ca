"""What must hold of a finished plan before its first change.

Each guard gives one complete sentence when it trips: which, its figures, what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from dirsync.errors import GuardTripped
from dirsync.model.job import Guard, Limit
from dirsync.plan.plan import Plan

Allocated = Callable[[], int]  # bytes that what is to be copied takes on its disk; slow, so asked last


def check_guards(guard: Guard, plan: Plan, *, space: os.statvfs_result, allocated: Allocated) -> None:
    """Let a plan pass, or hold it.

    `space` is what `statvfs` says of the destination.

    Raises:
        GuardTripped: one or more guards tripped; the message names them all.
    """
    tripped = [
        sentence
        for sentence in (
            _source_not_empty(guard, plan),
            _max_delete(guard, plan),
            _max_change(guard, plan),
            _min_free(guard, plan, space, allocated),
        )
        if sentence is not None
    ]
    if tripped:
        raise GuardTripped("; ".join(tripped))


def _source_not_empty(guard: Guard, plan: Plan) -> str | None:
    if not guard.source_not_empty or plan.counts.scanned or not plan.destination_entries:
        return None
    return (
        "guard source_not_empty: the source is empty, and the destination is not "
        f"({plan.destination_entries:,} entries); is it mounted? "
        "If it is meant to be empty, set guard: {source_not_empty: false}"
    )


def _max_delete(guard: Guard, plan: Plan) -> str | None:
    return _too_many(
        guard.max_delete, plan.counts.deleted, plan.destination_entries, name="max_delete", verb="deleted"
    )


def _max_change(guard: Guard, plan: Plan) -> str | None:
    counts = plan.counts
    altered = counts.modified + counts.metadata + counts.moved + counts.deleted
    return _too_many(guard.max_change, altered, plan.destination_entries, name="max_change", verb="changed")


def _too_many(limit: Limit | None, count: int, whole: int, *, name: str, verb: str) -> str | None:
    """Judge a count of entries against a bound on it."""
    if limit is None or not count:
        return None
    if limit.percent is not None:
        share = 100 * count / whole if whole else 100.0
        if share <= limit.percent:
            return None
        bound = f"{share:.3g} %; allowed: {limit.percent:g} %"
    else:
        if count <= (limit.absolute or 0):
            return None
        bound = f"allowed: {limit.absolute:,}"
    return (
        f"guard {name}: {count:,} of {whole:,} entries at the destination would be {verb} ({bound}); "
        f"look at them with --dry-run, and raise guard: {{{name}: …}} if they are right"
    )


def _min_free(guard: Guard, plan: Plan, space: os.statvfs_result, allocated: Allocated) -> str | None:
    if guard.min_free is None or not plan.counts.bytes_copied:
        return None
    whole, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    if not whole:  # a file system that does not say
        return None
    wanted = _bytes_wanted_free(guard.min_free, whole)
    for needed in _bytes_needed(plan, allocated):
        if free - needed >= wanted:
            return None
    return (
        f"guard min_free: {needed:,} bytes are needed and {free:,} bytes are free at the destination, "
        f"of which {wanted:,} must stay free; make room there, or lower guard: {{min_free: …}}"
    )


def _bytes_wanted_free(limit: Limit, whole: int) -> int:
    if limit.percent is not None:
        return int(whole * limit.percent / 100)
    return limit.absolute or 0


def _bytes_needed(plan: Plan, allocated: Allocated) -> Iterator[int]:
    """Give what the plan needs, by the sizes at first; then, more exactly, without the holes."""
    yield max(plan.growth_bytes, 0) + plan.largest_copy_bytes
    holes = plan.counts.bytes_copied - allocated()
    if holes > 0:
        yield max(plan.growth_bytes - holes, 0) + plan.largest_copy_bytes

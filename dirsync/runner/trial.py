"""Whether two directories are one that moved: what a march of the one against the other's place shows."""

from __future__ import annotations

from dirsync.march.found import Context, Found
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Entry
from dirsync.plan.plan import Plan
from dirsync.plan.planner import Planner
from dirsync.runner.scanning import hand_over


class Trial:
    """What the march of a directory against another's place shows of the two being one."""

    def __init__(self, new: Entry, old: Entry, planner: Planner) -> None:
        self._new = new
        self._old = old
        self._planner = planner
        self._failures: list[Failure] = []
        self._destination_entries = 0
        self._is_touched = False
        self._is_whole = True
        planner.add_touched(new, old._replace(path=new.path), selected=True)

    def goes_on(self, found: Found) -> bool:
        """Take a piece of the march; tell whether the two may still be one."""
        failed = {failure.path for failure in found.failures}
        self._is_whole &= not (set(found.kept) - failed) and self._new.path not in failed
        self._is_touched |= any(touched.new.path == self._new.path for touched in found.touched)
        found.touched = [touched for touched in found.touched if touched.new.path != self._new.path]
        self._failures += found.failures
        self._destination_entries += found.destination_entries
        hand_over(found, self._planner)
        return self._is_whole

    def plan(self) -> Plan:
        """Give the plan of what differs."""
        for failure in self._failures:
            self._planner.add_failure(failure)
        return self._planner.finish()

    def is_same(self, *, taken: int, remembered: bool) -> bool:
        """Whether at least half of what is in the larger one agrees; if remembered, in the smaller one.

        Of the old one's entries `taken` have moved elsewhere. Two empty directories are
        one if it is remembered so, and their mtimes agree.
        """
        counts = self._planner.plan.counts
        there = self._destination_entries - taken
        agreeing = there - counts.deleted - counts.modified - len(self._failures)
        wanted = agreeing + counts.created + counts.modified + len(self._failures)
        if not self._is_whole:
            return False
        if not there and not wanted:
            return remembered and self._new.mtime_ns == self._old.mtime_ns
        return agreeing > 0 and 2 * agreeing >= (min if remembered else max)(there, wanted)

    def move(self, context: Context) -> Change:
        """Give the move as a change; an mtime is no news where something in the directory explains it."""
        aspects = context.rules.aspects(self._new, self._old)
        if self._is_touched and aspects <= {Aspect.MTIME}:
            aspects = frozenset()
        return Change(ChangeKind.MOVED, self._old, self._new, aspects)

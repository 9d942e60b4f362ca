"""Which attributes count at which path of a tracked tree, and in what two records of one path differ."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from dirsync.compare.rules import kind_of_change
from dirsync.filters import Scope, Verdict, scope_of
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.entry import Kind
from dirsync.model.job import Compare, Rule, Severity, TrackJob
from dirsync.model.recorded import Recorded

_KEPT_DIRECTORIES = 4096


class Counted(NamedTuple):
    """What counts at one path."""

    attributes: frozenset[Compare]
    growing: bool  # a file may become longer
    severity: Severity


class Counting:
    """The rules of one track job, asked path by path."""

    def __init__(self, job: TrackJob) -> None:
        self._default = Counted(job.comparison.by, growing=False, severity=Severity.WARNING)
        self._rules = [(_counted(rule), scope_of(include=(), exclude=(rule.pattern,))) for rule in job.rules]
        self._scopes_in = functools.lru_cache(maxsize=_KEPT_DIRECTORIES)(self._scopes_of)

    @property
    def is_uniform(self) -> bool:
        """Whether the same counts everywhere."""
        return not self._rules

    def at(self, parent: bytes, name: bytes, *, is_directory: bool) -> Counted:
        """Say what counts at a path: as the last rule that matches it, or a directory above, says."""
        if not self._rules:
            return self._default
        scopes = self._scopes_in(parent)
        for (counted, _), scope in zip(reversed(self._rules), reversed(scopes), strict=True):
            if scope is None or (name and _matches(scope, name, is_directory=is_directory)):
                return counted
        return self._default

    def _scopes_of(self, path: bytes) -> Sequence[Scope | None]:
        """Give each rule's scope in a directory; None: it matches the directory or one above."""
        if not path:
            return [scope for _, scope in self._rules]
        parent, _, name = path.rpartition(b"/")
        return [
            None if scope is None or _matches(scope, name, is_directory=True) else scope.enter(name)
            for scope in self._scopes_in(parent)
        ]


def _counted(rule: Rule) -> Counted:
    return Counted(rule.attributes, rule.growing, rule.severity)


def _matches(scope: Scope, name: bytes, *, is_directory: bool) -> bool:
    return scope.verdict(name, is_directory=is_directory) is Verdict.EXCLUDED


def aspects_of(new: Recorded, old: Recorded, counted: Counted) -> frozenset[Aspect]:
    """Say in what two records of one path differ, as far as it counts."""
    kind = new.kind
    if kind is not old.kind:
        return frozenset({Aspect.KIND})
    by, found = counted.attributes, set()
    if kind is Kind.FILE and not (counted.growing and new.size >= old.size):
        if Compare.SIZE in by and new.size != old.size:
            found.add(Aspect.SIZE)
        if Compare.MTIME in by and new.mtime_ns != old.mtime_ns:
            found.add(Aspect.MTIME)
        if Compare.HASH in by and None not in (new.hash, old.hash) and new.hash != old.hash:
            found.add(Aspect.HASH)
        if counted.growing and new.size < old.size:
            found.add(Aspect.SIZE)
    elif kind is not Kind.FILE and Compare.MTIME in by and new.mtime_ns != old.mtime_ns:
        found.add(Aspect.MTIME)
    if new.target != old.target:
        found.add(Aspect.TARGET)
    if Compare.MODE in by and kind is not Kind.SYMLINK and new.mode != old.mode:
        found.add(Aspect.MODE)
    if Compare.OWNERSHIP in by and (new.uid, new.gid) != (old.uid, old.gid):
        found.add(Aspect.OWNERSHIP)
    return frozenset(found)


def change_of(new: Recorded, old: Recorded, aspects: frozenset[Aspect]) -> ChangeKind:
    """Name what differing in these aspects amounts to; an mtime of equal content is metadata."""
    is_known = not new.is_file or (new.hash is not None and new.hash == old.hash)
    return kind_of_change(aspects, content_is_known=is_known)

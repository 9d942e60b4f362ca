"""Why a path is selected or not, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirsync.filters.scope import Scope, Verdict
from dirsync.model.job import PatternLine
from dirsync.model.names import shown

ReadIgnoreFile = Callable[[bytes], tuple[PatternLine, ...]]


class Explanation(NamedTuple):
    """What decides about a path."""

    verdict: Verdict
    decided_by: PatternLine | None  # None: no line matches
    path_decided: bytes  # the path itself, or the ancestor whose rule decides
    reason: str


class _Step(NamedTuple):
    """One directory on the way down, or the path itself."""

    scope: Scope  # of the directory it is in
    path: bytes
    name: bytes
    is_directory: bool

    @property
    def verdict(self) -> Verdict:
        return self.scope.verdict(self.name, is_directory=self.is_directory)

    @property
    def exclude(self) -> PatternLine | None:
        return self.scope.deciding_exclude(self.name, is_directory=self.is_directory)

    @property
    def include(self) -> PatternLine | None:
        return self.scope.deciding_include(self.name, is_directory=self.is_directory)


def explain(
    root_scope: Scope, path: bytes, *, is_directory: bool, read_ignore_file: ReadIgnoreFile
) -> Explanation:
    """Say what decides about a path, relative to the root, as a walk would.

    `read_ignore_file` is given the path of an ignore file, relative to the root, and
    gives its lines; none where there is no such file.
    """
    if not path:
        return Explanation(Verdict.SELECTED, None, path, "the root itself is always selected")
    included: _Step | None = None
    for step in _steps(root_scope, path, is_directory=is_directory, read_ignore_file=read_ignore_file):
        if step.verdict is Verdict.EXCLUDED:
            return _excluded(step, path=path)
        if step.verdict is Verdict.SELECTED and not step.scope.include_all:
            included = step  # so all beneath is included, and this comes once
    return _entered(step) if included is None else _included(included, path=path)


def _steps(
    scope: Scope, path: bytes, *, is_directory: bool, read_ignore_file: ReadIgnoreFile
) -> Iterator[_Step]:
    names = path.split(b"/")
    parent = b""
    for position, name in enumerate(names, 1):
        for ignore_file in scope.ignore_files:
            scope = scope.with_ignore_file(read_ignore_file(parent + ignore_file))
        yield _Step(scope, parent + name, name, is_directory or position < len(names))
        scope = scope.enter(name)
        parent += name + b"/"


def _excluded(step: _Step, *, path: bytes) -> Explanation:
    line = step.exclude
    if line is None or line.text.startswith(b"!"):
        return Explanation(Verdict.EXCLUDED, step.include, step.path, _not_included(step.include))
    reason = f"excluded by {_quoted(line)}"
    if step.path != path:
        reason = f"'{shown(step.path)}' is {reason}, and nothing beneath an excluded directory is looked at"
    return Explanation(Verdict.EXCLUDED, line, step.path, reason)


def _included(step: _Step, *, path: bytes) -> Explanation:
    line = step.include
    assert line is not None
    reason = f"included by {_quoted(line)}"
    if step.path != path:
        reason = f"'{shown(step.path)}' is {reason}, and so is everything beneath it that is not excluded"
    return Explanation(Verdict.SELECTED, line, step.path, reason)


def _entered(step: _Step) -> Explanation:
    """Explain a path that is let through without an include line that matches."""
    if step.verdict is Verdict.PASSED:
        reason = f"{_not_included(step.include)}, but what is beneath may be selected"
        return Explanation(Verdict.PASSED, step.include, step.path, reason)
    line = step.exclude
    reason = "no line excludes it" if line is None else f"kept from being excluded by {_quoted(line)}"
    return Explanation(Verdict.SELECTED, line, step.path, reason)


def _not_included(line: PatternLine | None) -> str:
    return "no include line matches" if line is None else f"taken out of what is included by {_quoted(line)}"


def _quoted(line: PatternLine) -> str:
    return f"'{shown(line.text)}' ({line.file}:{line.line})"

"""Which directories are gone to, by the gitignore lines that another end sent."""

from __future__ import annotations

from dirsync.filters import Scope, scope_of
from dirsync.model.job import PatternLine
from dirsync.wire.asks import Selecting
from dirsync.wire.frames import ProtocolError

_MOST_LINES = 10_000
_LONGEST_LINE = 4_096  # bytes


def scope_of_top(selecting: Selecting) -> Scope:
    """Give the scope that holds for the children of the directory that is asked about.

    Raises:
        ProtocolError: there are too many lines, or one is too long.
    """
    lines = (*selecting.include, *selecting.exclude)
    if len(lines) > _MOST_LINES or any(len(line) > _LONGEST_LINE for line in lines):
        raise ProtocolError(f"more than {_MOST_LINES} patterns, or one longer than {_LONGEST_LINE} bytes")
    return scope_of(include=_lines(selecting.include), exclude=_lines(selecting.exclude))


def scope_beneath(path: bytes, scope: Scope) -> Scope:
    """Give the scope that holds for the children of a directory beneath another, which has `scope`."""
    if path and not scope.trivial:
        for name in path.split(b"/"):
            scope = scope.enter(name)
    return scope


def _lines(texts: tuple[bytes, ...]) -> list[PatternLine]:
    return [PatternLine(text, "the other end", number) for number, text in enumerate(texts, 1)]

"""`include`: the files that patterns name, sorted.

A pattern is relative to the file it stands in. `*`, `?` and `[…]` match within one
name, and a leading dot only where it is written; directories are listed strictly:
one that cannot be read is a problem, not an empty one.
"""

from __future__ import annotations

import fnmatch
import os

_WILD = frozenset("*?[")


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern may match no file without being wrong."""
    return not _WILD.isdisjoint(pattern)


def matching_files(pattern: str, directory: str) -> list[str]:
    """List the paths that a pattern names, as it writes them, sorted name by name.

    Raises:
        OSError: a directory cannot be listed.
        ValueError: the pattern holds `**` or a NUL.
    """
    if "**" in pattern.split("/") or "\0" in pattern:
        raise ValueError(f"'{pattern}' holds '**'; name each directory, or write '*' for one level")
    found = ["/" if pattern.startswith("/") else ""]
    for part in pattern.split("/"):
        if part:
            found = [path for parent in found for path in _matching(parent, part, directory)]
    return found


def _matching(parent: str, part: str, directory: str) -> list[str]:
    if not has_wildcard(part):
        path = os.path.join(parent, part)
        return [path] if os.path.lexists(os.path.join(directory, path)) else []
    try:
        with os.scandir(os.path.join(directory, parent)) as entries:
            names = sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    shown = (name for name in names if part.startswith(".") or not name.startswith("."))
    return [os.path.join(parent, name) for name in shown if fnmatch.fnmatchcase(name, part)]

"""Where something was, or is, that was moved: by itself, or with a directory above it.

Within one run the old path of a move is of before the run, its path of after it.
"""

from __future__ import annotations

from dirsync.catalog.catalog import Catalog
from dirsync.model.recorded import RecordedChange
from dirsync.trees.handles import ancestors

_NEWEST = (1 << 63) - 1


def path_before(move: RecordedChange, path: bytes) -> bytes:
    """Give the path that what is at a path had before a move of it, or of a directory above it."""
    assert move.old_path is not None
    return move.old_path + path[len(move.path) :]


def path_after(move: RecordedChange, path: bytes) -> bytes:
    """Give the path that what was at a path has after a move of it, or of a directory above it."""
    assert move.old_path is not None
    return move.path + path[len(move.old_path) :]


def path_now(catalog: Catalog, job_id: int, change: RecordedChange) -> bytes:
    """Give the path that what a change is about has now, if it is there still."""
    path, run_id = change.path, change.run_id
    while True:
        off = catalog.moves_off(job_id, [path, *ancestors(path)], first=change.change_id, last=_NEWEST)
        later = [move for move in off if move.run_id > run_id]
        if not later:
            return path
        run_id = min(move.run_id for move in later)
        path = path_after(max((m for m in later if m.run_id == run_id), key=_depth), path)


def _depth(move: RecordedChange) -> int:
    assert move.old_path is not None
    return len(move.old_path)

"""What a job leaves out whatever its lines say: what is dirsync's own, and what it does not carry."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from dirsync.model.entry import Entry, Kind
from dirsync.model.job import Job, JobType, SymlinkPolicy
from dirsync.model.names import shown
from dirsync.model.place import RESERVED
from dirsync.trees.fsops import is_temporary
from dirsync.trees.handles import ancestors, split
from dirsync.trees.source import SourceTree


class LeftOut(NamedTuple):
    """Why a path is left out."""

    path: bytes  # the path itself, or the one above it that decides
    reason: str


def own(path: bytes) -> LeftOut | None:
    """Tell that a path is dirsync's own; None: it is not."""
    if path == RESERVED or path.startswith(RESERVED + b"/"):
        reason = f"'{shown(RESERVED)}' at the top is dirsync's own, and no part of the tree"
        return LeftOut(RESERVED, reason)
    if is_temporary(split(path)[1]):
        return LeftOut(path, "it is a temporary file of dirsync, and no part of the tree")
    return None


def left_out(job: Job, path: bytes, tree: SourceTree) -> LeftOut | None:
    """Tell why a job leaves out what is at a path of its source; None: by its kind and place it does not."""
    above = (_not_entered(job, each, tree) for each in reversed(list(ancestors(path))))
    found = next((each for each in above if each is not None), None)
    if found is not None:
        return found
    entry = _seen(tree, path)
    reason = None if entry is None else _not_carried(job, entry)
    return None if reason is None else LeftOut(path, reason)


def _not_entered(job: Job, directory: bytes, tree: SourceTree) -> LeftOut | None:
    entry = _seen(tree, directory)
    if entry is None:
        return None
    if entry.kind is Kind.SYMLINK:
        return LeftOut(directory, f"'{shown(directory)}' is a symlink, which the job does not follow")
    if job.one_file_system and entry.is_directory and entry.dev != tree.directory(b"").dev:
        reason = f"'{shown(directory)}' is on another file system, and the job has 'one_file_system: true'"
        return LeftOut(directory, reason)
    return None


def _not_carried(job: Job, entry: Entry) -> str | None:
    if entry.kind is Kind.SYMLINK and job.symlinks is SymlinkPolicy.SKIP:
        return "it is a symlink, and the job skips symlinks"
    if entry.kind is Kind.SPECIAL and job.type is not JobType.TRACK:
        return "it is a socket, a FIFO or a device, which no job copies"
    return None


def _seen(tree: SourceTree, path: bytes) -> Entry | None:
    with contextlib.suppress(OSError):
        return tree.entry(path)
    return None

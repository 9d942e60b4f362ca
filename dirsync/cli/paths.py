"""Paths of a job, as people name them on the command line."""

from __future__ import annotations

import os

from dirsync.cli.parsing import usage_error
from dirsync.model.job import Job
from dirsync.model.names import escaped, shown
from dirsync.model.place import LocalPlace


def path_below(job: Job, text: str) -> bytes:
    """Make a path relative to the job's source.

    Raises:
        ConfigError: it lies outside the source.
    """
    top = job.source.path if isinstance(job.source, LocalPlace) else b"/"  # of a far source
    path = os.path.normpath(os.path.join(top, os.fsencode(text)))
    root = os.path.normpath(top)
    if path == root:
        return b""
    below = root.rstrip(b"/") + b"/"
    if not path.startswith(below):
        raise usage_error(f"'{escaped(text)}' is not beneath the source of '{job.name}', '{shown(root)}'")
    return path[len(below) :]

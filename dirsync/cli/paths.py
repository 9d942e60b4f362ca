"""Paths of a job, as people name them on the command line."""

from __future__ import annotations

import os

from dirsync.cli.parsing import usage_error
from dirsync.model.job import Job
from dirsync.model.names import escaped, shown


def path_below(job: Job, text: str) -> bytes:
    """Make a path relative to the job's source.

    Raises:
        ConfigError: it lies outside the source.
    """
    path = os.path.normpath(os.path.join(job.source.path, os.fsencode(text)))
    root = os.path.normpath(job.source.path)
    if path == root:
        return b""
    below = root.rstrip(b"/") + b"/"
    if not path.startswith(below):
        raise usage_error(f"'{escaped(text)}' is not beneath the source of '{job.name}', '{shown(root)}'")
    return path[len(below) :]

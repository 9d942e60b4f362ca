"""Short ways to declare jobs in tests, and to see what is wrong with them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from dirsync.config import Configuration, load
from dirsync.errors import ConfigError
from dirsync.model.job import MirrorJob


def declared(directory: Path, text: str) -> Configuration:
    """Load a text as the jobs.yaml of a directory."""
    file = directory / "jobs.yaml"
    file.write_text(textwrap.dedent(text))
    return load(str(file))


def job_with(directory: Path, keys: str) -> MirrorJob:
    """Load one job, `a`, from `s` to `d`, with these lines of keys besides."""
    job = declared(directory, _one_job(keys)).jobs[0]
    assert isinstance(job, MirrorJob)
    return job


def problems_of(directory: Path, text: str) -> list[str]:
    """List what is wrong with a text, file names relative to its directory."""
    try:
        declared(directory, text)
    except ConfigError as error:
        return [line.replace(f"{directory}/", "") for line in error.problems]
    return []


def problems_with(directory: Path, keys: str) -> list[str]:
    """List what is wrong with one job, `a`, that has these lines of keys; the first is line 6."""
    return problems_of(directory, _one_job(keys))


def _one_job(keys: str) -> str:
    head = "version: 1\njobs:\n  a:\n    source: s\n    destination: d\n"
    return head + textwrap.indent(textwrap.dedent(keys), "    ")

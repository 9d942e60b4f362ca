"""Which jobs the command line asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from dirsync.cli.parsing import did_you_mean, usage_error
from dirsync.model.job import Job, MirrorJob, PushJob
from dirsync.model.names import shown
from dirsync.model.place import VERSIONS


def selected_jobs(jobs: Sequence[Job], patterns: Sequence[str]) -> tuple[Job, ...]:
    """Give the jobs asked for, in the order of the file; without patterns: all that are enabled.

    A pattern is a job's name, or a shell wildcard. A disabled job runs only when it is named.

    Raises:
        ConfigError: a pattern matches no job.
    """
    if not patterns:
        return tuple(job for job in jobs if job.enabled)
    names = {name for pattern in patterns for name in _matches(pattern, jobs)}
    return tuple(job for job in jobs if job.name in names)


def job_named(jobs: Sequence[Job], name: str) -> Job:
    """Give one job.

    Raises:
        ConfigError: there is no such job.
    """
    for job in jobs:
        if job.name == name:
            return job
    known = [job.name for job in jobs]
    raise usage_error(f"no job '{name}'{did_you_mean(name, known) or _the_jobs_are(known)}")


def job_of_two_trees(jobs: Sequence[Job], name: str, *, to: str) -> MirrorJob | PushJob:
    """Give one job between two trees; `to` says what for, as `restore from`.

    Raises:
        ConfigError: there is no such job, or it has no destination.
    """
    job = job_named(jobs, name)
    if not isinstance(job, MirrorJob | PushJob):
        raise usage_error(f"'{name}' is a {job.type.value} job, which has no destination to {to}")
    return job


def mirror_job_named(jobs: Sequence[Job], name: str, *, to: str) -> MirrorJob:
    """Give one job whose destination is on this machine, as `job_of_two_trees` does.

    Raises:
        ConfigError: there is no such job, or it has no destination here.
    """
    job = job_of_two_trees(jobs, name, to=to)
    if isinstance(job, PushJob):
        raise usage_error(
            f"'{name}' has no destination here to {to}: what it deletes or overwrites lies at "
            f"'{job.destination}', in '{shown(VERSIONS)}'"
        )
    return job


def _matches(pattern: str, jobs: Sequence[Job]) -> list[str]:
    if any(job.name == pattern for job in jobs):
        return [pattern]
    matching = [job for job in jobs if fnmatch.fnmatchcase(job.name, pattern)]
    enabled = [job.name for job in matching if job.enabled]
    if matching and not enabled:
        raise usage_error(f"'{pattern}' matches disabled jobs only; name one in full to run it")
    if not enabled:
        job_named(jobs, pattern)
    return enabled


def _the_jobs_are(known: Sequence[str]) -> str:
    return f"; the jobs are {', '.join(known)}" if known else "; there are none"

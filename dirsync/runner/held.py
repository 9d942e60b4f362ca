"""Plans that wait until somebody approves them: one a job, in the state directory.

A plan is there whole or not at all; the next one takes its place. Whoever stores or
removes one holds the job's lock.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from typing import IO

from dirsync.errors import RunError
from dirsync.model.change import Failure
from dirsync.model.job import MirrorJob
from dirsync.model.names import escaped, in_words
from dirsync.model.operation import Operation
from dirsync.plan.plan import Plan
from dirsync.runner.declared import declaration_of
from dirsync.runner.held_file import HeldPlan, read_header, read_steps, write_plan
from dirsync.runner.held_place import FOLDER, path_of_plan
from dirsync.runner.places import Places
from dirsync.runner.roots import root_of
from dirsync.runner.state import ensure_state_directory, flush_directory

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN


def hold(job: MirrorJob, places: Places, plan: Plan, *, state: str, reason: str | None) -> str:
    """Store a plan for `approve`; say how to go on, or why it is not held.

    `reason` is what a guard said; None: somebody asked to save a dry run.

    Raises:
        OSError: the plan of a dry run could not be stored.
        RunError: there is no place for it.
    """
    if reason is None and not len(plan):
        return "there is nothing to do, so no plan is held"
    try:
        store_plan(state, _about(job, places, plan, reason=reason), plan)
    except OSError as error:
        if reason is None:
            raise
        return f"its plan cannot be stored ({in_words(error)}), so it cannot be approved"
    return f"the plan is held; approve it with: dirsync approve {shlex.quote(job.name)}"


def _about(job: MirrorJob, places: Places, plan: Plan, *, reason: str | None) -> HeldPlan:
    source = root_of(places.source)
    assert source is not None
    return HeldPlan(
        job=job.name,
        made_at=datetime.datetime.now(datetime.UTC),
        reason=reason,
        declaration=declaration_of(job),
        source=source,
        destination=root_of(places.destination),
        counts=plan.counts,
    )


def store_plan(state: str, about: HeldPlan, plan: Plan) -> None:
    """Store a plan durably, in place of the one that was held.

    Raises:
        OSError: it could not be stored; the one that was held still is.
        RunError: there is no place for it.
    """
    ensure_state_directory(state)
    folder = os.path.join(state, FOLDER)
    ensure_state_directory(folder)
    path = path_of_plan(state, about.job)
    unfinished = f"{path}.tmp"  # of a killed run, too: the job's lock makes it ours
    try:
        with os.fdopen(os.open(unfinished, _WRITE, 0o600), "wb") as file:
            write_plan(file, about, plan)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    flush_directory(folder)


def is_held(state: str, job: str) -> bool:
    """Whether a plan of a job waits to be approved, readable or not.

    Raises:
        RunError: the state directory cannot be looked at.
    """
    try:
        os.lstat(path_of_plan(state, job))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(state, job, error.strerror or str(error)) from error
    return True


def held_plan(state: str, job: str) -> HeldPlan | None:
    """Tell what plan of a job waits to be approved; None: none does.

    Raises:
        RunError: there is one, but it cannot be read.
    """
    with contextlib.suppress(FileNotFoundError), _opened(state, job) as file:
        return _header(file, job)
    return None


def load_plan(
    state: str,
    job: str,
    *,
    keeps_versions: bool,
    check: Callable[[HeldPlan], None],
    adapted: Callable[[HeldPlan, Operation], Operation],
) -> Plan:
    """Read a whole plan back; `check` may refuse it first, `adapted` may alter each step.

    Raises:
        RunError: none is held, or it cannot be read to its end.
    """
    plan = Plan(folder=state, keeps_versions=keeps_versions)
    try:
        with _opened(state, job) as file:
            about = _header(file, job)
            check(about)
            for item in read_steps(file):
                if isinstance(item, Failure):
                    plan.failures.append(item)
                else:
                    plan.add(adapted(about, item))
    except FileNotFoundError:
        plan.close()
        raise RunError(f"'{job}': its plan is held no more") from None
    except BaseException:
        plan.close()
        raise
    return plan


@contextlib.contextmanager
def _opened(state: str, job: str) -> Iterator[IO[bytes]]:
    """Open a plan's file; what is wrong with it becomes a `RunError`, but that it is not there."""
    try:
        with os.fdopen(os.open(path_of_plan(state, job), os.O_RDONLY | os.O_NONBLOCK | _OPEN), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no regular file")
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(state, job, error.strerror or str(error)) from error
    except ValueError as error:
        raise _unusable(state, job, str(error)) from error


def _header(file: IO[bytes], job: str) -> HeldPlan:
    about = read_header(file)
    if about.job != job:
        raise ValueError("it is another job's")
    return about


def _unusable(state: str, job: str, reason: str) -> RunError:
    path = escaped(path_of_plan(state, job))
    return RunError(f"'{job}': the held plan '{path}' cannot be used: {reason}; run the job to get a new one")

"""Which job and run the code at hand works for, so that each log line can name them.

The context follows the thread that runs the job. A worker thread has it when its
calls go through `contextvars.copy_context().run`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from msgspec import Struct

FOR_PEOPLE = {"for_people": True}  # `extra` of a log line that nothing but the log tells people of


class RunContext(Struct, frozen=True):
    """Who speaks; each is None while it is not known."""

    job: str | None = None
    run_id: int | None = None


_current: ContextVar[RunContext] = ContextVar("dirsync_run", default=RunContext())  # noqa: B039 - frozen


def current_run() -> RunContext:
    """Give the job and the run that the calling thread works for."""
    return _current.get()


@contextlib.contextmanager
def running(job: str) -> Iterator[None]:
    """Name the job while the block runs; nested, the inner one counts."""
    token = _current.set(RunContext(job))
    try:
        yield
    finally:
        _current.reset(token)


def set_run_id(run_id: int) -> None:
    """Name the run as well, once the ledger has given it an id; call it inside `running`."""
    _current.set(RunContext(_current.get().job, run_id))

"""Telling people how runs end, where the configuration says whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dirsync.cli.output.lines import Mask
from dirsync.cli.watching import Show
from dirsync.config import Configuration
from dirsync.model.job import Job

if TYPE_CHECKING:
    from dirsync.runner.outbox import Outbox
    from dirsync.scheduler.stale import Stale

PATIENCE_SECONDS = 75.0  # that `--now` waits for its messages: three attempts at a server that is not there


def outbox_for(configuration: Configuration, *, show: Show, mask: Mask) -> Outbox | None:
    """Make what tells people; None: the configuration names nobody, and nothing of it is loaded."""
    if not configuration.notifiers or show.dry_run:
        return None
    from dirsync.cli.output.told import ToldWords
    from dirsync.runner.outbox import Outbox

    return Outbox(configuration.notifiers, state=configuration.state, words=ToldWords(), mask=mask)


def tell_of_stale(stale: Stale, jobs: Iterable[Job], outbox: Outbox | None) -> None:
    """Tell people that a job has not succeeded for too long, or that it has by now."""
    for job in jobs if outbox is not None else ():
        if job.name == stale.job:
            assert outbox is not None
            outbox.stale(
                job,
                last_success_at=stale.last_success_at,
                stale_after_seconds=stale.stale_after_seconds,
                over=stale.over,
            )

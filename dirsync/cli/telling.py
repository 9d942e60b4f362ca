"""Telling people how runs end, where the configuration says whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dirsync.cli.output.lines import Mask, error_line
from dirsync.cli.watching import Show
from dirsync.config import Configuration

if TYPE_CHECKING:
    from dirsync.runner.outbox import Outbox

PATIENCE_SECONDS = 75.0  # that `--now` waits for its messages: three attempts at a server that is not there


def outbox_for(configuration: Configuration, *, show: Show, mask: Mask) -> Outbox | None:
    """Make what tells people; None: the configuration names nobody, and nothing of it is loaded."""
    if not configuration.notifiers or show.dry_run:
        return None
    from dirsync.cli.output.told import ToldWords
    from dirsync.runner.outbox import Outbox

    # With --json and -vv, the log is on the screen.
    shows_log = show.json or show.verbosity > 1
    return Outbox(
        configuration.notifiers,
        state=configuration.state,
        words=ToldWords(),
        mask=mask,
        unsent=_nothing if shows_log else _complain,
    )


def _complain(text: str) -> None:
    error_line(f"warning: {text}")


def _nothing(_: str) -> None: ...

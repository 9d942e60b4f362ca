"""Progress on a terminal: one line that moves, gone when the run is over.

rich is imported when a run has lasted long enough to be worth watching, so a short
run pays nothing for it. While the display lives it stands in for `sys.stdout`:
lines printed meanwhile appear above it.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from dirsync.cli.output.progress import Figures
from dirsync.runner.observer import Stage

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_PATIENCE_SECONDS = 0.3
_BAR_WIDTH = 24
_REFRESH_PER_SECOND = 8


class LiveProgress:
    """Shows figures on the last line of a terminal."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._begins_at = time.monotonic() + _PATIENCE_SECONDS
        self._live: Live | None = None  # None: not worth showing yet

    def show(self, figures: Figures) -> None:
        if self._live is None and time.monotonic() >= self._begins_at:
            self._live = _started_live(self._job, figures)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()


def _started_live(job: str, figures: Figures) -> Live:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots")
    live = Live(
        console=Console(soft_wrap=True, highlight=False),
        get_renderable=lambda: _line(job, figures, spinner),
        refresh_per_second=_REFRESH_PER_SECOND,
        transient=True,
        redirect_stderr=sys.stderr.isatty(),
    )
    live.start()
    return live


def _line(job: str, figures: Figures, spinner: RenderableType) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    figure: RenderableType = spinner
    if figures.totals is not None and figures.stage in (Stage.MIRROR, Stage.VERIFY):
        figure = ProgressBar(total=1.0, completed=figures.share, width=_BAR_WIDTH)
    words = Text(figures.text(now=time.monotonic()), no_wrap=True, overflow="ellipsis")
    line.add_row(Text(job, style="bold", no_wrap=True, overflow="ellipsis"), figure, words)
    return line

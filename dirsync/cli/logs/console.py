"""The console: standard error, wherever a live display has moved it."""

from __future__ import annotations

import logging

from dirsync.cli.output.lines import error_line


class Console(logging.Handler):
    """Writes each record on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a closed standard error is no one's failure."""
        error_line(self.format(record))

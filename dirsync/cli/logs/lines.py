"""How a log line is written: with its job and run, safely, and without secrets."""

from __future__ import annotations

import copy
import logging

from dirsync.cli.output.lines import Mask
from dirsync.model.names import escaped
from dirsync.runner.context import current_run

NOBODY = "-"  # stands where no job speaks


def name_the_run(record: logging.LogRecord) -> bool:
    """Give a record its `job` and `run_id`; a filter that lets everything pass."""
    context = current_run()
    record.job = NOBODY if context.job is None else context.job
    record.run_id = NOBODY if context.run_id is None else context.run_id
    return True


def is_not_on_screen(record: logging.LogRecord) -> bool:
    """Pass what runs do not show people anyway; a filter."""
    alone = getattr(record, "for_people", False) is True
    return alone or record.exc_info is not None or current_run().job is None


class SafeFormatter(logging.Formatter):
    """Wraps any formatter: one message stays one line, and secrets stay secret.

    Only a traceback, which comes after the message, keeps its line breaks.
    """

    def __init__(self, inner: logging.Formatter, *, mask: Mask) -> None:
        super().__init__()
        self._inner = inner
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        plain = copy.copy(record)
        plain.msg = _visible(record.getMessage())
        plain.args = None
        return self._mask("\n".join(_visible(line) for line in self._inner.format(plain).split("\n")))


def _visible(text: str) -> str:
    """Escape control characters and undecodable bytes; leave backslashes, which are escapes already."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else escaped(character) for character in text)

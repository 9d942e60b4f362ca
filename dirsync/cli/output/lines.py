"""Whole lines to standard output and standard error, masked, from any thread.

A reader that goes away (`| head`) or a full disk must not break a run that is half
way through a tree: with a `Stop`, a broken pipe asks the run to end in order, as
SIGPIPE would have ended another tool.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable

from dirsync.model.result_fields import Fields
from dirsync.model.stop import Stop

Mask = Callable[[str], str]


def unmasked(text: str) -> str:
    """Mask nothing: no configuration, so no secrets."""
    return text


class Lines:
    """Lines on standard output."""

    def __init__(self, *, mask: Mask = unmasked, stop: Stop | None = None) -> None:
        self.mask = mask
        self._stop = stop  # None: a broken pipe is the caller's to see
        self._lock = threading.Lock()
        self._closed = False
        self._error: OSError | None = None  # None: everything could be written
        make_writable()

    def line(self, text: str) -> None:
        """Write one line (or several, joined by newlines).

        Raises:
            OSError: it could not be written, and there is no run to bring to its end.
        """
        self._write(self.mask(text))

    def record(self, fields: Fields) -> None:
        """Write one JSON object on one line.

        Raises: as `line`.
        """
        self.records([fields])

    def records(self, many: Iterable[Fields]) -> None:
        """Write JSON objects, each on a line; some at least.

        Raises: as `line`.
        """
        from dirsync.cli.output.records import as_line  # most runs print for people

        self._write("\n".join(as_line(fields, mask=self.mask) for fields in many))

    def _write(self, text: str) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                # Looked up each time: a live display puts itself in its place.
                print(text, file=sys.stdout, flush=True)
            except OSError as error:
                self._give_up(error)

    def check(self) -> None:
        """Tell at the end whether every line was written.

        Raises:
            OSError: what stopped the output; BrokenPipeError: its reader went away.
        """
        if self._error is not None:
            raise self._error

    def _give_up(self, error: OSError) -> None:
        self._closed = True
        abandon_stdout()
        error.filename = "standard output"
        if self._stop is None:
            raise error
        self._error = error
        if isinstance(error, BrokenPipeError):
            self._stop.request(signal.SIGPIPE)


def error_line(text: str) -> None:
    """Write one line on standard error, if anyone still listens."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def replace_closed_streams() -> None:
    """Let what is printed go nowhere if the process began without standard output or error.

    Python gives None for them then, and the next file opened would take their number.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for life


def make_writable() -> None:
    """Let standard output take any text, as UTF-8, whatever the locale says."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def abandon_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter can exit quietly."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

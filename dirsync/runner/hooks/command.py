"""One command, from its start to its end: told something, listened to, and ended when it takes too long.

It may write as much as it likes and read as little; neither holds anybody up. It is a session
of its own, so that all it starts can be ended with it, and so that a terminal's Ctrl-C asks
dirsync alone.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

KEPT_BYTES = 64 * 1024  # of what a command writes; the rest is read and dropped
_GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL; the scheduler has 3.5 in all to stop
_LOOK_SECONDS = 0.1
_LAST_WORDS_SECONDS = 0.3  # for what is still in the pipe when a background process holds it open
_PIECE_BYTES = 64 * 1024

Check = Callable[[], None]  # raises to stop


class Ended(Struct, frozen=True, kw_only=True):
    """How a command ended."""

    code: int  # its exit code; of one that signal n ended, -n
    timed_out: bool
    output: bytes  # the first `KEPT_BYTES` of what it wrote, on standard output and error
    dropped_bytes: int


def run_command(
    argv: Sequence[str],
    *,
    directory: str,
    environment: Mapping[str, str],
    told: bytes,
    timeout_seconds: float | None,
    check: Check,
) -> Ended:
    """Run a command to its end; `told` is its standard input.

    `check` is called often. Whatever it raises, and a timeout, ends the command and what it
    started. What is left in the background by one that ends itself is left alone.

    Raises: what `check` raises, and:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with _Exchange(process, told) as exchange:
        timed_out = True
        try:
            timed_out = not exchange.lasts_until_end(timeout_seconds, check)
        finally:
            if timed_out:
                _end_group(process, exchange)
        exchange.take_last_words()
    return Ended(
        code=-signal.SIGKILL if process.returncode is None else process.returncode,
        timed_out=timed_out,
        output=bytes(exchange.output),
        dropped_bytes=exchange.dropped_bytes,
    )


def _end_group(process: subprocess.Popen[bytes], exchange: _Exchange) -> None:
    """End a command and all of its group: asked first, killed when it does not."""
    _send(signal.SIGTERM, process)
    exchange.lasts_until_end(_GRACE_SECONDS)
    _send(signal.SIGKILL, process)  # what it started may still be there
    exchange.lasts_until_end(_GRACE_SECONDS)  # no longer: nothing ends one that waits for a dead disk


def _send(number: signal.Signals, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; another user's by now
        os.killpg(process.pid, number)


class _Exchange:
    """Both pipes of a command: what it is told goes in as it reads, what it writes comes out."""

    def __init__(self, process: subprocess.Popen[bytes], told: bytes) -> None:
        self._process = process
        self._untold = memoryview(told)
        self._selector = selectors.DefaultSelector()
        self.output = bytearray()
        self.dropped_bytes = 0

    def __enter__(self) -> _Exchange:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        for end, event in ((self._input, selectors.EVENT_WRITE), (self._output, selectors.EVENT_READ)):
            os.set_blocking(end, False)
            self._selector.register(end, event)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for end in (self._process.stdin, self._process.stdout):
            assert end is not None
            end.close()

    def lasts_until_end(self, seconds: float | None, check: Check | None = None) -> bool:
        """Go on until the command has ended, but no longer than that; tell whether it has."""
        ends_at = None if seconds is None else time.monotonic() + seconds
        while self._process.poll() is None:
            if check is not None:
                check()
            left = _LOOK_SECONDS if ends_at is None else min(_LOOK_SECONDS, ends_at - time.monotonic())
            if left <= 0:
                return False
            self._step(left)
        return True

    def take_last_words(self) -> None:
        """Read what is left in the pipe."""
        ends_at = time.monotonic() + _LAST_WORDS_SECONDS
        while self._output in self._selector.get_map() and (left := ends_at - time.monotonic()) > 0:
            self._step(left)

    def _step(self, seconds: float) -> None:
        """Wait until a pipe has something to do, and do it."""
        if not self._selector.get_map():  # both are closed, the command goes on
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return
        for key, _ in self._selector.select(seconds):
            if key.fd == self._input:
                self._tell()
            else:
                self._listen()

    def _tell(self) -> None:
        try:
            count = os.write(self._input, self._untold[:_PIECE_BYTES])
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want to know
            count = len(self._untold)
        self._untold = self._untold[count:]
        if not self._untold:
            self._selector.unregister(self._input)
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _listen(self) -> None:
        try:
            piece = os.read(self._output, _PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            self._selector.unregister(self._output)
        kept = piece[: KEPT_BYTES - len(self.output)]
        self.output += kept
        self.dropped_bytes += len(piece) - len(kept)

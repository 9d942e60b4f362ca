"""Another user who trades a directory for a symlink, again and again, as fast as the kernel lets him.

He owns the tops of both trees. Beside the directory `p` lies `q`, a symlink that leads
outside; both change places in one step. Where the program has meanwhile made something
else of either, he lays a new symlink.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

ATTACKER = 65534
_EXCHANGE = 2
_FLIPS_BETWEEN_LOOKS = 50

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def attacked(tops: list[Path], *, outside: Path) -> Iterator[None]:
    """Have `p` and `q` in each of the directories change places while the block runs."""
    is_ready, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(ATTACKER, ATTACKER, ATTACKER)
            os.setresuid(ATTACKER, ATTACKER, ATTACKER)
            _flip_for_ever([os.open(top, os.O_RDONLY | os.O_DIRECTORY) for top in tops], outside, ready=ready)
        finally:
            os._exit(1)
    os.close(ready)
    try:
        assert os.read(is_ready, 1), "the attacker did not begin"
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the attacker gave up"
    finally:
        os.close(is_ready)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _flip_for_ever(tops: list[int], outside: Path, *, ready: int) -> None:
    chance = random.Random(1)
    os.write(ready, b"x")
    for number in itertools.count():
        top = chance.choice(tops)
        _libc.renameat2(top, b"p", top, b"q", _EXCHANGE)
        if number % _FLIPS_BETWEEN_LOOKS == 0:
            with contextlib.suppress(OSError):  # whatever the program has just made of the two
                _arm(top, outside, junk=b"junk-%d" % number)


def _arm(top: int, outside: Path, *, junk: bytes) -> None:
    """Have a symlink to outside under one of the two names."""
    if not any(_is_link(top, name) for name in (b"p", b"q")):
        with contextlib.suppress(FileNotFoundError):
            os.rename(b"q", junk, src_dir_fd=top, dst_dir_fd=top)
        os.symlink(outside, b"q", dir_fd=top)


def _is_link(top: int, name: bytes) -> bool:
    try:
        os.readlink(name, dir_fd=top)
    except OSError:
        return False
    return True

"""The whole program: Python is set for it before anything of it is loaded, and left when it is done."""

from __future__ import annotations

import gc
import os
import sys
import threading
from types import ModuleType
from typing import NoReturn

# What a start loads stays: to look through it again and again took 5 of 130 ms.
_OBJECTS_BEFORE_A_LOOK = 100_000
# Threads that come back from C wait so long for one that does not; with the usual 5 ms a run over
# 320,000 entries of which 1 % had changed took 2.17 s, so it takes 2.05.
_SWITCH_SECONDS = 0.0005


def run_program() -> NoReturn:
    """Do what the command line asks, and end the process with its exit code."""
    _tune()
    from dirsync.cli.main import main

    _leave(main())


def _tune() -> None:
    """Set Python for many objects that stay, and for threads that spend their time outside it."""
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK)
    sys.setswitchinterval(_SWITCH_SECONDS)
    _load_msgspec_alone()


def _load_msgspec_alone() -> None:
    """Load msgspec as it is where there is no typing_extensions, which it needs for older Pythons only.

    That loads `inspect` with all it needs, and took 10 of 120 ms. Others may load it afterwards.
    """
    missing: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    if "typing_extensions" not in missing:
        missing["typing_extensions"] = None
        import msgspec  # noqa: F401

        del missing["typing_extensions"]


def _leave(code: int) -> NoReturn:
    """End the process, and leave it to the system to take apart what Python would piece by piece.

    That took 15 of 125 ms. Where anything may still have to be ended in order, a thread, a
    worker process, an output that takes nothing more, Python does it.
    """
    if threading.active_count() > 1 or "multiprocessing" in sys.modules:
        sys.exit(code)
    try:
        if "logging" in sys.modules:
            sys.modules["logging"].shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)

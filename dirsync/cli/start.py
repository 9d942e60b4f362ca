"""How Python itself is set for this program, before anything of it is loaded."""

from __future__ import annotations

import gc
import sys

# What a start loads stays: to look through it again and again took 5 of 130 ms.
_OBJECTS_BEFORE_A_LOOK = 20_000
# Threads that come back from C wait so long for one that does not; with the usual 5 ms a run over
# 320,000 entries of which 1 % had changed took 2.17 s, so it takes 2.05.
_SWITCH_SECONDS = 0.0005


def tune() -> None:
    """Set Python for many objects that stay, and for threads that spend their time outside it."""
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK)
    sys.setswitchinterval(_SWITCH_SECONDS)

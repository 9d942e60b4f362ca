"""Whatever system call fails, in whatever way: no lie, no loss, no traceback, no hang.

`DIRSYNC_SWEEP_ERROR=5000` tries about so many points.
"""

from __future__ import annotations

from tests.sweeps.error import sweep_errors
from tests.sweeps.tally import asked_of, check


def test_no_failing_system_call_loses_anything_or_makes_a_run_lie() -> None:
    check(sweep_errors(asked=asked_of("error", usual=80)))

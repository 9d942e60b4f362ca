"""Every error dirsync raises, sorted by how much it stops.

DirsyncError
├── ConfigError      the declaration is wrong: nothing starts        exit 2
├── RunError         this run ends; other jobs go on                 exit 5
│   ├── GuardTripped nothing was changed                             exit 4
│   ├── Skipped      something the run waits for is not there        exit 75
│   │   └── Busy     another run holds the lock                      exit 75
│   └── Cancelled    a signal or a time limit ended the run          exit 128+n, or 5
├── NotDelivered     a notifier did not take a message; no run minds  exit 5 of `notify test`
└── PathError        this path is given up; the run goes on          exit 3
    └── TransientError   worth another try
"""

from __future__ import annotations


class DirsyncError(Exception):
    """The root of the tree; never raised itself."""


class ConfigError(DirsyncError):
    """The declaration is wrong; nothing starts.

    `problems` holds one line each, complete: `file:line: key path: what; what would be right`.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RunError(DirsyncError):
    """This run ends; other jobs go on."""


class GuardTripped(RunError):
    """A guard refused the plan before its first change.

    The message names each guard that tripped, its figures, and what to do.
    """


class Skipped(RunError):
    """Something the run waits for is not there (a mount point, a marker)."""


class Busy(Skipped):
    """Another run holds the lock of the job or of the destination."""


class Cancelled(RunError):
    """The run was told to stop and did, in order.

    `signal_number` is None where a time limit ended the run.
    """

    def __init__(self, message: str, *, signal_number: int | None) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class NotDelivered(DirsyncError):
    """A notifier did not take a message; the run it tells of is what it is.

    The message names the notifier, whom it spoke to, and what was said.
    """

    def __init__(self, message: str, *, is_transient: bool) -> None:
        super().__init__(message)
        self.is_transient = is_transient  # worth another try


class PathError(DirsyncError):
    """One path is given up; the run goes on."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class TransientError(PathError):
    """One path failed in a way that another try may mend."""

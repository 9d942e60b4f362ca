"""What people and machines see of how two states of a tree differ.

added     photos/a.jpg  (3.4 MB)
removed   e/f
modified  b.txt  (size 10→12, mtime +3 s, mode 644→600)
differs: 1 added, 1 removed, 1 modified (45 ms)
"""

from __future__ import annotations

import time
from typing import Protocol

from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import change_fields, counts_fields, failure_fields
from dirsync.cli.output.reasons import state_change_line
from dirsync.cli.output.tones import Tone, toned
from dirsync.cli.output.units import human_count, human_seconds, plural
from dirsync.compare.states import Difference, Unseen
from dirsync.model.result import Counts

_BATCH = 256  # lines that are printed at once
_BATCH_SECONDS = 0.1  # or sooner


class Teller(Protocol):
    """Tells of differences as they are found."""

    def found(self, difference: Difference) -> None:
        """Tell one difference."""

    def finished(self, counts: Counts, *, seconds: float) -> None:
        """Say what it comes to; `counts.scanned` is of the newer state."""


class HumanTeller:
    """Tells a person; what is unknown is told elsewhere."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._batch: list[str] = []
        self._printed_at = 0.0

    def found(self, difference: Difference) -> None:
        if not isinstance(difference, Unseen):
            self._batch.append(state_change_line(difference))
            if len(self._batch) >= _BATCH or time.monotonic() - self._printed_at >= _BATCH_SECONDS:
                self._print()

    def finished(self, counts: Counts, *, seconds: float) -> None:
        self._batch.append(difference_summary(counts, seconds=seconds))
        self._print()

    def _print(self) -> None:
        self._lines.line("\n".join(self._batch))
        self._batch.clear()
        self._printed_at = time.monotonic()


class MachineTeller:
    """Writes JSON lines; those of paths that one state does not know say which."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def found(self, difference: Difference) -> None:
        if isinstance(difference, Unseen):
            side = {"side": "new" if difference.is_new else "old"}
            self._lines.record({**failure_fields(difference.failure, job=None), **side})
        else:
            self._lines.record(change_fields(difference, job=None))

    def finished(self, counts: Counts, *, seconds: float) -> None:
        self._lines.record({"event": "result", "counts": counts_fields(counts)})


class SilentTeller:
    """Tells nothing."""

    def found(self, difference: Difference) -> None: ...
    def finished(self, counts: Counts, *, seconds: float) -> None: ...


def difference_summary(counts: Counts, *, seconds: float) -> str:
    """Say in one line how two states differ."""
    head, tone = ("differs", Tone.WARNING) if counts.changes else ("no differences", Tone.GOOD)
    words = (
        (counts.created, "added"),
        (counts.deleted, "removed"),
        (counts.modified + counts.metadata, "modified"),
        (counts.moved, "moved"),
    )
    facts = [f"{human_count(count)} {word}" for count, word in words if count]
    if not facts:
        facts = [f"{plural(counts.scanned, 'entry', 'entries')} seen"]
    if counts.failed:
        facts.append(f"{plural(counts.failed, 'path', 'paths')} unknown")
        tone = Tone.WARNING
    return f"{toned(head, tone)}: {', '.join(facts)}{toned(f' ({human_seconds(seconds)})', Tone.FAINT)}"

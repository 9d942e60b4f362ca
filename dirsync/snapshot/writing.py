"""Writing a snapshot: one entry a line, as it comes.

{"version":1,"root":"/etc","taken_at":"2026-11-21T12:30:00.123Z","algorithm":null,"entries":[
{"path":"a",…},
{"path":"b",…}
],"failures":[
{"path":"c","reason":"the directory cannot be listed: Permission denied"}
]}
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import IO

from dirsync.model.change import Failure
from dirsync.model.snapshot import Sighting, SnapshotHeader
from dirsync.snapshot.records import entry_line, json_text, written_failure, written_header

ENTRIES_BEGIN = b',"entries":['
ENTRIES_END = b'\n],"failures":['
_END = b"\n]}\n"
_LINES_A_WRITE = 256


def write_snapshot(file: IO[bytes], header: SnapshotHeader, sightings: Iterable[Sighting]) -> None:
    """Write a whole snapshot; what could not be seen is kept until all entries are written.

    Nothing is written before the first sighting came, so of what cannot be seen at all no head is.

    Raises:
        OSError: it could not be written; what is in the file then is worthless.
        Whatever the sightings raise.
    """
    coming = iter(sightings)
    first = list(islice(coming, 1))
    file.write(json_text(written_header(header)).removesuffix("}").encode() + ENTRIES_BEGIN)
    lines = _Lines(file)
    failures: list[Failure] = []
    for sighting in chain(first, coming):
        if isinstance(sighting, Failure):
            failures.append(sighting)
        else:
            lines.add(entry_line(sighting))
    lines.flush()
    file.write(ENTRIES_END)
    lines = _Lines(file)
    for failure in failures:
        lines.add(json_text(written_failure(failure)))
    lines.flush()
    file.write(_END)


class _Lines:
    """The lines of one list, with commas between them, written some at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting: list[str] = []
        self._before = "\n"

    def add(self, line: str) -> None:
        """Add a line."""
        self._waiting.append(line)
        if len(self._waiting) == _LINES_A_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._file.write((self._before + ",\n".join(self._waiting)).encode())
            self._before = ",\n"
            self._waiting.clear()

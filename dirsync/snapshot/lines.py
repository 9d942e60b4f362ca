"""The lines of a snapshot file as dirsync writes it: found without reading what is between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, Self

from msgspec import Struct

from dirsync.snapshot.writing import ENTRIES_BEGIN, ENTRIES_END

_LONGEST_HEADER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_BATCH_BYTES = 1 << 16  # JSON is read faster in batches than line by line


class NumberedLine(NamedTuple):
    """One entry, and the number of its line."""

    number: int
    value: object  # as JSON has it


class BrokenLine(ValueError):
    """A line that is no JSON, or not ended as it should be."""

    def __init__(self, number: int) -> None:
        super().__init__("it is damaged")
        self.number = number


class SnapshotLines(Struct, frozen=True, kw_only=True):
    """Where the parts of a file are."""

    file: IO[bytes]
    header: dict[str, Any]
    entries_at: int  # the offset of the first entry
    end_at: int  # the offset after the last one

    @classmethod
    def of(cls, file: IO[bytes]) -> Self | None:
        """Find the parts; None: it is not written in such lines.

        Raises:
            ValueError: it is, but cut off.
        """
        file.seek(0)
        line = file.readline(_LONGEST_HEADER_BYTES)
        header = _parsed(line + b"]}") if line.endswith(ENTRIES_BEGIN + b"\n") else None
        if not isinstance(header, dict):
            return None
        entries_at = file.tell()
        if entries_at and _is_several_lines_an_entry(file.readline()):
            return None
        marker_at = _last(ENTRIES_END + b"\n", file, after=entries_at - 1)
        if marker_at is not None:
            return cls(file=file, header=header, entries_at=entries_at, end_at=marker_at)
        if "failures" in header or _ends_whole(file):
            return None
        raise ValueError("it is cut off")

    def ending(self) -> dict[str, Any]:
        """Read what stands after the entries.

        Raises:
            ValueError: it is cut off or damaged.
        """
        self.file.seek(self.end_at)
        ending = _parsed(b'{"entries":[' + self.file.read())
        if not isinstance(ending, dict):
            raise ValueError("it is cut off, or damaged after its last entry")
        return ending

    def entries(self) -> Iterator[NumberedLine]:
        """Read the entries, one at a time.

        Raises:
            BrokenLine: one of them is damaged.
        """
        number = 2
        for lines, is_last in self._batches():
            records = _parsed(b"[" + b"".join(lines)[: -1 if is_last else -2] + b"]")
            if not isinstance(records, list) or len(records) != len(lines):
                raise BrokenLine(number + _first_broken(lines, is_last=is_last))
            yield from map(NumberedLine, range(number, number + len(lines)), records)
            number += len(lines)

    def _batches(self) -> Iterator[tuple[list[bytes], bool]]:
        """Read the lines of some entries at a time, and whether they are the last."""
        self.file.seek(self.entries_at)
        at = self.entries_at
        while at < self.end_at:
            lines = self.file.readlines(_BATCH_BYTES)
            if not lines:
                raise ValueError("it was cut off while it was read")
            at += sum(map(len, lines))
            while at - len(lines[-1]) > self.end_at:
                at -= len(lines.pop())
            yield lines, at > self.end_at


def _first_broken(lines: list[bytes], *, is_last: bool) -> int:
    """Give the index of the first line that is no object of JSON with a comma after it."""
    for index, line in enumerate(lines):
        ending = b"\n" if is_last and line is lines[-1] else b",\n"
        if not line.endswith(ending) or not isinstance(_parsed(line.removesuffix(ending)), dict):
            return index
    return len(lines) - 1


def _parsed(text: bytes) -> object:
    """Read JSON; None: it is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _is_several_lines_an_entry(line: bytes) -> bool:
    """Whether the first line after the header is the begin of something longer."""
    body = line.rstrip()
    return not body.startswith(b"]") and not isinstance(_parsed(body.removesuffix(b",")), dict)


def _ends_whole(file: IO[bytes]) -> bool:
    file.seek(max(0, file.seek(0, 2) - 16))
    return file.read().rstrip().endswith(b"}")


def _last(mark: bytes, file: IO[bytes], *, after: int) -> int | None:
    """Find the last place of a mark at or after an offset, from the end; None: it is nowhere."""
    end = file.seek(0, 2)
    rest = b""
    while end > after:
        begin = max(after, end - _BLOCK_BYTES)
        file.seek(begin)
        block = file.read(end - begin) + rest
        found = block.rfind(mark)
        if found >= 0:
            return begin + found
        rest = block[: len(mark) - 1]
        end = begin
    return None

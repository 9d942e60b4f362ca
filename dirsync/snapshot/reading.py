"""Reading a snapshot: line by line where it is written so, else as a whole.

A file that dirsync wrote is read as a stream: its header, then what could not be seen,
which stands at its end, then its entries one at a time. Any other JSON of the same shape
is read into memory at once. Nothing in a file is taken for granted.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NoReturn, TypeVar

from dirsync.errors import ConfigError, RunError
from dirsync.model.change import Failure
from dirsync.model.job import HashAlgorithm
from dirsync.model.names import escaped
from dirsync.model.snapshot import Seen, Sighting, in_path_order
from dirsync.snapshot.lines import BrokenLine, NumberedLine, SnapshotLines
from dirsync.snapshot.order import Order
from dirsync.snapshot.records import read_entry, read_failure, read_header

T = TypeVar("T")


@contextlib.contextmanager
def open_snapshot(path: str) -> Iterator[Snapshot]:
    """Open a snapshot file; a pipe is copied to a temporary file first.

    Raises:
        ConfigError: it is no snapshot, a later version's, cut off or damaged.
        RunError: it cannot be opened or read.
    """
    name = escaped(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            snapshot = Snapshot(stack.enter_context(_seekable(file)), name=name)
        except OSError as error:
            raise _unreadable(name, error) from error
        yield snapshot


@contextlib.contextmanager
def _seekable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode):
        yield file
        return
    if not stat.S_ISFIFO(mode):
        raise OSError(errno.EINVAL, "it is neither a file nor a pipe")  # a device may have no end
    with tempfile.TemporaryFile(prefix="dirsync-snapshot-") as copy:
        shutil.copyfileobj(file, copy)
        yield copy


def _unreadable(name: str, error: OSError) -> RunError:
    return RunError(f"'{name}' cannot be read: {error.strerror or error}")


class Snapshot:
    """A snapshot file, open; a `State`."""

    def __init__(self, file: IO[bytes], *, name: str) -> None:
        """Read header and failures of a file; `name` is how messages call it.

        Raises:
            ConfigError: it is no snapshot, a later version's, cut off or damaged.
            OSError: it cannot be read.
        """
        self._name = name
        lines = self._understood(lambda: SnapshotLines.of(file))
        if lines is None:
            whole = self._whole(file)
            self.header = self._understood(lambda: read_header(whole))
            entries = self._list(whole, "entries")
            self._place_of_entry = ": entry {}"
            self._records: Iterable[NumberedLine] = map(NumberedLine, range(1, len(entries) + 1), entries)
        else:
            self.header = self._understood(lambda: read_header(lines.header), place=":1")
            whole = self._understood(lines.ending)
            self._place_of_entry = ":{}"
            self._records = lines.entries()
        self._failures = list(self._read_failures(self._list(whole, "failures")))

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """What hashed the content of its files; None: they are not hashed."""
        return self.header.algorithm

    def sightings(self) -> Iterator[Sighting]:
        """Read what was seen; once.

        Raises:
            ConfigError: it is damaged; it names the line, or the entry.
            RunError: it cannot be read.
        """
        return in_path_order(self._entries(), self._failures)

    def _entries(self) -> Iterator[Seen]:
        order, algorithm, number = Order(), self.algorithm, 0
        try:
            for record in self._records:
                number = record.number
                seen = read_entry(record.value, algorithm=algorithm)
                order.check(seen.entry)
                yield seen
        except BrokenLine as error:
            self._refuse(str(error), place=f":{error.number}")
        except ValueError as error:
            self._refuse(str(error), place=self._place_of_entry.format(number))
        except OSError as error:
            raise _unreadable(self._name, error) from error

    def _read_failures(self, records: list[object]) -> Iterator[Failure]:
        for number, record in enumerate(records, 1):
            read = functools.partial(read_failure, record)
            yield self._understood(read, place=f": failure {number}")

    def _whole(self, file: IO[bytes]) -> dict[str, Any]:
        file.seek(0)
        try:
            whole = json.load(file)
        except json.JSONDecodeError as error:
            self._refuse(f"it is no snapshot, or damaged: {error.msg}", place=f":{error.lineno}")
        except (ValueError, RecursionError):  # bytes that are not UTF-8; brackets in brackets without end
            self._refuse("it is no snapshot, or damaged")
        if not isinstance(whole, dict):
            self._refuse("it is no snapshot")
        return whole

    def _list(self, whole: dict[str, Any], key: str) -> list[object]:
        found = whole.get(key)
        if not isinstance(found, list):
            self._refuse(f"'{key}' is missing, or no list")
        return found

    def _understood(self, read: Callable[[], T], *, place: str = "") -> T:
        try:
            return read()
        except ValueError as error:
            self._refuse(str(error), place=place)

    def _refuse(self, what: str, *, place: str = "") -> NoReturn:
        raise ConfigError((f"{self._name}{place}: {what}",)) from None

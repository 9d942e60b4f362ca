"""Files of a far tree that come in one stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from dirsync.trees.far.connection import FarConnection, FarEndLost, Patience, Unreachable, decode_answers
from dirsync.trees.far.file import FarFile
from dirsync.trees.far.together import Some, Together
from dirsync.wire import beliefs
from dirsync.wire.asks import (
    AskFiles,
    FileBegins,
    FileEnds,
    FilesTogether,
    FileWanted,
    NamesWanted,
    Stamped,
    Status,
    Unseen,
    WholeFile,
)
from dirsync.wire.frames import ProtocolError, StreamCut


def stamp_of(status: Status) -> Stamped:
    """Say which state of a file is meant."""
    return Stamped(size=status.size, mtime_ns=status.mtime_ns, ctime_ns=status.ctime_ns, ino=status.ino)


class FileStream:
    """Files that come one after another; what was cut off goes on where it was.

    For one thread, and one file at a time: the next one ends the one before.
    """

    def __init__(
        self,
        connection: FarConnection,
        paths: list[bytes],
        *,
        namespaces: list[str],
        together: Sequence[NamesWanted] = (),
    ) -> None:
        """Ask for files when the first one is needed; `together`: which they are, but for the last ones."""
        self._connection = connection
        self._namespaces = namespaces
        self._left = deque(paths)  # not complete; the first is the one at hand
        self._begun: FileBegins | None = None  # of the first one, where some of it arrived
        self._received = 0  # bytes of the first one
        self._patience: Patience | None = None
        self._ask_count = 0
        self._names_wanted = list(together)
        self._coming: Iterator[list[Any]] | None = None
        self._file: FarFile | None = None
        self._pending: deque[Any] = deque()  # answers that arrived and were not taken yet
        self._together: Together | None = None  # the first of what is left, where they came so

    def close(self) -> None:
        """End it, whatever is still to come."""
        if self._coming is not None:
            self._coming.close()  # type: ignore[attr-defined]
            self._coming = None
        self._left.clear()
        self._pending.clear()
        self._together = None

    def has(self, path: bytes) -> bool:
        """Whether a file is still to come, from its beginning on."""
        return path in self._left and (self._begun is None or self._begun.path != path)

    def next(self, path: bytes) -> FarFile:
        """Give a file that is still to come; those before it are passed over.

        Raises:
            OSError: it cannot be read.
            RunError: the far end is lost.
        """
        self._pass_over()
        while self._left[0] != path:
            file = self._opened()
            if isinstance(file, FarFile):
                file.pass_over()
        file = self._opened()
        if isinstance(file, OSError):
            raise file
        self._file = file
        return file

    def together(self, paths: Sequence[bytes]) -> Some | None:
        """Give the first of some files, as many as are next to come, together; None: they are not.

        They stay on the stream until they are taken.
        """
        self._pass_over()
        coming = self._coming_together() if self._left else None
        if coming is None:
            return None
        count = 0
        for path, next_path in zip(paths, islice(self._left, len(coming)), strict=False):
            if path != next_path:
                break
            count += 1
        return coming.first(count) if count else None

    def one_of_them(self, number: int) -> FarFile:
        """Give a file by its number among those that are next to come together."""
        assert self._together is not None
        return self._file_of(*self._together.file(number))

    def take(self, count: int) -> None:
        """Take files off that came together."""
        if self._together is not None:
            self._together.take(count)
            if not len(self._together):
                self._together = None
        for _ in range(count):
            self._left.popleft()

    def take_whole(self, path: bytes) -> FarFile | None:
        """Take a file off that is next to come, in one message; None: it is not."""
        self._pass_over()
        if not self._left or self._left[0] != path or self._coming_together() is not None:
            return None
        is_whole = isinstance(self._pending[0], WholeFile)
        file = self._opened() if is_whole else None
        return file if isinstance(file, FarFile) else None

    def _pass_over(self) -> None:
        if self._file is not None:
            self._file.pass_over()
            self._file = None

    def _coming_together(self) -> Together | None:
        """Give the files that are next to come, if they come together; else what comes is pending."""
        while self._together is None:
            answer = self._answer()
            if not isinstance(answer, FilesTogether):
                self._pending.appendleft(answer)
                return None
            asked = self._ask_count
            data = self._answer()
            if asked != self._ask_count:  # it was cut off in between, and begins again
                self._pending.appendleft(data)
            elif isinstance(data, bytes):
                self._together = self._believed(answer, data)
                if self._has_all():  # whatever is wrong is known before anything is made of them
                    self._end()
            else:
                raise self._nonsense("files together without data")
        return self._together

    def _believed(self, answer: FilesTogether, data: bytes) -> Together:
        try:
            together = Together(answer, data)
        except ProtocolError as error:
            raise self._nonsense(str(error)) from error
        if len(together) > len(self._left):
            raise self._nonsense("more files than were asked for")
        return together

    def _opened(self) -> FarFile | OSError:
        """Take the beginning of the next file off the stream."""
        together = self._coming_together()
        if together is not None:
            file = self._file_of(*together.file(0))
            self.take(1)
            return file
        answer = self._answer()
        path = self._left[0]
        if getattr(answer, "path", None) != path:
            raise self._nonsense("a file nobody asked for")
        match answer:
            case Unseen():
                self._done()
                return beliefs.error_of(answer)
            case WholeFile():
                if len(answer.data) != answer.status.size:
                    raise self._nonsense("a file of another size than it says")
                self._done()
                return self._file_of(answer.status, answer.data, answer.attributes)
            case FileBegins():
                self._begun = answer
                return FarFile(answer.status, answer.attributes, coming=self.data)
            case _:
                raise self._nonsense("an answer to another question")

    def _file_of(self, status: Status, data: bytes, attributes: dict[bytes, bytes] | None = None) -> FarFile:
        """Give a file of which all arrived."""
        return FarFile(status, attributes or {}, data=data)

    def data(self) -> Iterator[bytes | FileEnds]:
        """Give the data of the file at hand, and what it was in the end.

        Raises:
            OSError: it changed while the connection was lost, or cannot be read on.
        """
        while True:
            answer = self._answer()
            match answer:
                case bytes():
                    self._received += len(answer)
                    if self._begun is None or self._received > self._begun.status.size:
                        raise self._nonsense("more data than the file has")
                    yield answer
                case FileEnds():
                    self._done()
                    yield answer
                    return
                case FileBegins() if self._begun is not None and _goes_on(self._begun, answer):
                    continue
                case Unseen() if self._begun is not None and answer.path == self._begun.path:
                    self._done()
                    raise beliefs.error_of(answer)
                case _:
                    raise self._nonsense("an answer to another question")

    def _done(self) -> None:
        """Take the file at hand off the list: it is complete, or will never be."""
        self._left.popleft()
        self._begun, self._received = None, 0
        if not self._left:
            self._end()

    def _has_all(self) -> bool:
        """Whether nothing but the end is still to come."""
        return len(self._left) == (0 if self._together is None else len(self._together))

    def _end(self) -> None:
        """Read the end of the stream, so that its connection can be used again."""
        if self._coming is not None:
            more = any(self._coming)
            if more or self._pending:
                raise self._nonsense("more files than were asked for")

    def _answer(self) -> Any:
        while not self._pending:
            if self._coming is None:
                self._patience = self._connection.patience()
                self._coming = self._answers()
            try:
                self._pending.extend(next(self._coming))
            except StopIteration:
                raise self._nonsense("fewer files than were asked for") from None
        return self._pending.popleft()

    def _answers(self) -> Iterator[list[Any]]:
        """Give messages and data, a frame at a time, for as long as files are left, over lost connections.

        The next frame is asked for when all of one was taken: what was is known if the connection is lost.
        """
        assert self._patience is not None
        while not self._has_all():
            try:
                with self._connection.frames(self._ask()) as frames:
                    for is_message, payload in frames:
                        self._patience.renew()
                        yield decode_answers(payload) if is_message else [payload]
                    if not self._has_all():
                        raise self._nonsense("fewer files than were asked for")
            except (Unreachable, StreamCut) as error:
                self._patience.wait(error)

    def _ask(self) -> AskFiles:
        self._ask_count += 1
        if self._names_wanted:  # for the first time
            together, self._names_wanted = self._names_wanted, []
            count = sum(wanted.names.count(b"\0") + 1 for wanted in together)
            files = [FileWanted(path) for path in islice(self._left, count, None)]
            return AskFiles(together=together, files=files, namespaces=self._namespaces)
        files = [FileWanted(path) for path in self._left]
        if self._begun is not None:
            files[0] = FileWanted(self._begun.path, self._received, stamp_of(self._begun.status))
        return AskFiles(files=files, namespaces=self._namespaces)

    def _nonsense(self, what: str) -> FarEndLost:
        return FarEndLost(f"{self._connection.place}: {what}")


def _goes_on(begun: FileBegins, answer: FileBegins) -> bool:
    return begun.path == answer.path and stamp_of(begun.status) == stamp_of(answer.status)

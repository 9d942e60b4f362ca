"""Files of a far tree: many in one stream, a large one in the parts that are not here already."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

from dirsync.model.attributes import Namespace, namespace_of
from dirsync.trees import fsops
from dirsync.trees.data import DataCopier, Told
from dirsync.trees.far.chunks import Assembly, Bases, Salvaged
from dirsync.trees.far.connection import (
    FarConnection,
    FarEndLost,
    Patience,
    Unreachable,
    decode_answers,
    stale,
)
from dirsync.wire import beliefs
from dirsync.wire.asks import AskFiles, FileBegins, FileEnds, FileWanted, Stamped, Status, Unseen, WholeFile
from dirsync.wire.frames import ProtocolError, StreamCut

ReadAttributes = Callable[[Set[Namespace]], dict[str, bytes]]


def stamp_of(status: Status) -> Stamped:
    """Say which state of a file is meant."""
    return Stamped(size=status.size, mtime_ns=status.mtime_ns, ctime_ns=status.ctime_ns, ino=status.ino)


def selected_attributes(attributes: dict[bytes, bytes], namespaces: Set[Namespace]) -> dict[str, bytes]:
    """Give the attributes that belong to some namespaces; others are not believed."""
    believed = beliefs.believed_attributes(attributes)
    return {name: value for name, value in believed.items() if namespace_of(name) in namespaces}


class FileStream:
    """Files that come one after another; what was cut off goes on where it was.

    For one thread, and one file at a time: the next one ends the one before.
    """

    def __init__(self, connection: FarConnection, paths: list[bytes], *, namespaces: list[str]) -> None:
        """Ask for files when the first one is needed."""
        self._connection = connection
        self._namespaces = namespaces
        self._left = deque(paths)  # not complete; the first is the one at hand
        self._begun: FileBegins | None = None  # of the first one, where some of it arrived
        self._received = 0  # bytes of the first one
        self._patience: Patience | None = None
        self._coming: Iterator[list[Any]] | None = None
        self._file: FarFile | None = None
        self._pending: deque[Any] = deque()  # answers that arrived and were not taken yet

    def close(self) -> None:
        """End it, whatever is still to come."""
        if self._coming is not None:
            self._coming.close()  # type: ignore[attr-defined]
            self._coming = None
        self._left.clear()
        self._pending.clear()

    def has(self, path: bytes) -> bool:
        """Whether a file is still to come, from its beginning on."""
        return path in self._left and (self._begun is None or self._begun.path != path)

    def next(self, path: bytes) -> FarFile:
        """Give a file that is still to come; those before it are passed over.

        Raises:
            OSError: it cannot be read.
            RunError: the far end is lost.
        """
        if self._file is not None:
            self._file.pass_over()
            self._file = None
        while self._left[0] != path:
            file = self._opened()
            if isinstance(file, FarFile):
                file.pass_over()
        file = self._opened()
        if isinstance(file, OSError):
            raise file
        self._file = file
        return file

    def take_whole(self, paths: Sequence[bytes]) -> list[WholeFile]:
        """Take files off the stream that come one after another, each in one message.

        The first that does not is left on the stream, with all after it; a path that is not the
        next one to come, likewise.
        """
        if self._file is not None:
            self._file.pass_over()
            self._file = None
        taken: list[WholeFile] = []
        left = self._left
        for path in paths:
            if not left or left[0] != path:
                break
            answer = self._answer()
            if not isinstance(answer, WholeFile):
                self._pending.appendleft(answer)
                break
            if answer.path != path or len(answer.data) != answer.status.size:
                self._check_whole(answer)
            taken.append(answer)
            if len(left) > 1:
                left.popleft()
            else:
                self.done()
        return taken

    def put_back(self, files: Sequence[WholeFile]) -> None:
        """Put files back that were taken off the stream last."""
        self._pending.extendleft(reversed(files))
        self._left.extendleft(file.path for file in reversed(files))

    def _check_whole(self, answer: WholeFile) -> None:
        if answer.path != self._left[0]:
            raise self._nonsense("a file nobody asked for")
        if len(answer.data) != answer.status.size:
            raise self._nonsense("a file of another size than it says")

    def _opened(self) -> FarFile | OSError:
        """Take the beginning of the next file off the stream."""
        answer = self._answer()
        path = self._left[0]
        if getattr(answer, "path", None) != path:
            raise self._nonsense("a file nobody asked for")
        match answer:
            case Unseen():
                self.done()
                return beliefs.error_of(answer)
            case WholeFile():
                self._check_whole(answer)
                self.done()
                return self.file_of(answer)
            case FileBegins():
                self._begun = answer
                return FarFile(self, answer.status, answer.attributes)
            case _:
                raise self._nonsense("an answer to another question")

    def file_of(self, answer: WholeFile) -> FarFile:
        """Give a file that came in one message."""
        return FarFile(self, answer.status, answer.attributes, data=answer.data, ended=answer.status)

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
                    self.done()
                    yield answer
                    return
                case FileBegins() if self._begun is not None and _goes_on(self._begun, answer):
                    continue
                case Unseen() if self._begun is not None and answer.path == self._begun.path:
                    self.done()
                    raise beliefs.error_of(answer)
                case _:
                    raise self._nonsense("an answer to another question")

    def done(self) -> None:
        """Take the file at hand off the list: it is complete, or will never be."""
        self._left.popleft()
        self._begun, self._received = None, 0
        if not self._left and self._coming is not None:
            more = any(self._coming)  # the end of the stream, so that its connection can be used again
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
        while self._left:
            try:
                with self._connection.frames(self._ask()) as frames:
                    for is_message, payload in frames:
                        self._patience.renew()
                        yield decode_answers(payload) if is_message else [payload]
                    if self._left:
                        raise self._nonsense("fewer files than were asked for")
            except (Unreachable, StreamCut) as error:
                self._patience.wait(error)

    def _ask(self) -> AskFiles:
        files = [FileWanted(path) for path in self._left]
        if self._begun is not None:
            files[0] = FileWanted(self._begun.path, self._received, stamp_of(self._begun.status))
        return AskFiles(files=files, namespaces=self._namespaces)

    def _nonsense(self, what: str) -> FarEndLost:
        return FarEndLost(f"{self._connection.place}: {what}")


def _goes_on(begun: FileBegins, answer: FileBegins) -> bool:
    return begun.path == answer.path and stamp_of(begun.status) == stamp_of(answer.status)


class FarFile:
    """A file that is coming; see `OpenFile`."""

    def __init__(
        self,
        stream: FileStream,
        status: Status,
        attributes: dict[bytes, bytes],
        *,
        data: bytes | None = None,
        ended: Status | None = None,
    ) -> None:
        """`data` None: it is still to come."""
        self._stream = stream
        self._status = status
        self._attributes = attributes
        self._data = data
        self._ended = ended

    def status(self) -> os.stat_result:
        """Give what it was when its data began, or, when they came, what it was after them."""
        return _stat_of(self._ended or self._status)

    def settled(self, sleep: Callable[[float], None]) -> os.stat_result:
        """Give what it was: the far end let the tick pass."""
        return _stat_of(self._status)

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give its extended attributes, as they were when its data began."""
        return selected_attributes(self._attributes, namespaces)

    def copy_to(
        self,
        copy: int,
        copier: DataCopier,
        *,
        before: os.stat_result,
        told: Told,
        basis: Callable[[], int | None],
    ) -> bool:
        """Write what comes; tell whether it was all."""
        offset = 0
        for block in self._blocks():
            written = write_at(copy, block, offset, skips_zeros=copier.sparse)
            offset += written
            told(written)
        if copier.sparse:
            fsops.set_size(copy, size=offset)
        return offset == before.st_size

    def read(self, *, most: int) -> bytes:
        """Give all of its data.

        Raises:
            OSError: there are more bytes than `most`, or it cannot be read.
        """
        if self._status.size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return b"".join(self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        if self._data is not None:
            yield self._data
            return
        try:
            for piece in self._stream.data():
                if isinstance(piece, FileEnds):
                    self._ended = piece.status
                else:
                    yield piece
        except OSError:  # nothing more comes of it
            self._ended = self._status
            raise

    def pass_over(self) -> None:
        """Read what is still to come, and forget it."""
        if self._ended is None:
            with contextlib.suppress(OSError):  # nobody wants it
                for _ in self._blocks():
                    pass

    def close(self) -> None:
        """Let go of it; what is still to come is passed over when the next one is asked for."""


def _stat_of(status: Status) -> os.stat_result:
    try:
        return beliefs.stat_of(status)
    except ProtocolError as error:
        raise FarEndLost(f"the far end: {error}") from error


_ZEROS = bytes(64 << 10)


def write_at(copy: int, block: bytes, offset: int, *, skips_zeros: bool) -> int:
    """Write a block of a file, but for stretches of zeros; give how long it is."""
    if not skips_zeros or len(block) < 4096:
        _write(copy, block, offset)
        return len(block)
    view = memoryview(block)
    for at in range(0, len(block), len(_ZEROS)):
        piece = view[at : at + len(_ZEROS)]
        if piece != _ZEROS[: len(piece)]:
            _write(copy, piece, offset + at)
    return len(block)


def _write(copy: int, block: bytes | memoryview, offset: int) -> None:
    fsops.gate("write")
    view = memoryview(block)
    while view:
        written = os.pwrite(copy, view, offset)
        offset += written
        view = view[written:]


class LargeFile:
    """A large file, of which only what is not here yet is asked for; see `OpenFile`."""

    def __init__(
        self,
        connection: FarConnection,
        path: bytes,
        status: os.stat_result,
        *,
        attributes: ReadAttributes,
    ) -> None:
        """`status` is what the far end said of it."""
        self._connection = connection
        self._path = path
        self._status = status
        self._attributes = attributes
        self._ended: os.stat_result | None = None

    def status(self) -> os.stat_result:
        """Give what it was when it was looked at, or, when its data came, what it was after them."""
        return self._ended or self._status

    def settled(self, sleep: Callable[[float], None]) -> os.stat_result:
        """Give what it was: the far end let the tick pass."""
        return self._status

    def attributes(self, namespaces: Set[Namespace]) -> dict[str, bytes]:
        """Give its extended attributes."""
        return self._attributes(namespaces)

    def copy_to(
        self,
        copy: int,
        copier: DataCopier,
        *,
        before: os.stat_result,
        told: Told,
        basis: Callable[[], int | None],
    ) -> bool:
        """Put it together of what is here and what is asked for; tell whether it is all."""
        with Bases(basis(), salvaged=self._connection.kept(Salvaged)) as bases:
            if not bases:
                return self._copy_as_it_comes(copy, copier, before=before, told=told)
            assembly = Assembly(self._connection, self._path, before, bases=bases)
            ended = assembly.into(copy, told=told, write=write_at, sparse=copier.sparse)
        self._ended = _stat_of(ended)
        if copier.sparse:
            fsops.set_size(copy, size=before.st_size)
        return True

    def _copy_as_it_comes(self, copy: int, copier: DataCopier, *, before: os.stat_result, told: Told) -> bool:
        stream = FileStream(self._connection, [self._path], namespaces=[])
        try:
            file = stream.next(self._path)
            if _differ(file.status(), before):
                raise stale()
            whole = file.copy_to(copy, copier, before=before, told=told, basis=lambda: None)
            self._ended = file.status()
        finally:
            stream.close()
        return whole

    def close(self) -> None:
        """Let go of it."""


def _differ(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino) != (
        other.st_size,
        other.st_mtime_ns,
        other.st_ctime_ns,
        other.st_ino,
    )

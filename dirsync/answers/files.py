"""Files sent to another end: small ones in one message, others in blocks, large ones in chunks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import groupby

from dirsync.model.attributes import Namespace, namespaces_named
from dirsync.trees import chunking, small_files
from dirsync.trees.attributes import Bearer
from dirsync.trees.handles import join, split
from dirsync.trees.hashing import await_tick
from dirsync.trees.local import LocalTree
from dirsync.trees.small_files import Read
from dirsync.wire import frames
from dirsync.wire.asks import (
    SMALL_BYTES,
    AskChunks,
    AskFiles,
    AskRanges,
    Chunks,
    FileBegins,
    FileEnds,
    FilesTogether,
    FileWanted,
    Stamped,
    Unseen,
    WholeFile,
)
from dirsync.wire.beliefs import sent_attributes, status_of, unseen_of
from dirsync.wire.frames import DATA_BYTES, ProtocolError
from dirsync.wire.rows import ROW_BYTES, sizes

_ATTEMPTS_WHILE_IT_CHANGES = 3
_CHUNKS_A_MESSAGE = 4096
_MESSAGE_BYTES = 500  # about, without its data
_READ_TOGETHER = 256  # files


class FileAnswers:
    """Reads the files of one tree."""

    def __init__(self, tree: LocalTree, *, check: Callable[[], None]) -> None:
        self._tree = tree
        self._check = check

    def files(self, ask: AskFiles) -> Iterator[bytes]:
        """Give the frames of files, in order."""
        namespaces = namespaces_named(ask.namespaces)
        sent = _Sending()
        for each in self._read_together(ask, namespaces):
            if isinstance(each, Read):
                sent.together(each)
            else:
                with _Opened(self._tree, each) as file:
                    if file.failure is None and file.is_large:
                        if sent.size:
                            yield sent.take()
                        yield from self._in_blocks(file, namespaces)
                        continue
                    sent.say(file.failure or file.whole(namespaces))
            if sent.size >= DATA_BYTES:
                yield sent.take()
        if sent.size:
            yield sent.take()

    def _read_together(self, ask: AskFiles, namespaces: frozenset[Namespace]) -> Iterator[Read | FileWanted]:
        """Give files: those of one directory together as far as that goes, others one by one."""
        for wanted in ask.together:
            yield from self._of_directory(wanted.directory, wanted.names.split(b"\0"), namespaces)
        for directory, some in groupby(ask.files, _directory_of_whole):
            if directory is None:
                yield from some
            else:
                yield from self._of_directory(directory, [split(each.path)[1] for each in some], namespaces)

    def _of_directory(
        self, directory: bytes, names: Sequence[bytes], namespaces: frozenset[Namespace]
    ) -> Iterator[Read | FileWanted]:
        """Give the files of a directory."""
        at = 0
        while at < len(names):
            self._check()
            read = self._read_some(directory, names[at : at + _READ_TOGETHER], namespaces)
            rest = read
            for is_read, some in groupby(read.ended):
                count = len(list(some))
                if is_read:
                    first, rest = _split(rest, count)
                    yield first
                else:
                    yield from (FileWanted(join(directory, name)) for name in names[at : at + count])
                at += count

    def _read_some(self, directory: bytes, names: Sequence[bytes], namespaces: frozenset[Namespace]) -> Read:
        """Read the first files of a directory together, as far as that goes; at least one is tried."""
        if not small_files.reads():
            return small_files.none_read(len(names))
        try:
            handle = self._tree.handles.handle(directory)
        except OSError:  # what it is about will be told of each file
            return small_files.none_read(len(names))
        return small_files.read(
            handle, names, most_bytes=SMALL_BYTES, attributes=bool(namespaces), room=DATA_BYTES
        )

    def _in_blocks(self, file: _Opened, namespaces: frozenset[Namespace]) -> Iterator[bytes]:
        try:
            attributes = sent_attributes(Bearer(file.handle).attributes(namespaces))
        except OSError as error:
            yield frames.messages(unseen_of(file.path, error))
            return
        begins = FileBegins(path=file.path, status=status_of(file.status), attributes=attributes)
        yield frames.messages(begins)
        if (yield from self._blocks(file, file.start, file.status.st_size)):
            yield frames.messages(FileEnds(path=file.path, status=status_of(os.fstat(file.handle))))

    def _blocks(self, file: _Opened, start: int, end: int) -> Generator[bytes, None, bool]:
        """Give the frames of a part of a file; return whether it could be read, which is told if not."""
        while start < end:
            self._check()
            try:
                block = os.pread(file.handle, min(DATA_BYTES, end - start), start)
            except OSError as error:
                yield frames.messages(unseen_of(file.path, error))
                return False
            if not block:  # it became shorter, which its end will show
                return True
            start += len(block)
            yield frames.data(block)
        return True

    def chunks(self, ask: AskChunks) -> Iterator[bytes]:
        """Give the frames of a file's chunks."""
        with _Opened(self._tree, FileWanted(ask.path)) as file:
            if file.failure is not None:
                yield frames.messages(file.failure)
                return
            yield frames.messages(FileBegins(path=ask.path, status=status_of(file.status)))
            lengths: list[int] = []
            hashes: list[bytes] = []
            try:
                for chunk in chunking.chunks(file.handle):
                    lengths.append(chunk.length)
                    hashes.append(chunk.hash)
                    if len(lengths) >= _CHUNKS_A_MESSAGE:
                        self._check()
                        yield frames.messages(Chunks(lengths=lengths, hashes=b"".join(hashes)))
                        lengths, hashes = [], []
                after = os.fstat(file.handle)
            except OSError as error:
                yield frames.messages(unseen_of(ask.path, error))
                return
            yield frames.messages(
                Chunks(lengths=lengths, hashes=b"".join(hashes)),
                FileEnds(path=ask.path, status=status_of(after)),
            )

    def ranges(self, ask: AskRanges) -> Iterator[bytes]:
        """Give the frames of parts of a file."""
        _check_ranges(ask)
        with _Opened(self._tree, FileWanted(ask.path, 0, ask.stamp)) as file:
            if file.failure is not None:
                yield frames.messages(file.failure)
                return
            yield frames.messages(FileBegins(path=ask.path, status=status_of(file.status)))
            for start, end in ask.ranges:
                if not (yield from self._blocks(file, start, end)):
                    return
            yield frames.messages(FileEnds(path=ask.path, status=status_of(os.fstat(file.handle))))


def _check_ranges(ask: AskRanges) -> None:
    at = 0
    for start, end in ask.ranges:
        if not at <= start < end <= ask.stamp.size:
            raise ProtocolError("ranges that are out of order, or not of this file")
        at = end


class _Sending:
    """Frames that are sent together."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._messages: list[WholeFile | Unseen] = []
        self.size = 0  # bytes, about

    def say(self, message: WholeFile | Unseen) -> None:
        """Add a message."""
        self._messages.append(message)
        self.size += _MESSAGE_BYTES + (len(message.data) if isinstance(message, WholeFile) else 0)

    def together(self, read: Read) -> None:
        """Add files that were read together."""
        self._close_messages()
        pieces = frames.message_and_data(FilesTogether(rows=read.rows), read.data)
        self._pieces += pieces
        self.size += sum(map(len, pieces))

    def take(self) -> bytes:
        """Give all that was added, and forget it."""
        self._close_messages()
        taken = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return taken

    def _close_messages(self) -> None:
        if self._messages:
            self._pieces.append(frames.whole_files(self._messages))
            self._messages = []


def _split(read: Read, count: int) -> tuple[Read, Read]:
    """Give the first of some files that were read, and the others."""
    end = count * ROW_BYTES
    rows, left = read.rows[:end], read.rows[end:]
    size = sum(sizes(rows)) if left else len(read.data)
    return Read(b"", rows, read.data[:size]), Read(b"", left, read.data[size:])


class _Opened:
    """A file that was asked for: open, or why it is not."""

    def __init__(self, tree: LocalTree, wanted: FileWanted) -> None:
        self.path = wanted.path
        self.start = wanted.start
        self.handle = -1
        self.failure: Unseen | None = None
        try:
            self.handle = tree.open_file(wanted.path)
            await_tick(os.fstat(self.handle).st_ctime_ns)
            self.status = os.fstat(self.handle)
        except OSError as error:
            self.failure = unseen_of(wanted.path, error)
            return
        if not stat.S_ISREG(self.status.st_mode):
            self.failure = Unseen(path=self.path, error="EINVAL", reason="no regular file any more")
        elif wanted.stamp is not None and wanted.stamp != _stamp_of(self.status):
            self.failure = _changed(self.path)

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)

    @property
    def is_large(self) -> bool:
        """Whether it is sent in blocks."""
        return self.start > 0 or self.status.st_size > SMALL_BYTES

    def whole(self, namespaces: frozenset[Namespace]) -> WholeFile | Unseen:
        """Give all of it, as it was at one moment."""
        try:
            for _ in range(_ATTEMPTS_WHILE_IT_CHANGES):
                data = os.pread(self.handle, SMALL_BYTES + 1, 0)
                attributes = sent_attributes(Bearer(self.handle).attributes(namespaces))
                after = os.fstat(self.handle)
                if _stamp_of(after) == _stamp_of(self.status) and len(data) == after.st_size:
                    return WholeFile(
                        path=self.path, status=status_of(after), data=data, attributes=attributes
                    )
                if after.st_size > SMALL_BYTES:
                    break
                self.status = after
        except OSError as error:
            return unseen_of(self.path, error)
        return _changed(self.path)


def _directory_of_whole(wanted: FileWanted) -> bytes | None:
    """Give the directory of a file that can be read with others of it; None: it has to be read by itself."""
    if wanted.start or wanted.stamp is not None:
        return None
    return split(wanted.path)[0]


def _changed(path: bytes) -> Unseen:
    return Unseen(path=path, error="ESTALE", reason="unstable: it kept changing while it was read")


def _stamp_of(status: os.stat_result) -> Stamped:
    return Stamped(
        size=status.st_size, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns, ino=status.st_ino
    )

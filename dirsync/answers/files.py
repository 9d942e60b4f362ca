"""Files sent to another end: small ones in one message, others in blocks, large ones in chunks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterator

from dirsync.model.attributes import Namespace, namespaces_named
from dirsync.trees import chunking
from dirsync.trees.attributes import Bearer
from dirsync.trees.hashing import await_tick
from dirsync.trees.local import LocalTree
from dirsync.wire import frames
from dirsync.wire.asks import (
    SMALL_BYTES,
    AskChunks,
    AskFiles,
    AskRanges,
    Chunks,
    FileBegins,
    FileEnds,
    FileWanted,
    Stamped,
    Unseen,
    WholeFile,
)
from dirsync.wire.beliefs import sent_attributes, status_of, unseen_of
from dirsync.wire.frames import DATA_BYTES, ProtocolError

_ATTEMPTS_WHILE_IT_CHANGES = 3
_CHUNKS_A_MESSAGE = 4096
_MESSAGES_A_FRAME = 512
_NOT_WORTH_PACKING = 4  # blocks that did not get shorter, until the rest of a file is sent as it is


class FileAnswers:
    """Reads the files of one tree."""

    def __init__(self, tree: LocalTree, *, check: Callable[[], None]) -> None:
        self._tree = tree
        self._check = check

    def files(self, ask: AskFiles) -> Iterator[bytes]:
        """Give the frames of files, in order."""
        namespaces = namespaces_named(ask.namespaces)
        batch: list[object] = []
        size = 0
        for wanted in ask.files:
            self._check()
            with _Opened(self._tree, wanted) as file:
                if file.failure is None and file.is_large:
                    if batch:
                        yield frames.messages(*batch)
                        batch, size = [], 0
                    yield from self._in_blocks(file, namespaces)
                    continue
                answer = file.failure or file.whole(namespaces)
            batch.append(answer)
            size += len(answer.data) if isinstance(answer, WholeFile) else 0
            if size >= DATA_BYTES or len(batch) >= _MESSAGES_A_FRAME:
                yield frames.messages(*batch)
                batch, size = [], 0
        if batch:
            yield frames.messages(*batch)

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
        unpackable = 0
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
            frame, was_of_use = frames.data(block, packs=unpackable < _NOT_WORTH_PACKING)
            unpackable = 0 if was_of_use else unpackable + 1
            yield frame
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


def _changed(path: bytes) -> Unseen:
    return Unseen(path=path, error="ESTALE", reason="unstable: it kept changing while it was read")


def _stamp_of(status: os.stat_result) -> Stamped:
    return Stamped(
        size=status.st_size, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns, ino=status.st_ino
    )

"""Files sent to another end: small ones in one message, others in blocks, large ones in chunks."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import groupby, islice

from dirsync.model.attributes import Namespace, namespaces_named
from dirsync.trees import chunking, small_files
from dirsync.trees.attributes import Bearer
from dirsync.trees.handles import split
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
    Status,
    Unseen,
    WholeFile,
)
from dirsync.wire.beliefs import sent_attributes, status_of, unseen_of
from dirsync.wire.frames import DATA_BYTES, ProtocolError

_ATTEMPTS_WHILE_IT_CHANGES = 3
_CHUNKS_A_MESSAGE = 4096
_MESSAGES_A_FRAME = 512
_READ_TOGETHER = 256  # files
_NOT_WORTH_PACKING = 4  # blocks that did not get shorter, until the rest of a file is sent as it is
_TRIED_AGAIN_AFTER = 4  # frames of small files


class FileAnswers:
    """Reads the files of one tree."""

    def __init__(self, tree: LocalTree, *, check: Callable[[], None]) -> None:
        self._tree = tree
        self._check = check
        self._unpackable = 0  # frames of whole files, up to the last, that did not get shorter

    def files(self, ask: AskFiles) -> Iterator[bytes]:
        """Give the frames of files, in order."""
        namespaces = namespaces_named(ask.namespaces)
        batch: list[object] = []
        size = 0
        for wanted, read in self._read_together(ask.files, namespaces):
            answer: WholeFile | Unseen | None = read
            if answer is None:
                with _Opened(self._tree, wanted) as file:
                    if file.failure is None and file.is_large:
                        if batch:
                            yield self._framed(batch)
                            batch, size = [], 0
                        yield from self._in_blocks(file, namespaces)
                        continue
                    answer = file.failure or file.whole(namespaces)
            batch.append(answer)
            size += len(answer.data) if isinstance(answer, WholeFile) else 0
            if size >= DATA_BYTES or len(batch) >= _MESSAGES_A_FRAME:
                yield self._framed(batch)
                batch, size = [], 0
        if batch:
            yield self._framed(batch)

    def _framed(self, batch: Sequence[object]) -> bytes:
        """Frame whole files; where packing was of no use, the next few frames are sent as they are."""
        packs = self._unpackable % _TRIED_AGAIN_AFTER == 0
        frame, was_of_use = frames.whole_files(batch, packs=packs)
        self._unpackable = 0 if packs and was_of_use else self._unpackable + 1
        return frame

    def _read_together(
        self, files: Sequence[FileWanted], namespaces: frozenset[Namespace]
    ) -> Iterator[tuple[FileWanted, WholeFile | None]]:
        """Give files with what was read of those of one directory together; None: it was not."""
        for directory, some in groupby(files, _directory_of_whole):
            left = deque(some)
            while left:
                self._check()
                found = [None] if directory is None else self._read_some(directory, left, namespaces)
                for whole in found:
                    yield left.popleft(), whole

    def _read_some(
        self, directory: bytes, files: deque[FileWanted], namespaces: frozenset[Namespace]
    ) -> Sequence[WholeFile | None]:
        """Read the first files of a directory, at least one."""
        start = len(directory) + 1 if directory else 0
        names = [wanted.path[start:] for wanted in islice(files, _READ_TOGETHER)]
        try:
            handle = self._tree.handles.handle(directory)
        except OSError:  # what it is about will be told of each file
            return [None] * len(names)
        read = small_files.read(
            handle, names, most_bytes=SMALL_BYTES, attributes=bool(namespaces), room=DATA_BYTES
        )
        return [
            None if each is None else WholeFile(path=wanted.path, status=Status(*each[1]), data=each[0])
            for wanted, each in zip(files, read, strict=False)
        ]

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


def _directory_of_whole(wanted: FileWanted) -> bytes | None:
    """Give the directory of a file that can be read with others of it; None: it has to be read by itself."""
    if wanted.start or wanted.stamp is not None or not small_files.reads():
        return None
    return split(wanted.path)[0]


def _changed(path: bytes) -> Unseen:
    return Unseen(path=path, error="ESTALE", reason="unstable: it kept changing while it was read")


def _stamp_of(status: os.stat_result) -> Stamped:
    return Stamped(
        size=status.st_size, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns, ino=status.st_ino
    )

"""Putting a far file together of chunks that are here and chunks that are asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from dirsync.trees import chunking
from dirsync.trees.chunking import Chunk
from dirsync.trees.data import Told
from dirsync.trees.far.connection import FarConnection, FarEndLost, Unreachable, decode_answers, stale
from dirsync.wire import beliefs
from dirsync.wire.asks import AskChunks, AskRanges, Chunks, FileBegins, FileEnds, Stamped, Status, Unseen
from dirsync.wire.frames import StreamCut

_RANGES_AT_ONCE = 10_000


class Write(Protocol):
    """Writes a block of a file at its place, and gives its length."""

    def __call__(self, copy: int, block: bytes, offset: int, *, skips_zeros: bool) -> int: ...


class Bases:
    """Open files of this machine in which chunks may be found."""

    def __init__(self, handles: Sequence[int]) -> None:
        """Take over open files."""
        self._handles = handles
        self._found: dict[bytes, tuple[int, int]] | None = None

    @classmethod
    def of(cls, basis: int | None, *, salvaged: Sequence[int]) -> Self:
        """Take over the file that is to be replaced (None: there is none), and look in others too."""
        return cls([*([] if basis is None else [basis]), *(os.dup(handle) for handle in salvaged)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for handle in self._handles:
            with contextlib.suppress(OSError):
                os.close(handle)

    def __bool__(self) -> bool:
        return bool(self._handles)

    def block(self, chunk: Chunk) -> bytes | None:
        """Give a chunk's content, if it is here and still what it was."""
        found = self._chunks().get(chunk.hash)
        if found is None:
            return None
        handle, start = found
        try:
            block = os.pread(handle, chunk.length, start)
        except OSError:
            return None
        same = len(block) == chunk.length and chunking.hash_of(block) == chunk.hash
        return block if same else None

    def _chunks(self) -> dict[bytes, tuple[int, int]]:
        if self._found is None:
            self._found = {}
            for handle in self._handles:
                with contextlib.suppress(OSError):  # then there is less to find
                    for chunk in chunking.chunks(handle):
                        self._found.setdefault(chunk.hash, (handle, chunk.start))
        return self._found


class Assembly:
    """Puts one file together."""

    def __init__(
        self, connection: FarConnection, path: bytes, status: os.stat_result, *, bases: Bases
    ) -> None:
        """`status` is the state that is meant."""
        self._connection = connection
        self._path = path
        self._stamp = Stamped(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            ino=status.st_ino,
        )
        self._bases = bases

    def into(self, copy: int, *, told: Told, write: Write, sparse: bool) -> Status:
        """Write it into an empty file, and give what the far one was in the end.

        Raises:
            OSError: it cannot be read, or changed meanwhile.
            RunError: the far end is lost.
        """
        missing: list[Chunk] = []
        ended: Status | None = None
        for piece in self._chunks():
            if isinstance(piece, Status):
                ended = piece
                continue
            block = self._bases.block(piece)
            if block is None:
                missing.append(piece)
            else:
                told(write(copy, block, piece.start, skips_zeros=sparse))
        assert ended is not None
        while missing:
            batch, missing = missing[:_RANGES_AT_ONCE], missing[_RANGES_AT_ONCE:]
            for chunk, block, status in self._fetched(batch):
                ended = status or ended
                if chunk is not None:
                    told(write(copy, block, chunk.start, skips_zeros=sparse))
        return ended

    def _chunks(self) -> Iterator[Chunk | Status]:
        """Give the far file's chunks, then what it was when they were cut."""
        patience = self._connection.patience()
        start = 0
        while True:
            at = 0
            try:
                with self._connection.frames(AskChunks(path=self._path)) as frames:
                    for is_message, payload in frames:
                        patience.renew()
                        if not is_message:
                            raise self._nonsense("data that nobody asked for")
                        for answer in decode_answers(payload):
                            match answer:
                                case FileBegins() | FileEnds():
                                    self._check(answer.status)
                                    if isinstance(answer, FileEnds):
                                        if at != self._stamp.size:
                                            raise self._nonsense("chunks that are not the whole file")
                                        yield answer.status
                                        return
                                case Chunks():
                                    for chunk in self._believed(answer, at):
                                        at += chunk.length
                                        if chunk.start >= start:
                                            yield chunk
                                            start = at
                                case Unseen():
                                    raise beliefs.error_of(answer)
                                case _:
                                    raise self._nonsense("an answer to another question")
                    raise self._nonsense("chunks without an end")
            except (Unreachable, StreamCut) as error:
                patience.wait(error)

    def _believed(self, answer: Chunks, at: int) -> Iterator[Chunk]:
        if len(answer.hashes) != chunking.HASH_BYTES * len(answer.lengths):
            raise self._nonsense("chunks whose lengths and hashes do not agree")
        for number, length in enumerate(answer.lengths):
            if not 0 < length <= chunking.MOST_BYTES or at + length > self._stamp.size:
                raise self._nonsense("a chunk of a length that none has")
            start = number * chunking.HASH_BYTES
            yield Chunk(at, length, answer.hashes[start : start + chunking.HASH_BYTES])
            at += length

    def _check(self, status: Status) -> None:
        found = Stamped(size=status.size, mtime_ns=status.mtime_ns, ctime_ns=status.ctime_ns, ino=status.ino)
        if found != self._stamp:
            raise stale()

    def _fetched(self, wanted: list[Chunk]) -> Iterator[tuple[Chunk | None, bytes, Status | None]]:
        """Ask for chunks that are not here, and give each when it is complete and is what it should be."""
        patience = self._connection.patience()
        left = list(wanted)
        while left:
            try:
                yield from self._asked_once(left, patience.renew)
                if left:
                    raise self._nonsense("less data than was asked for")
            except (Unreachable, StreamCut) as error:
                patience.wait(error)

    def _asked_once(
        self, left: list[Chunk], renew: Callable[[], None]
    ) -> Iterator[tuple[Chunk | None, bytes, Status | None]]:
        """Ask once; what is complete is taken off the list."""
        ask = AskRanges(path=self._path, stamp=self._stamp, ranges=_ranges(left))
        buffer = bytearray()
        with self._connection.frames(ask) as frames:
            for is_message, payload in frames:
                renew()
                if is_message:
                    for answer in decode_answers(payload):
                        match answer:
                            case Unseen():
                                raise beliefs.error_of(answer)
                            case FileBegins() | FileEnds():
                                self._check(answer.status)
                                if isinstance(answer, FileEnds):
                                    yield None, b"", answer.status
                            case _:
                                raise self._nonsense("an answer to another question")
                    continue
                buffer += payload
                while left and len(buffer) >= left[0].length:
                    block = bytes(buffer[: left[0].length])
                    del buffer[: left[0].length]
                    if chunking.hash_of(block) != left[0].hash:
                        raise self._nonsense("data of another chunk")
                    yield left.pop(0), block, None

    def _nonsense(self, what: str) -> FarEndLost:
        return FarEndLost(f"{self._connection.place}: {what}")


def _ranges(chunks: Sequence[Chunk]) -> list[tuple[int, int]]:
    """Give the ranges that chunks in order take up, neighbours as one."""
    found: list[tuple[int, int]] = []
    for chunk in chunks:
        end = chunk.start + chunk.length
        if found and found[-1][1] == chunk.start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((chunk.start, end))
    return found

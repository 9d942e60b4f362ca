"""Putting a far file together of chunks that are here and chunks that are asked for."""

from __future__ import annotations

import contextlib
import os
import threading
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
_MOST_MISSING = 1_000_000  # chunks that are noted before they are asked for: of 64 GiB, as a rule


class Write(Protocol):
    """Writes a block of a file at its place, and gives its length."""

    def __call__(self, copy: int, block: bytes, offset: int, *, skips_zeros: bool) -> int: ...


Found = dict[bytes, tuple[int, int]]  # by a chunk's hash: an open file, and where in it


def _chunks_in(handles: Sequence[int]) -> Found:
    found: Found = {}
    for handle in handles:
        with contextlib.suppress(OSError):  # then there is less to find
            for chunk in chunking.chunks(handle):
                found.setdefault(chunk.hash, (handle, chunk.start))
    return found


class Salvaged:
    """What had arrived before a run was cut off: looked through once, for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: Sequence[int] = ()
        self._found: Found | None = None

    def take(self, handles: Sequence[int]) -> None:
        """Look in these open files from now on; whoever opened them keeps them open."""
        with self._lock:
            self._handles, self._found = handles, None

    def chunks(self) -> Found:
        """Give the chunks that are there."""
        with self._lock:
            if self._found is None:
                self._found = _chunks_in(self._handles)
            return self._found

    def __bool__(self) -> bool:
        return bool(self._handles)


class Bases:
    """Open files of this machine in which chunks may be found."""

    def __init__(self, basis: int | None, *, salvaged: Salvaged) -> None:
        """Take over the file that is to be replaced (None: there is none), and look in what was salvaged."""
        self._basis = basis
        self._salvaged = salvaged
        self._found: Found | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._basis is not None:
            with contextlib.suppress(OSError):
                os.close(self._basis)

    def __bool__(self) -> bool:
        return self._basis is not None or bool(self._salvaged)

    def block(self, chunk: Chunk) -> bytes | None:
        """Give a chunk's content, if it is here and still what it was."""
        if self._found is None:
            self._found = _chunks_in([] if self._basis is None else [self._basis])
        found = self._found.get(chunk.hash) or self._salvaged.chunks().get(chunk.hash)
        if found is None:
            return None
        handle, start = found
        try:
            block = os.pread(handle, chunk.length, start)
        except OSError:
            return None
        same = len(block) == chunk.length and chunking.hash_of(block) == chunk.hash
        return block if same else None


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
            if block is not None:
                told(write(copy, block, piece.start, skips_zeros=sparse))
                continue
            missing.append(piece)
            if len(missing) >= _MOST_MISSING:
                self._fetch(missing, copy, told=told, write=write, sparse=sparse)
                missing = []
        assert ended is not None
        return self._fetch(missing, copy, told=told, write=write, sparse=sparse) or ended

    def _fetch(
        self, missing: Sequence[Chunk], copy: int, *, told: Told, write: Write, sparse: bool
    ) -> Status | None:
        """Write chunks that are not here; give what the file was after the last of them."""
        ended: Status | None = None
        for start in range(0, len(missing), _RANGES_AT_ONCE):
            for chunk, block, status in self._fetched(missing[start : start + _RANGES_AT_ONCE]):
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
            left = self._stamp.size - at
            if not min(chunking.LEAST_BYTES, left) <= length <= min(chunking.MOST_BYTES, left) or not left:
                raise self._nonsense("a chunk of a length that none has")
            start = number * chunking.HASH_BYTES
            yield Chunk(at, length, answer.hashes[start : start + chunking.HASH_BYTES])
            at += length

    def _check(self, status: Status) -> None:
        found = Stamped(size=status.size, mtime_ns=status.mtime_ns, ctime_ns=status.ctime_ns, ino=status.ino)
        if found != self._stamp:
            raise stale()

    def _fetched(self, wanted: Sequence[Chunk]) -> Iterator[tuple[Chunk | None, bytes, Status | None]]:
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
                if buffer and not left:
                    raise self._nonsense("more data than was asked for")

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

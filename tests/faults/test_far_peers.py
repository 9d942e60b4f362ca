"""What another end sends without end, or in tiny pieces, neither eats memory nor keeps a run for ever."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirsync.errors import Cancelled
from dirsync.model.attributes import Namespace
from dirsync.model.entry import Entry
from dirsync.model.listing import listing_of
from dirsync.model.new_files import NewFiles
from dirsync.model.place import FarPlace
from dirsync.trees import chunking
from dirsync.trees.data import DataCopier
from dirsync.trees.far.connection import FarConnection, FarEndLost
from dirsync.trees.far.file import FarFile
from dirsync.trees.far.http import HttpAsking
from dirsync.trees.far.tree import FarTree
from dirsync.trees.small_files import Making
from dirsync.trees.source import FileAhead
from dirsync.wire import frames
from dirsync.wire.asks import (
    LARGE_BYTES,
    AskChunks,
    AskEntries,
    AskFiles,
    AskListings,
    AskRanges,
    Attributes,
    Chunks,
    FileBegins,
    FileEnds,
    FilesTogether,
    FileWanted,
    Listed,
    Question,
    Seen,
    Status,
)
from dirsync.wire.frames import Frames, StreamCut
from tests.rows import packed_row

MOST_FRAMES = 200_000  # of a stream, until it counts as read without end
DIRECTORY = stat.S_IFDIR | 0o755
PLACE = FarPlace(address="test:", share="peer")

Answers = Callable[[Question], Iterator[bytes]]


class Peer:
    """Answers as it is told to."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    @contextlib.contextmanager
    def ask(self, question: Question) -> Iterator[Frames]:
        yield Frames(Saying(self._answers(question)))

    def close(self) -> None:
        """Nothing is open."""


class Saying:
    """A stream that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = itertools.islice(pieces, MOST_FRAMES)
        self._buffer = b""

    def read(self, count: int, /) -> bytes:
        while len(self._buffer) < count:
            piece = next(self._pieces, None)
            assert piece is not None, "it read and read"
            self._buffer += piece
        block, self._buffer = self._buffer[:count], self._buffer[count:]
        return block


def far_tree(answers: Answers, *, check: Callable[[], None] = lambda: None) -> FarTree:
    return FarTree(FarConnection(PLACE, Peer(answers), check=check, patience_seconds=0.0))


def directories(path: bytes, names: list[bytes]) -> Listed:
    rows = len(names)
    fixed = [bytes(width * rows) for width in (8, 8, 8, 4, 4, 8, 8, 8)]
    return Listed(path=path, columns=[b"\0".join(names), DIRECTORY.to_bytes(4, "little") * rows, *fixed, b""])


# Signs of life


def test_peer_that_is_only_alive_is_left_when_the_run_is_to_stop() -> None:
    left = iter(range(100))

    def check() -> None:
        if next(left, None) is None:
            raise Cancelled("stopped", signal_number=15)

    with pytest.raises(Cancelled):
        far_tree(lambda _: itertools.repeat(frames.ALIVE), check=check).listing(b"")


# The end of a response


@contextlib.contextmanager
def agent_that_sends(body: Callable[[], Iterator[bytes]]) -> Iterator[FarTree]:
    """Give a tree of an agent that answers the first question with chunks, as HTTP has them."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for block in body():
                connection.sendall(b"%x\r\n%s\r\n" % (len(block), block))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=serve)
        answering.start()
        place = FarPlace(address=f"http://127.0.0.1:{listener.getsockname()[1]}", share="peer")
        with FarTree(FarConnection(place, HttpAsking(place)), owned=True) as far:
            yield far
        answering.join()


SEEN = frames.messages(Seen(path=b"a", status=None)) + frames.END


def test_connection_that_is_cut_behind_the_last_frame_has_brought_all() -> None:
    with agent_that_sends(lambda: iter([SEEN])) as far:
        assert far.entry(b"a") is None


def test_body_that_goes_on_behind_the_last_frame_is_not_read() -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield SEEN
        while sent < 64 << 20:
            sent += 1 << 20
            yield bytes(1 << 20)

    with agent_that_sends(body) as far:
        assert far.entry(b"a") is None
    assert sent < 64 << 20


# Listings


def test_listing_in_parts_without_rows_is_refused() -> None:
    part = Listed(path=b"", columns=[b""] * 11, more=True)

    with pytest.raises(FarEndLost, match="parts do not fit"):
        far_tree(lambda _: itertools.repeat(frames.messages(part))).listing(b"")


def test_more_beneath_a_directory_than_was_asked_for_is_refused() -> None:
    """However deep a tree is said to be, one answer holds so many rows."""
    names = [b"%04d" % number for number in range(1000)]

    def answers(_: Question) -> Iterator[bytes]:
        path = b""
        while True:
            yield frames.messages(directories(path, names))
            path = path + b"/0000" if path else b"0000"

    far = far_tree(answers)
    far.foresee_beneath(b"")
    with pytest.raises(FarEndLost, match="a listing nobody asked for"):
        far.listing(b"elsewhere")
    assert len(far.connection.foreseen) <= 60


class Walked:
    """Lists a tree of 100 directories beneath its root, or those of them that are asked for."""

    def __init__(self, *, cut_at: int | None = None) -> None:
        """`cut_at`: the first answer is cut off behind so many listings."""
        self.names = [b"%02d" % number for number in range(100)]
        self.asked: list[list[bytes]] = []
        self.sent = 0
        self._cut_at = cut_at

    def __call__(self, question: Question) -> Iterator[bytes]:
        assert isinstance(question.ask, AskListings)
        self.asked.append(question.ask.paths)
        for path in question.ask.paths:
            for each in [b"", *self.names] if not path else [path]:
                if self.sent == self._cut_at and len(self.asked) == 1:
                    raise StreamCut("the connection was lost")
                self.sent += 1
                yield frames.messages(directories(each, [] if each else self.names))
        yield frames.END


def walk(far: FarTree, paths: list[bytes]) -> None:
    """List directories, each as a march does."""
    for path in paths:
        far.foresee_beneath(path)
        far.listing(path)


def test_what_is_beneath_comes_while_it_is_taken() -> None:
    walked = Walked()
    far = far_tree(walked)
    far.foresee_beneath(b"")

    assert far.listing(b"").name_list() == walked.names
    assert walked.sent == 1
    walk(far, walked.names)
    assert (walked.asked, far.connection.foreseen) == ([[b""]], {})


def test_directories_are_asked_for_together() -> None:
    walked = Walked()
    far = far_tree(walked)
    left = iter(walked.names)
    for name in left:
        far.foresee_beneath(name, left)
        far.listing(name)
    assert walked.asked == [walked.names]


def test_what_is_beneath_is_asked_for_again_where_it_was_cut_off() -> None:
    walked = Walked(cut_at=50)
    far = far_tree(walked)
    paths = [b"", *walked.names]
    for number, path in enumerate(paths):
        far.foresee_beneath(path, paths[number + 1 :] if path else ())
        far.listing(path)
    assert walked.asked == [[b""], walked.names[49:]]
    assert (walked.sent, far.connection.foreseen) == (101, {})


def test_a_march_that_turns_aside_asks_for_nothing_twice() -> None:
    """Directories that are known to be new lie between those in which others are found on the way."""
    asked: list[bytes] = []

    def answers(question: Question) -> Iterator[bytes]:
        assert isinstance(question.ask, AskListings)
        for path in question.ask.paths:
            asked.append(path)
            yield frames.messages(directories(path, []))
        yield frames.END

    far = far_tree(answers)
    new = [b"%04d" % number for number in range(300)]
    for number, path in enumerate(new):
        for each in (b"found/%04d" % number, path):
            far.foresee_beneath(each, new[number if each != path else number + 1 :])
            far.listing(each)
    assert len(asked) == len(set(asked)) == 600
    assert far.connection.foreseen == {}


def test_a_peer_that_sends_something_else_first_is_left() -> None:
    """However often it is cut off, nothing is kept of what cannot be next."""
    sent = 0

    def answers(_: Question) -> Iterator[bytes]:
        nonlocal sent
        path = b""
        while True:
            sent += 1
            yield frames.messages(directories(path, [b"0", b"1"]))
            path = path + b"/1" if path else b"1"

    far = far_tree(answers)
    far.foresee_beneath(b"")
    far.listing(b"")
    with pytest.raises(FarEndLost, match="a listing nobody asked for"):
        walk(far, [b"0"] * 5)
    assert sent <= 60_000


def test_what_is_beneath_is_let_go_when_files_are_asked_for() -> None:
    walked = Walked()
    far = far_tree(walked)
    far.foresee_beneath(b"")
    far.listing(b"")

    far.foresee(files=[FileAhead(b"a", 1)])
    far.foresee_beneath(b"")
    far.listing(b"")
    assert (len(walked.asked), walked.sent) == (2, 2)


# Small files together


FILE = stat.S_IFREG | 0o644
MAKING = Making(False, False, True, False, False, 0o777, 1 << 16, True)
ROW = packed_row(Status(stat.S_IFREG | 0o644, 1, 1, 1, 0, 0, 1, 1, 1))
BELOW_ZERO = packed_row(Status(stat.S_IFREG | 0o644, -1, 1, 1, 0, 0, 1, 1, 1))
NO_KIND = packed_row(Status(0o170000, 1, 1, 1, 0, 0, 1, 1, 1))


def together(packed: bytes, data: bytes) -> list[bytes]:
    return [frames.messages(FilesTogether(rows=packed)), frames.data(data), frames.END]


def opened_small(far: FarTree, *paths: bytes) -> list[FarFile]:
    """Open files that were foreseen."""
    far.foresee(files=[FileAhead(path, 1) for path in paths])
    opened = [far.opened(path) for path in paths]
    return [file for file in opened if isinstance(file, FarFile)]


@pytest.mark.parametrize(
    ("packed", "data", "wanted"),
    [
        (ROW[:-1], b"1", "cut off"),
        (ROW, b"", "other data than they say"),
        (ROW, b"12", "other data than they say"),
        (BELOW_ZERO, b"", "below zero"),
        (b"", b"", "together that are none"),
        (ROW * 3, b"123", "more files than were asked for"),
    ],
    ids=["cut row", "fewer data", "more data", "below zero", "none", "more files"],
)
def test_files_together_that_are_not_what_they_say_are_refused(
    packed: bytes, data: bytes, wanted: str
) -> None:
    with pytest.raises(FarEndLost, match=wanted):
        opened_small(far_tree(lambda _: iter(together(packed, data))), b"a", b"b")


def test_files_together_that_a_message_follows_are_refused() -> None:
    message = frames.messages(FilesTogether(rows=ROW))

    with pytest.raises(FarEndLost, match="without data"):
        opened_small(far_tree(lambda _: itertools.repeat(message)), b"a")


def test_kind_that_no_file_has_is_refused_before_anything_is_made_of_it() -> None:
    (file,) = opened_small(far_tree(lambda _: iter(together(NO_KIND, b"1"))), b"a")

    with pytest.raises(FarEndLost, match="a mode that no file has"):
        file.status()


def test_files_together_that_were_cut_off_before_their_data_come_again() -> None:
    asked: list[list[FileWanted]] = []

    def answers(question: Question) -> Iterator[bytes]:
        assert isinstance(question.ask, AskFiles)
        asked.append(question.ask.files)
        count = len(question.ask.files)
        yield frames.messages(FilesTogether(rows=ROW * min(2, count)))
        if len(asked) in (1, 3):
            raise StreamCut("cut")
        yield frames.data(b"12"[:count])
        if count > 2:
            yield frames.messages(FilesTogether(rows=ROW))
            raise StreamCut("cut")
        yield frames.END

    far = FarTree(FarConnection(PLACE, Peer(answers), check=lambda: None, patience_seconds=30.0))
    paths = [b"a", b"b", b"c"]

    assert [file.read(most=100) for file in opened_small(far, *paths)] == [b"1", b"2", b"1"]
    assert [[wanted.path for wanted in files] for files in asked] == [paths, paths, [b"c"], [b"c"]]


def test_stop_before_the_end_of_a_stream_comes_before_its_last_files_are_made(tmp_path: Path) -> None:
    """What is made and not told is in no count, and never in the history."""
    listing = listing_of([Entry(b"a", FILE, 1, 1, 1, 0, 0, 1, 1, 1, None)])
    directory = os.open(tmp_path, os.O_RDONLY)
    frames_read = 0

    def check() -> None:
        nonlocal frames_read
        frames_read += 1
        if frames_read > 2:  # the message and its data
            raise Cancelled("stopped", signal_number=15)

    far = far_tree(lambda _: iter(together(ROW, b"1")), check=check)
    far.foresee(together=[NewFiles(b"d", listing)])
    try:
        with pytest.raises(Cancelled):
            far.copy_small(b"d", [b"a"], into=directory, making=MAKING)
        assert os.listdir(tmp_path) == []
    finally:
        os.close(directory)


# Large files


def status_of_file(size: int) -> Status:
    return Status(stat.S_IFREG | 0o644, size, 1, 1, 0, 0, 1, 1, 1)


def copied(answers: Answers, *, size: int) -> None:
    """Copy a large file in place of another one."""

    def answer(question: Question) -> Iterator[bytes]:
        if isinstance(question.ask, AskEntries):
            yield frames.messages(Seen(path=b"big", status=status_of_file(size)))
            yield frames.END
        else:
            yield from answers(question)

    with tempfile.TemporaryFile() as basis, tempfile.TemporaryFile() as copy:
        basis.write(os.urandom(1000))
        basis.flush()
        file = far_tree(answer).opened(b"big")
        file.copy_to(
            copy.fileno(),
            DataCopier(sparse=False),
            before=file.status(),
            told=lambda _: None,
            basis=lambda: os.dup(basis.fileno()),
        )


def test_chunks_that_are_too_small_are_refused() -> None:
    begins = frames.messages(FileBegins(path=b"big", status=status_of_file(2**40)))
    tiny = frames.messages(Chunks(lengths=[1] * 1000, hashes=bytes(16 * 1000)))

    with pytest.raises(FarEndLost, match="a chunk of a length that none has"):
        copied(lambda _: itertools.chain([begins], itertools.repeat(tiny)), size=2**40)


def test_more_data_than_was_asked_for_is_refused() -> None:

    status = status_of_file(LARGE_BYTES)
    block = bytes(chunking.MOST_BYTES)
    count = LARGE_BYTES // len(block)
    begins = frames.messages(FileBegins(path=b"big", status=status))
    data = frames.data(block)

    def answers(question: Question) -> Iterator[bytes]:
        yield begins
        if isinstance(question.ask, AskChunks):
            yield frames.messages(
                Chunks(lengths=[len(block)] * count, hashes=chunking.hash_of(block) * count),
                FileEnds(path=b"big", status=status),
            )
            yield frames.END
        else:
            assert isinstance(question.ask, AskRanges)
            for _ in range(count + 100):
                yield data

    with pytest.raises(FarEndLost, match="more data than was asked for"):
        copied(answers, size=LARGE_BYTES)


# Attributes


def test_attributes_with_names_that_are_none_are_not_believed() -> None:
    evil = {b"user.a\0b": b"1", b"": b"2", b"user." + b"x" * 300: b"3", b"user.a": b"4"}
    answer = frames.messages(Attributes(path=b"f", attributes=evil)) + frames.END

    found = far_tree(lambda _: iter([answer])).bearer(b"f").attributes(frozenset({Namespace.USER}))

    assert found == {"user.a": b"4"}

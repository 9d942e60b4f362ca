"""Whatever the other end says: nothing outside of the roots, no traceback, no memory eaten.

Genuine answers are spoilt in ways that an attacker would think of, and at random; then a run takes
them for a source's. Genuine questions are spoilt and asked of an agent. `DIRSYNC_FUZZ_ENTRIES`
(10⁶ for a long run) entries of listings, `DIRSYNC_FUZZ_STREAMS` (10⁴) streams at each end.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from dirsync.answers.answering import Answerer, decode_question
from dirsync.model.listing import Listing
from dirsync.model.place import FarPlace, LocalPlace
from dirsync.model.result import Outcome
from dirsync.model.serving import Access
from dirsync.scan.chosen import list_directory
from dirsync.trees.far.connection import FarConnection, connected
from dirsync.wire import beliefs, frames
from dirsync.wire.asks import (
    Ask,
    AskEntries,
    AskFiles,
    AskListings,
    AskRanges,
    FileWanted,
    Listed,
    Question,
    Stamped,
)
from dirsync.wire.frames import Frames, ProtocolError, decoder
from tests.jobs import run, sync_job
from tests.trees import Link, Snapshot, snapshot, tree

ENTRIES = int(os.environ.get("DIRSYNC_FUZZ_ENTRIES", "20000"))
STREAMS = int(os.environ.get("DIRSYNC_FUZZ_STREAMS", "200"))
SEED = int(os.environ.get("DIRSYNC_SEED", "1"))
MOST_MEMORY_KIB = 256 << 10

_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_plain_listed = decoder(Listed)

SECRET = b"nobody's business"
EVIL_NAMES = [
    b"..",
    b".",
    b"",
    b"../evil",
    b"/etc/passwd",
    b"a/b",
    b"a\0b",
    b"x" * 256,
    b"x" * 5000,
    b"..\0",
    b"d/../../evil",
]
EVIL_NUMBERS = [-1, 0, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]


# Listings


def columns_of(root: Path) -> list[bytes]:
    fd = os.open(root, os.O_RDONLY)
    try:
        return list(list_directory(fd)[:-1])
    finally:
        os.close(fd)


def spoilt_columns(drawn: random.Random, columns: list[bytes]) -> list[bytes]:
    """Spoil a listing in one way or several."""
    columns = list(columns)
    for _ in range(drawn.choice([1, 1, 1, 2, 4])):
        at = drawn.randrange(len(columns))
        match drawn.randrange(8):
            case 0:
                names = columns[0].split(b"\0")
                names[drawn.randrange(len(names))] = drawn.choice(EVIL_NAMES)
                columns[0] = b"\0".join(names)
            case 1:
                names = columns[0].split(b"\0")
                drawn.shuffle(names)
                columns[0] = b"\0".join(names)
            case 2:
                names = columns[0].split(b"\0")
                names[-1] = names[0]
                columns[0] = b"\0".join(names)
            case 3:
                columns[at] = columns[at][: drawn.randrange(len(columns[at]) + 1)]
            case 4:
                columns[at] += drawn.randbytes(drawn.randrange(1, 20))
            case 5:
                spot = drawn.randrange(max(len(columns[at]), 1))
                columns[at] = columns[at][:spot] + drawn.randbytes(1) + columns[at][spot + 1 :]
            case 6:
                del columns[at]
                columns.insert(drawn.randrange(len(columns) + 1), drawn.randbytes(drawn.randrange(40)))
            case 7:
                columns[-1] = drawn.choice([b"", b"\0", b"x" * 5000, columns[-1] + b"\0more"])
    return columns


def check_believed(listing: Listing) -> None:
    """Check what every listing that is believed must be, in other words than the program's."""
    names = listing.name_list()
    assert names == sorted(set(names))
    for name in names:
        assert 0 < len(name) <= 255
        assert b"/" not in name
        assert b"\0" not in name
        assert name not in (b".", b"..")
    for entry in listing.entries(b""):
        assert entry.size >= 0
        assert (entry.target is not None) == stat.S_ISLNK(entry.mode)
        assert entry.target is None or 0 < len(entry.target) < 4096


def test_spoilt_listings_are_refused_or_harmless(tmp_path: Path) -> None:
    drawn = random.Random(SEED)
    root = tree(tmp_path / "s", {f"f{n}": b"x" * n for n in range(12)} | {"d": {}, "l": Link("a")})
    genuine = columns_of(root)
    seen = refused = 0
    while seen < ENTRIES:
        columns = spoilt_columns(drawn, genuine)
        seen += len(columns[0].split(b"\0")) if columns else 1
        unknown = [(drawn.choice(EVIL_NAMES), "why")] if drawn.random() < 0.1 else []
        try:
            listing = beliefs.listing_of(Listed(path=b"", columns=columns, unknown=unknown))
        except ProtocolError:
            refused += 1
            continue
        check_believed(listing)
    assert refused > ENTRIES / 100


# Streams that a run takes for its source's


class Spoiling:
    """Answers as an agent would, but for what it spoils."""

    def __init__(self, answerer: Answerer, drawn: random.Random) -> None:
        self._answerer = answerer
        self._drawn = drawn
        self._left = drawn.choice([0, 1, 2, 3, 4, 6])  # answers that are genuine first

    @contextlib.contextmanager
    def ask(self, question: Question) -> Iterator[Frames]:
        question = decode_question(_encode(question))
        said = b"".join(self._answerer.answer(question))
        if self._left:
            self._left -= 1
        else:
            said = spoilt_stream(self._drawn, said)
        yield Frames(Saying(said))

    def close(self) -> None:
        """Nothing is open."""


class Saying:
    def __init__(self, said: bytes) -> None:
        self._said = said

    def read(self, count: int, /) -> bytes:
        block, self._said = self._said[:count], self._said[count:]
        return block


def spoilt_stream(drawn: random.Random, said: bytes) -> bytes:
    """Spoil a stream: a frame of it, or what a frame says."""
    split = frames_in(said)
    match drawn.randrange(9):
        case 0:
            return said[: drawn.randrange(len(said))] + frames.END * drawn.randrange(2)
        case 1:
            at = drawn.randrange(len(said))
            return said[:at] + drawn.randbytes(drawn.randrange(1, 9)) + said[at + 1 :]
        case 2:
            return bomb() + frames.END
        case 3:
            return (2**32 - 1).to_bytes(4, "big") + bytes([drawn.randrange(9)]) + said
        case 4:
            drawn.shuffle(split)
            return b"".join(split)
        case 5:
            return b"".join(split + split)
        case _:
            at = drawn.randrange(len(split))
            split[at] = spoilt_message(drawn, split[at])
            return b"".join(split)


def frames_in(said: bytes) -> list[bytes]:
    found = []
    while said:
        length = 5 + int.from_bytes(said[:4], "big")
        found.append(said[:length])
        said = said[length:]
    return found


def bomb() -> bytes:
    """Give a frame of a few KiB that unpacks to a gibibyte."""
    compressor = zstd.ZstdCompressor(level=1)
    packed: bytes = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1024)) + compressor.flush()
    return len(packed).to_bytes(4, "big") + bytes([frames.Kind.PACKED_MESSAGE]) + packed


BOMB = bomb()


def spoilt_message(drawn: random.Random, frame: bytes) -> bytes:
    kind, payload = frame[4], frame[5:]
    if kind == frames.Kind.PACKED_MESSAGE:
        payload = frames.unpacked(payload)
    elif kind != frames.Kind.MESSAGE:
        return drawn.choice([b"", frame * 2, BOMB])
    value = _decode(payload)
    for _ in range(drawn.choice([1, 1, 2])):
        value = spoilt(drawn, value)
    try:
        return frames.messages(*value) if isinstance(value, list) else frames.messages(value)
    except (OverflowError, msgspec.MsgspecError):
        return frame


def spoilt(drawn: random.Random, value: Any) -> Any:
    """Spoil one place somewhere in a message."""
    match value:
        case list() if value and drawn.random() < 0.9:
            at = drawn.randrange(len(value))
            how = drawn.random()
            if how < 0.1:
                return value[:at] + value[at + 1 :]
            if how < 0.2:
                return value[:at] + [value[at]] * 3 + value[at:]
            return [*value[:at], spoilt(drawn, value[at]), *value[at + 1 :]]
        case dict() if value and drawn.random() < 0.9:
            key = drawn.choice(list(value))
            if key == "columns" and len(value[key]) == 11 and drawn.random() < 0.7:
                return {**value, key: spoilt_columns(drawn, value[key])}
            if drawn.random() < 0.1:
                return {name: item for name, item in value.items() if name != key}
            return {**value, key: spoilt(drawn, value[key])}
        case bool():
            return not value
        case int():
            return drawn.choice([*EVIL_NUMBERS, value + 1, value ^ (1 << drawn.randrange(32))])
        case bytes():
            return drawn.choice([*EVIL_NAMES, value + b"/..", value[:-1], value * 2, drawn.randbytes(9)])
        case str():
            return drawn.choice(["", "greeted", "ends", "EPERM", "\x1b[31m\n", value * 2, "../x"])
        case _:
            return drawn.choice([None, 0, b"", "", [], {}, [None], {"": None}])


@pytest.fixture
def grounds(tmp_path: Path) -> tuple[Path, Path, Snapshot]:
    """Give a source, a folder in which only `destination` may change, and what that folder holds."""
    source = tree(
        tmp_path / "source",
        {
            "a": b"1",
            "big": os.urandom(200_000),
            "d": {"e": {"f": b"2" * 70_000}, "g": b"3"},
            "l": Link("d"),
            "out": Link(str(tmp_path / "near/outside")),
        },
    )
    near = tree(tmp_path / "near", {"outside": {"kept": SECRET}, "evil": SECRET, "destination": {}})
    return source, near, outside(near)


def peak_memory_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def outside(near: Path) -> Snapshot:
    seen = snapshot(near)
    return {path: each for path, each in seen.items() if path and not path.startswith(b"destination")}


def test_spoilt_streams_of_a_source_reach_nothing_outside(
    grounds: tuple[Path, Path, Snapshot], tmp_path: Path
) -> None:
    source, near, before = grounds
    drawn = random.Random(SEED)
    peak_before = peak_memory_kib()  # other tests ran in this process
    outcomes: dict[Outcome, int] = {}
    for number in range(STREAMS):
        place = FarPlace(address="fuzz:", share=str(number))
        answerer = Answerer(LocalPlace(path=os.fsencode(source)), access=Access.READ, check=lambda: None)
        asking = Spoiling(answerer, drawn)
        job = sync_job(source, near / "destination")
        with connected(FarConnection(place, asking, patience_seconds=0.0)) as tied:
            job = msgspec.structs.replace(job, source=tied, workers=drawn.choice([1, 2]))
            result = run(job, state=tmp_path / "state")
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
        assert result.error is None or "internal error" not in result.error, result
        assert outside(near) == before, (number, result)
    assert outcomes.get(Outcome.FAILED, 0) > STREAMS / 10, outcomes
    assert peak_memory_kib() <= max(peak_before, MOST_MEMORY_KIB)


# Questions that an agent is asked


def genuine_questions() -> list[Question]:
    stamp = Stamped(size=200_000, mtime_ns=1, ctime_ns=1, ino=1)
    asks: list[Ask] = [
        AskListings(paths=[b"", b"d", b"nothing"]),
        AskListings(paths=[b""], beneath=True),
        AskEntries(paths=[b"", b"a", b"l", b"d/e"]),
        AskFiles(files=[FileWanted(b"a"), FileWanted(b"big", 7, stamp)], namespaces=["user"]),
        AskRanges(path=b"big", stamp=stamp, ranges=[(0, 10), (20, 30)]),
    ]
    return [Question(ask=ask, root=root) for ask in asks for root in (b"", b"d")]


def test_spoilt_questions_are_answered_of_the_share_alone_or_refused(
    grounds: tuple[Path, Path, Snapshot],
) -> None:
    source, _, _ = grounds
    drawn = random.Random(SEED)
    answerer = Answerer(LocalPlace(path=os.fsencode(source)), access=Access.READ, check=lambda: None)
    questions = [_encode(question) for question in genuine_questions()]
    answered = 0
    for _ in range(STREAMS):
        asked = drawn.choice(questions)
        asked = _encode(spoilt(drawn, _decode(asked))) if drawn.random() < 0.8 else drawn.randbytes(60)
        try:
            question = decode_question(asked)
        except ProtocolError:
            continue
        said = b"".join(answerer.answer(question))
        answered += 1
        assert SECRET not in said
        assert frames_in(said)[-1][4] in (frames.Kind.END, frames.Kind.REFUSED)
    assert answered > STREAMS / 10

"""Frames: how messages and data follow each other in a stream, so that its end is known from its loss.

A frame is four bytes of length, big-endian, one byte that says what it is, and that many
bytes. A message is MessagePack; data are what they are. Either may be compressed by zstd.
A stream that was not cut off ends with an `END` or a `REFUSED`.
"""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, Self, TypeVar

import msgspec

from dirsync.errors import DirsyncError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")

MOST_BYTES = 16 << 20  # of one frame, as it is and unpacked: what is more is refused
DATA_BYTES = 256 << 10  # a frame of data holds as a rule
_HEADER_BYTES = 5
_WORTH_PACKING = 200  # bytes; what is shorter is sent as it is
_LEVEL = 1
_PACKED_SHARE = 0.9  # of its length that data have to come to, or they are sent as they are
_TASTE = (4, 1 << 10)  # pieces of data, and bytes of each, that are packed first
_encoder = msgspec.msgpack.Encoder()


class ProtocolError(DirsyncError):
    """What the other end said makes no sense, or must not be believed."""


class StreamCut(DirsyncError):
    """A stream ended before its end: the connection was lost."""


class Kind(enum.IntEnum):
    """What a frame is."""

    MESSAGE = 1
    PACKED_MESSAGE = 2
    DATA = 3
    PACKED_DATA = 4
    ALIVE = 5  # nothing yet; the other end is at work
    END = 6
    REFUSED = 7  # a text says why


class _Packers(threading.local):
    """What compresses, for each thread: to make one takes as long as to pack 100 KiB."""

    def __init__(self) -> None:
        self.packer = zstd.ZstdCompressor(_LEVEL)


_packers = _Packers()


def _compress(payload: bytes) -> bytes:
    return _packers.packer.compress(payload, zstd.ZstdCompressor.FLUSH_FRAME)


def messages(*values: object) -> bytes:
    """Frame some messages; several in one frame pack better."""
    payload = _encoder.encode(values)
    if len(payload) >= _WORTH_PACKING:
        packed = _compress(payload)
        if len(packed) < len(payload):
            return _frame(Kind.PACKED_MESSAGE, packed)
    return _frame(Kind.MESSAGE, payload)


def whole_files(values: Sequence[object]) -> bytes:
    """Frame messages that hold data for the most part."""
    return b"".join(_packed(_encoder.encode(values), Kind.MESSAGE, Kind.PACKED_MESSAGE))


def data(block: bytes) -> bytes:
    """Frame data."""
    return b"".join(_packed(block, Kind.DATA, Kind.PACKED_DATA))


def message_and_data(value: object, block: bytes) -> tuple[bytes, ...]:
    """Frame a message that is short beside its data; it is left to the caller to join the pieces."""
    payload = _encoder.encode([value])
    return _header(Kind.MESSAGE, payload), payload, *_packed(block, Kind.DATA, Kind.PACKED_DATA)


def _packed(payload: bytes, as_it_is: Kind, packed_kind: Kind) -> tuple[bytes, bytes]:
    if len(payload) >= _WORTH_PACKING and _gets_shorter(_taste(payload)):
        packed = _compress(payload)
        if len(packed) <= len(payload) * _PACKED_SHARE:
            return _header(packed_kind, packed), packed
    return _header(as_it_is, payload), payload


def _taste(payload: bytes) -> bytes:
    """Give some pieces of data, which tell whether packing all is worth its time."""
    pieces, length = _TASTE
    if len(payload) <= 2 * pieces * length:
        return payload
    starts = range(0, len(payload) - length + 1, (len(payload) - length) // (pieces - 1))
    return b"".join(payload[start : start + length] for start in starts)


def _gets_shorter(payload: bytes) -> bool:
    return len(_compress(payload)) <= len(payload) * _PACKED_SHARE


ALIVE = bytes(4) + bytes([Kind.ALIVE])
END = bytes(4) + bytes([Kind.END])


def refused(reason: str) -> bytes:
    """Frame why there is no answer; the last frame of a stream."""
    return _frame(Kind.REFUSED, reason.encode("utf-8", "backslashreplace")[:4096])


def _frame(kind: Kind, payload: bytes) -> bytes:
    return _header(kind, payload) + payload


def _header(kind: Kind, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + bytes([kind])


class Reading(Protocol):
    """Where frames come from."""

    def read(self, count: int, /) -> bytes:
        """Give as many bytes as are asked for; fewer only at the end."""


def _never() -> None:
    """Let every frame pass."""


class Frames:
    """Reads the frames of one stream."""

    def __init__(self, stream: Reading) -> None:
        self._stream = stream
        self._check: Callable[[], None] = _never
        self.ended = False

    def checked_by(self, check: Callable[[], None]) -> Self:
        """Have `check` called at each frame, signs of life too; it may raise to stop."""
        self._check = check
        return self

    def __iter__(self) -> Iterator[tuple[bool, bytes]]:
        """Give each message (True) and block of data (False), unpacked.

        Raises:
            ProtocolError: what came is no frame, or the other end refused.
            StreamCut: it ended too early.
        """
        while True:
            kind, payload = self._next()
            self._check()
            match kind:
                case Kind.ALIVE:
                    continue
                case Kind.END:
                    self.ended = True
                    return
                case Kind.REFUSED:
                    self.ended = True
                    raise Refused(payload.decode("utf-8", "replace"))
                case Kind.MESSAGE | Kind.DATA:
                    yield kind is Kind.MESSAGE, payload
                case Kind.PACKED_MESSAGE | Kind.PACKED_DATA:
                    yield kind is Kind.PACKED_MESSAGE, unpacked(payload)

    def _next(self) -> tuple[Kind, bytes]:
        header = self._read(_HEADER_BYTES)
        length = int.from_bytes(header[:4], "big")
        if length > MOST_BYTES:
            raise ProtocolError(f"a frame of {length} bytes; at most {MOST_BYTES} are taken")
        try:
            kind = Kind(header[4])
        except ValueError:
            raise ProtocolError(f"a frame of unknown kind {header[4]}") from None
        return kind, self._read(length) if length else b""

    def _read(self, count: int) -> bytes:
        block = self._stream.read(count)
        if len(block) < count:
            raise StreamCut("the stream ended too early")
        return block


class Refused(ProtocolError):
    """The other end said why it does not answer."""


def unpacked(payload: bytes) -> bytes:
    """Decompress, but no more than `MOST_BYTES`.

    Raises:
        ProtocolError: it is no zstd, or becomes too long.
    """
    decompressor = zstd.ZstdDecompressor()
    try:
        block = decompressor.decompress(payload, max_length=MOST_BYTES + 1)
    except (zstd.ZstdError, EOFError) as error:
        raise ProtocolError(f"a packed frame that cannot be unpacked: {error}") from error
    if len(block) > MOST_BYTES or not decompressor.eof or decompressor.unused_data:
        raise ProtocolError(f"a packed frame that is not one, or holds more than {MOST_BYTES} bytes")
    return block


def decoder(kind: Any) -> Callable[[bytes], Any]:
    """Make what reads messages of some types.

    It raises `ProtocolError` where a message is none of them.
    """
    decode = msgspec.msgpack.Decoder(kind, strict=True).decode

    def read(payload: bytes) -> Any:
        try:
            return decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
            raise ProtocolError(f"a message that makes no sense: {error}") from error

    return read

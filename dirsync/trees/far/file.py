"""A file that comes from a far tree."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Set

from dirsync.model.attributes import Namespace, namespace_of
from dirsync.trees import fsops
from dirsync.trees.data import DataCopier, Told
from dirsync.trees.far.connection import FarEndLost
from dirsync.trees.far.writing import write_at
from dirsync.wire import beliefs
from dirsync.wire.asks import FileEnds, Status
from dirsync.wire.frames import ProtocolError


def selected_attributes(attributes: dict[bytes, bytes], namespaces: Set[Namespace]) -> dict[str, bytes]:
    """Give the attributes that belong to some namespaces; others are not believed."""
    believed = beliefs.believed_attributes(attributes)
    return {name: value for name, value in believed.items() if namespace_of(name) in namespaces}


class FarFile:
    """A file that is coming; see `OpenFile`."""

    def __init__(
        self,
        status: Status,
        attributes: dict[bytes, bytes],
        *,
        data: bytes | None = None,
        coming: Callable[[], Iterator[bytes | FileEnds]] | None = None,
    ) -> None:
        """Take a file's `data`, or what gives them as they come, and in the end what it was."""
        self._status = status
        self._attributes = attributes
        self._data = data
        self._coming = coming
        self._ended = None if data is None else status

    def status(self) -> os.stat_result:
        """Give what it was when its data began, or, when they came, what it was after them."""
        return stat_of(self._ended or self._status)

    def settled(self, sleep: Callable[[float], None]) -> os.stat_result:
        """Give what it was: the far end let the tick pass."""
        return stat_of(self._status)

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
        assert self._coming is not None
        try:
            for piece in self._coming():
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


def stat_of(status: Status) -> os.stat_result:
    """Give what another end's `stat` said.

    Raises:
        RunError: a number is none that a file has.
    """
    try:
        return beliefs.stat_of(status)
    except ProtocolError as error:
        raise FarEndLost(f"the far end: {error}") from error

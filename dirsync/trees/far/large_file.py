"""A large file of a far tree: only the parts that are not here already are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Set

from dirsync.model.attributes import Namespace
from dirsync.trees import fsops
from dirsync.trees.data import DataCopier, Told
from dirsync.trees.far.chunks import Assembly, Bases, Salvaged
from dirsync.trees.far.connection import FarConnection, stale
from dirsync.trees.far.file import stat_of
from dirsync.trees.far.stream import FileStream
from dirsync.trees.far.writing import write_at

ReadAttributes = Callable[[Set[Namespace]], dict[str, bytes]]


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
        self._ended = stat_of(ended)
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

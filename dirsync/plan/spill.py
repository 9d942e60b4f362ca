"""A long list that moves to disk when memory would feel it, and is read in both directions."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

T = TypeVar("T")

BATCH = 4096  # items that stay in memory, and items a read brings back; an operation takes about 1 kB


class SpillList(Generic[T]):
    """An append-only list that keeps its last `batch` items in memory and the rest in a file.

    The file has no name and is gone with the process. `folder` None: where the
    system puts temporary files.
    """

    def __init__(self, *, folder: str | None = None, batch: int = BATCH) -> None:
        self._folder = folder
        self._batch = batch
        self._tail: list[T] = []
        self._file: IO[bytes] | None = None
        self._offsets: list[int] = []

    def __len__(self) -> int:
        return len(self._offsets) * self._batch + len(self._tail)

    def append(self, item: T) -> None:
        """Add an item at the end."""
        self._tail.append(item)
        if len(self._tail) == self._batch:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="dirsync-plan-")  # noqa: SIM115
        self._offsets.append(self._file.seek(0, 2))
        pickle.dump(self._tail, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        self._tail = []

    def __iter__(self) -> Iterator[T]:
        for offset in self._offsets:
            yield from self._load(offset)
        yield from self._tail

    def __reversed__(self) -> Iterator[T]:
        yield from reversed(self._tail)
        for offset in reversed(self._offsets):
            yield from reversed(self._load(offset))

    def _load(self, offset: int) -> list[T]:
        assert self._file is not None
        self._file.seek(offset)
        items: list[T] = pickle.load(self._file)
        return items

    def close(self) -> None:
        """Give the disk space back."""
        if self._file is not None:
            self._file.close()

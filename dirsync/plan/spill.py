"""A long list that moves to disk when memory would feel it, and is read in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

BATCH = 4096  # items that stay in memory, and items a read brings back; an operation takes about 1 kB


class Packing(NamedTuple):
    """How items become bytes, many at a time, and bytes items."""

    pack: Callable[[Sequence[Any]], bytes]
    unpack: Callable[[bytes], list[Any]]


def _pickled(items: Sequence[Any]) -> bytes:
    import pickle  # few lists get long, and fewer are of what has no packing of its own

    return pickle.dumps(items, protocol=pickle.HIGHEST_PROTOCOL)


def _unpickled(packed: bytes) -> list[Any]:
    import pickle

    found: list[Any] = pickle.loads(packed)
    return found


PICKLED = Packing(_pickled, _unpickled)


class SpillList(Generic[T]):
    """An append-only list that keeps its last `batch` items in memory and the rest in a file.

    An item that stands for several counts as so many. The file has no name and is gone with the
    process. `folder` None: where the system puts temporary files.
    """

    def __init__(self, *, folder: str | None = None, batch: int = BATCH, packing: Packing = PICKLED) -> None:
        self._folder = folder
        self._packing = packing
        self._batch = batch
        self._tail: list[T] = []
        self._tail_weight = self._count = 0
        self._file: IO[bytes] | None = None
        self._offsets: list[tuple[int, int]] = []  # and lengths

    def __len__(self) -> int:
        return self._count

    def append(self, item: T, *, weight: int = 1) -> None:
        """Add an item at the end; `weight`: for how many it stands."""
        self._tail.append(item)
        self._grow(weight)

    def _grow(self, by: int) -> None:
        self._count += by
        self._tail_weight += by
        if self._tail_weight >= self._batch:
            self._spill()

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        left = iter(items)
        while some := list(islice(left, self._batch - self._tail_weight)):
            self._tail += some
            self._grow(len(some))

    def _spill(self) -> None:
        if self._file is None:
            import tempfile  # few lists get long

            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="dirsync-plan-")  # noqa: SIM115
        packed = self._packing.pack(self._tail)
        self._offsets.append((self._file.seek(0, 2), len(packed)))
        self._file.write(packed)
        self._tail, self._tail_weight = [], 0

    def __iter__(self) -> Iterator[T]:
        for offset, length in self._offsets:
            yield from self._load(offset, length)
        yield from self._tail

    def __reversed__(self) -> Iterator[T]:
        yield from reversed(self._tail)
        for offset, length in reversed(self._offsets):
            yield from reversed(self._load(offset, length))

    def _load(self, offset: int, length: int) -> list[T]:
        assert self._file is not None
        self._file.seek(offset)
        return self._packing.unpack(self._file.read(length))

    def close(self) -> None:
        """Give the disk space back."""
        if self._file is not None:
            self._file.close()

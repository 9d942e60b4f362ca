"""What a march is, whatever it marches through: some directories in, facts and more directories out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

Check = Callable[[], None]  # called often; raises to stop


class Piece(Protocol):
    """What a march found."""

    subdirectories: list[Any]  # what it left for another march, in order

    @property
    def seen(self) -> int:
        """How many entries it saw, on all sides."""
        ...


Enough = Callable[[Piece], bool]  # whether to stop here and leave the rest to another march
D = TypeVar("D")  # one directory still to be marched; it travels to worker processes
P = TypeVar("P", bound=Piece)

# Marches through at least one of some directories; picklable where workers are to call it.
March: TypeAlias = Callable[[list[D], Enough, Check], P]

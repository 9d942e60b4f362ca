"""What may be written in jobs.yaml: the shape of each value, and the keys of each mapping.

A class of keys declares them as attributes, `count = Key(ATTEMPTS, "Tries in all")`; an
instance holds what was written, and gives None for the rest. Declarations are all there
is here: `validation` reads nodes by them, `schema` tells editors of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, overload

from dirsync.config.nodes import ScalarNode

T = TypeVar("T")
K = TypeVar("K", bound="Keys")


class Shape(Generic[T]):
    """What one value looks like, and becomes."""

    __slots__ = ()


class Leaf(Shape[T]):
    """A scalar: `read` gives what it becomes, or raises `ValueError` in plain words."""

    __slots__ = ("expected", "read", "schema")

    def __init__(self, *, read: Callable[[ScalarNode], T], expected: str, schema: dict[str, Any]) -> None:
        """`expected` is what a message says instead of a list or a mapping."""
        self.read = read
        self.expected = expected
        self.schema = schema


class Series(Shape[T]):
    """A list of values of one shape."""

    __slots__ = ("gather", "items", "may_be_one")

    def __init__(
        self, items: Shape[Any], gather: Callable[[Iterable[Any]], T], *, may_be_one: bool = False
    ) -> None:
        """`gather` makes of what the items become what the list becomes.

        `may_be_one`: a scalar stands for a list of it.
        """
        self.items = items
        self.gather = gather
        self.may_be_one = may_be_one


def list_of(items: Shape[T]) -> Series[tuple[T, ...]]:
    """Make the shape of a list whose order counts."""
    return Series(items, tuple)


def set_of(items: Shape[T]) -> Series[frozenset[T]]:
    """Make the shape of a list whose order does not count."""
    return Series(items, frozenset)


def one_or_more_of(items: Shape[T]) -> Series[tuple[T, ...]]:
    """Make the shape of a list whose order counts, or of its one item."""
    return Series(items, tuple, may_be_one=True)


class Section(Shape[K]):
    """A mapping with keys of its own."""

    __slots__ = ("keys",)

    def __init__(self, keys: type[K]) -> None:
        self.keys = keys


class Named(Shape[dict[str, K]]):
    """A mapping of names, each to a mapping with keys of its own."""

    __slots__ = ("keys",)

    def __init__(self, keys: type[K]) -> None:
        self.keys = keys


class Mapped(Shape[dict[str, T]]):
    """A mapping of any names, each to a value of one shape."""

    __slots__ = ("items",)

    def __init__(self, items: Shape[T]) -> None:
        self.items = items


class TextOr(Shape[T | K]):
    """A scalar, or a mapping with keys of its own."""

    __slots__ = ("leaf", "section")

    def __init__(self, leaf: Leaf[T], keys: type[K]) -> None:
        self.leaf = leaf
        self.section = Section(keys)


class Key(Generic[T]):
    """One key; read from an instance, what was written there, or None."""

    __slots__ = ("attribute", "becomes", "description", "name", "shape")

    def __init__(
        self, shape: Shape[T], description: str, *, name: str | None = None, becomes: bool = True
    ) -> None:
        """`name`: how it is written, where the attribute's name is another.

        Without `becomes` it is no attribute of what the mapping becomes: it has one value so
        far, or is used up before.
        """
        self.shape = shape
        self.description = description
        self.name = name
        self.becomes = becomes

    def __set_name__(self, _: type[Keys], attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type[Keys]) -> Key[T]: ...

    @overload
    def __get__(self, instance: Keys, owner: type[Keys]) -> T | None: ...

    def __get__(self, instance: Keys | None, owner: type[Keys]) -> Key[T] | T | None:
        if instance is None:
            return self
        value: T | None = instance.written.get(self.attribute)
        return value


class Keys:
    """The keys of one mapping."""

    by_name: ClassVar[dict[str, Key[Any]]] = {}  # as written; a base class's keys come first
    later: ClassVar[dict[str, str]] = {}  # keys of later releases, and what to write instead

    def __init__(self, written: Mapping[str, Any]) -> None:
        """Hold what was written, by attribute."""
        self.written = written

    def __init_subclass__(cls) -> None:
        own = [value for value in vars(cls).values() if isinstance(value, Key)]
        cls.by_name = cls.by_name | {key.name or key.attribute: key for key in own}

    def declared(self) -> dict[str, Any]:
        """Give what was written, under the names of the attributes that it becomes."""
        keys = self.by_name.values()
        return {key.attribute: self.written[key.attribute] for key in keys if self._becomes(key)}

    def _becomes(self, key: Key[Any]) -> bool:
        return key.becomes and key.attribute in self.written

"""Readers of single values: each gives the model's own value, or raises `ValueError` in plain words."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TypeVar

from dirsync.config import scalars
from dirsync.config.nodes import ScalarNode
from dirsync.config.problems import listed, one_of, quoted
from dirsync.config.scalars import Kind, kind_of
from dirsync.config.shapes import Leaf

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)

LATER = "is not yet available"


def text_of(scalar: ScalarNode) -> str:
    """Give a text; a number or a truth value must be quoted to be one."""
    kind = kind_of(scalar)
    if kind is Kind.NULL:
        raise ValueError("expected text, not nothing; write it, in quotes if it is '~' or 'null'")
    if kind is not Kind.TEXT and not scalar.expanded:
        raise ValueError(
            f'expected text, not the {kind.value} {scalar.text}; put it in quotes: "{scalar.text}"'
        )
    if "\0" in scalar.text:
        raise ValueError("holds a NUL character; remove it")
    return scalar.text


def spoken(read: Callable[[str], T]) -> Callable[[ScalarNode], T]:
    """Make a reader of a scalar of a reader of its text, whatever YAML's type of it."""
    return lambda scalar: read(something(scalar))


def something(scalar: ScalarNode) -> str:
    """Give what was written, whatever its type; nothing is an error."""
    if kind_of(scalar) is Kind.NULL:
        raise ValueError("expected a value, not nothing; write one, or remove the key")
    return scalar.text


def flag(scalar: ScalarNode) -> bool:
    """Give a truth value."""
    if kind_of(scalar) is not Kind.BOOLEAN:
        raise ValueError(
            f"expected true or false, not {quoted(scalar.text)}; write it in small letters, without quotes"
        )
    return scalar.text.lower() == "true"


def whole(lowest: int, highest: int, *, word: str | None = None) -> Callable[[ScalarNode], int | None]:
    """Make a reader of whole numbers in a range; `word` stands for None."""

    def read(scalar: ScalarNode) -> int | None:
        if word is not None and scalar.text == word:
            return None
        if kind_of(scalar) is not Kind.INTEGER:
            choice = f"{word} or " if word else ""
            raise ValueError(
                f"expected {choice}a whole number, not {quoted(scalar.text)}; write {choice}{max(lowest, 4)}"
            )
        number = scalars.integer(scalar.text)
        if not lowest <= number <= highest:
            raise ValueError(f"{number} is out of range; write {lowest} to {highest}")
        return number

    return read


def version(scalar: ScalarNode) -> int:
    """Give the version of the format; there is one so far."""
    if kind_of(scalar) is not Kind.INTEGER or scalar.text != "1":
        raise ValueError(f"{quoted(scalar.text)} is not a version this program reads; write 'version: 1'")
    return 1


def choice(kind: type[E], later: Mapping[str, str] | None = None) -> Leaf[E]:
    """Make a field of an enum's values; `later` maps values of later releases to what to write instead."""
    known = {str(member.value): member for member in kind if member.value not in (later or ())}

    def read(scalar: ScalarNode) -> E:
        text = something(scalar)
        if later and text in later:
            raise ValueError(f"{quoted(text)} {LATER}; {later[text]}")
        if text not in known:
            raise ValueError(one_of(text, known))
        return known[text]

    return Leaf(read=read, expected=listed(known), schema={"enum": list(known)})


def only(value: str, *, instead: str) -> Leaf[str]:
    """Make a field that has one value so far; any other gets `instead`."""

    def read(scalar: ScalarNode) -> str:
        text = something(scalar)
        if text != value:
            raise ValueError(f"{quoted(text)} {LATER}; {instead}")
        return value

    constant = {"true": True, "false": False}.get(value, value)
    return Leaf(read=read, expected=value, schema={"const": constant})

"""jobs.yaml as a tree of nodes, each of which knows where it was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from msgspec import Struct


class TextFile(NamedTuple):
    """A file that declares something, or what stands for one."""

    shown: str  # as the user named it, fit for a message
    directory: str  # absolute; relative paths written in the file start here


class Origin(NamedTuple):
    """Where something was written."""

    file: TextFile
    line: int  # 1-based; 0: not in a line of a file
    column: int = 0  # 0-based; it tells what stands in one line apart, and is not shown

    def __str__(self) -> str:
        return f"{self.file.shown}:{self.line}" if self.line else self.file.shown


class ScalarNode(Struct, frozen=True):
    """One text, number, truth value or nothing, as written."""

    text: str
    origin: Origin
    quoted: bool = False
    expanded: bool = False  # a `${VAR}` was replaced in it: it may be read as any type
    broken: bool = False  # what is wrong with it is noted already

    size = 1


class ListNode(Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    origin: Origin
    size: int = 1  # nodes in it, aliases followed


class Entry(Struct, frozen=True):
    """One key of a mapping, and its value."""

    key: ScalarNode  # as written: `exclude+`
    value: Node


class MappingNode(Struct, frozen=True):
    """A mapping, in the order written."""

    entries: dict[str, Entry]
    origin: Origin
    size: int = 1  # nodes in it, aliases followed
    implied: bool = False  # written as a list: `compare: [size]` for `compare: {by: [size]}`

    def get(self, name: str) -> Node | None:
        """Give the value of a key; None where it is not there or is null."""
        entry = self.entries.get(name)
        return None if entry is None or is_null(entry.value) else entry.value

    def named(self) -> Iterable[tuple[str, Entry]]:
        """List the entries that count: all but `x-…` and those that are null."""
        return [item for item in self.entries.items() if not (is_extra(item[0]) or is_null(item[1].value))]


Node: TypeAlias = ScalarNode | ListNode | MappingNode

NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def is_null(node: Node) -> bool:
    """Whether nothing was written, or YAML's null."""
    return isinstance(node, ScalarNode) and not (node.quoted or node.expanded) and node.text in NULLS


def is_extra(name: str) -> bool:
    """Whether a key is the user's own and means nothing to dirsync."""
    return name.startswith("x-")


def mapping_of(node: Node | None) -> MappingNode | None:
    """Give a node that is a mapping, else None."""
    return node if isinstance(node, MappingNode) else None


class Spot(NamedTuple):
    """A node found by its keys, and how a message names it."""

    origin: Origin
    path: str
    node: Node


def locate(root: Node, steps: Iterable[str | int], *, path: str, origin: Origin) -> Spot:
    """Follow keys and list positions down from a node as far as they lead.

    A collection is where its key was written, a scalar where its text is.
    """
    node = root
    for step in steps:
        match node:
            case MappingNode() if step in node.entries:
                entry = node.entries[str(step)]
                path = path if node.implied else joined(path, entry.key.text)
                origin, node = entry.key.origin, entry.value
            case ListNode() if isinstance(step, int):
                node = node.items[step]
                origin, path = node.origin, f"{path}[{step}]"
            case _:
                break
    return Spot(node.origin if isinstance(node, ScalarNode) else origin, path, node)


def joined(path: str, key: str) -> str:
    """Write a key path one key longer."""
    return f"{path}.{key}" if path else key

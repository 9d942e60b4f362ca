"""The command line's options as nodes, so that they meet the very same checks."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dirsync.config.nodes import Entry, ListNode, MappingNode, Node, Origin, ScalarNode, TextFile


def command_line() -> Origin:
    """Give the origin of what was typed; relative paths start at the working directory."""
    return Origin(TextFile("command line", os.getcwd()), 0)


def node_of_options(options: Mapping[str, object], origin: Origin) -> MappingNode:
    """Give options as if they were written in YAML; None means not given."""
    entries = {
        name: Entry(ScalarNode(name, origin, quoted=True), _node(value, origin))
        for name, value in options.items()
        if value is not None
    }
    return MappingNode(entries, origin)


def _node(value: object, origin: Origin) -> Node:
    match value:
        case Mapping():
            return node_of_options(value, origin)
        case list() | tuple():
            return ListNode(tuple(_node(item, origin) for item in value), origin)
        case bool():
            return ScalarNode(str(value).lower(), origin)
        case bytes():
            return ScalarNode(os.fsdecode(value), origin, expanded=True)
        case _:
            return ScalarNode(str(value), origin, expanded=True)

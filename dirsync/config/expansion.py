"""`${VAR}` in scalars, after parsing: keys, notes (`x-…`) and the `secrets` section stay as they are.

`${VAR}` (unset: an error), `${VAR:-default}` (unset or empty: the default),
`${VAR:?message}` (unset or empty: an error), `$$` (a dollar sign). Any other dollar
sign stands for itself. What was put in is not expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dirsync.config.nodes import Entry, ListNode, MappingNode, Node, ScalarNode, is_extra, joined
from dirsync.config.problems import Problems, quoted

_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?", re.DOTALL)
_BRACE = re.compile(r"\$\{|\}")
_DEEPEST = 10


def expanded_document(
    document: MappingNode, environment: Mapping[str, str], problems: Problems
) -> MappingNode:
    """Expand every value of a document but those of `secrets`; a note is read only where it is used."""
    expansion = _Expansion(environment, problems)
    entries = expansion.entries(document, "", stays=lambda name: name == "secrets" or is_extra(name))
    return MappingNode(entries, document.origin)


class _Expansion:
    """Expands nodes; one that several aliases share is expanded once."""

    def __init__(self, environment: Mapping[str, str], problems: Problems) -> None:
        self._environment = environment
        self._problems = problems
        self._done: dict[int, Node] = {}  # by identity: the document keeps its nodes alive

    def node(self, node: Node, path: str) -> Node:
        """Expand a node and all in it."""
        match node:
            case ScalarNode():
                return self._scalar(node, path) if "$" in node.text else node
            case ListNode() | MappingNode():
                if id(node) not in self._done:
                    self._done[id(node)] = self._collection(node, path)
                return self._done[id(node)]

    def _collection(self, node: ListNode | MappingNode, path: str) -> Node:
        if isinstance(node, ListNode):
            items = (self.node(item, f"{path}[{position}]") for position, item in enumerate(node.items))
            return ListNode(tuple(items), node.origin)
        return MappingNode(self.entries(node, path, stays=is_extra), node.origin)

    def entries(self, node: MappingNode, path: str, *, stays: Callable[[str], bool]) -> dict[str, Entry]:
        """Expand the values of a mapping, but those under names that stay as they are."""
        return {
            name: entry
            if stays(name)
            else Entry(entry.key, self.node(entry.value, joined(path, entry.key.text)))
            for name, entry in node.entries.items()
        }

    def _scalar(self, node: ScalarNode, path: str) -> ScalarNode:
        try:
            text = expanded(node.text, self._environment)
        except ValueError as error:
            self._problems.add(node.origin, path, str(error))
            return ScalarNode(node.text, node.origin, quoted=True, broken=True)
        return ScalarNode(text, node.origin, quoted=node.quoted, expanded="${" in node.text)


def expanded(text: str, environment: Mapping[str, str], *, depth: int = 0) -> str:
    """Replace every reference in a text.

    Raises:
        ValueError: for a reference that is not understood, or to what is not set.
    """
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        if text.startswith("${", dollar):
            position = _closing(text, dollar + 2) + 1
            parts.append(_value(text[dollar + 2 : position - 1], environment, depth=depth))
        else:
            parts.append("$")
            position = dollar + (2 if text.startswith("$$", dollar) else 1)
    return "".join([*parts, text[position:]])


def _closing(text: str, start: int) -> int:
    """Find the brace that closes the one before `start`."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "${" else -1
        if depth == 0:
            return brace.start()
    raise ValueError("'${' is not closed; write '${VAR}', or '$$' for a dollar sign")


def _value(reference: str, environment: Mapping[str, str], *, depth: int) -> str:
    found = _REFERENCE.fullmatch(reference)
    if not found or depth == _DEEPEST:
        shown = quoted("${" + reference + "}")
        raise ValueError(f"{shown} is not understood; write ${{VAR}}, ${{VAR:-default}} or ${{VAR:?message}}")
    name, form, rest = found.groups()
    value = environment.get(name)
    if value or (value is not None and form is None):
        return value
    if form == "-":
        return expanded(rest, environment, depth=depth + 1)
    message = f": {rest}" if rest else ""
    raise ValueError(
        f"the variable {quoted(name)} is not set{message}; set it, or write '${{{name}:-default}}'"
    )

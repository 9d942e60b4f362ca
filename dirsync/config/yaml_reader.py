"""Text becomes nodes: YAML, read strictly.

The parser's events are composed here, not by pyyaml, so that every key and value
knows its line, and so that what pyyaml lets pass is refused: duplicate keys, keys
that are no text, recursive aliases, aliases that explode, bottomless nesting.
Merge keys (`<<`) are honoured: keys written out win, then the first mapping named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from dirsync.config.nodes import Entry, ListNode, MappingNode, Node, Origin, ScalarNode, TextFile, joined
from dirsync.config.problems import Problems
from dirsync.config.scalars import Kind, kind_of

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_NODES = 250_000  # aliases followed
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels; make it flatter"
_PARSER_GAVE_UP = "exceeded maximum nesting depth"  # libyaml's own limit, met while it reads ahead of us

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_YAML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|\ufeff|\ufffe|\uffff")
_TAGS = {
    yaml.ScalarEvent: {"!", "tag:yaml.org,2002:str"},
    yaml.SequenceStartEvent: {"!", "tag:yaml.org,2002:seq"},
    yaml.MappingStartEvent: {"!", "tag:yaml.org,2002:map"},
}
_PLAINER = {
    "found character that cannot start any token": "a character that cannot stand here; "
    "put the text in quotes, and indent with spaces, never with tabs",
    "found a tab character": "a tab where the indentation should be; indent with spaces",
    "mapping values are not allowed in this context": "a ':' that cannot stand here; "
    "check the indentation, or put the text in quotes",
    "did not find expected key": "the line does not go with those above; "
    "check the indentation, and the quotes and brackets above",
    "did not find expected <document start>": "the line does not go with those above; "
    "check the indentation, and the quotes and brackets above",
    "could not find expected ':'": "a key without ':'; check the indentation and the quotes above",
    "found unexpected end of stream": "a quote that is not closed; close it",
}


def read_text(data: bytes, file: TextFile, problems: Problems) -> str | None:
    """Decode a file; None when it is no text that YAML allows."""
    if len(data) > MAX_BYTES:
        problems.add(
            Origin(file, 1), "", f"the file is larger than {MAX_BYTES >> 20} MiB; split it with 'include'"
        )
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.add(
            Origin(file, line), "", f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        )
        return None
    if found := _NOT_YAML.search(text):
        line = text.count("\n", 0, found.start()) + 1
        problems.add(Origin(file, line), "", f"the character U+{ord(found[0]):04X} is not allowed; remove it")
        return None
    return text


def read_mapping(text: str, file: TextFile, problems: Problems, *, at_least: str) -> MappingNode | None:
    """Read the one mapping that a file must be; None when it is none.

    `at_least` says what has to be in one that is empty.
    """
    composer = _Composer(text, file, problems)
    try:
        node = composer.document()
    except yaml.MarkedYAMLError as error:
        problems.add(Origin(file, _line_of(error)), "", f"not valid YAML: {_plainer(error)}")
        return None
    except _Refused:
        return None
    if node is None:
        problems.add(Origin(file, 1), "", f"the file is empty; {at_least}")
    elif not isinstance(node, MappingNode):
        problems.add(
            node.origin, "", "the file is not a mapping; write 'key: value' lines, 'version: 1' first"
        )
    return node if isinstance(node, MappingNode) else None


def _line_of(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _plainer(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context)
    for start, words in _PLAINER.items():
        if problem.startswith(start):
            return words
    return f"{problem}; check the indentation, quotes and brackets here and above"


class _Refused(Exception):
    """What was read is a trap; reading on is no use. The problem is noted already."""


class _Composer:
    """Builds the nodes of one text from its events."""

    def __init__(self, text: str, file: TextFile, problems: Problems) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._file = file
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}  # None: not composed to its end yet
        self._depth = 0
        self._nodes = 0

    def document(self) -> Node | None:
        """Compose the only document; None when there is none."""
        self._next("")
        if isinstance(self._next(""), yaml.StreamEndEvent):
            return None
        event = self._next("")
        node = self._node(event, "")
        self._next("")
        after = self._next("")
        if not isinstance(after, yaml.StreamEndEvent):
            self._note(after, "", "a second document; a file holds one: remove the '---'")
        return ScalarNode("", self._origin(event)) if node is None else node

    def _next(self, path: str) -> Any:
        """Give the next event; `path` is where it stands, as far as that is known yet."""
        try:
            return next(self._events)
        except yaml.MarkedYAMLError as error:
            if error.problem != _PARSER_GAVE_UP:
                raise
            self._problems.add(Origin(self._file, _line_of(error)), path, _TOO_DEEP)
            raise _Refused from None

    def _node(self, event: Any, path: str) -> Node | None:
        """Compose what an event begins; None when it cannot be used (and is noted)."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag is not None and event.tag not in _TAGS[type(event)]:
            self._note(event, path, f"the tag '{event.tag}' is not supported; remove it")
        node = self._collection(event, path)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._count(event, path, 1)
        return node

    def _collection(self, event: Any, path: str) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return ScalarNode(event.value, self._origin(event), quoted=not event.implicit[0])
        if self._depth == MAX_DEPTH:
            self._note(event, path, _TOO_DEEP)
            raise _Refused
        self._depth += 1
        node = (
            self._list(event, path)
            if isinstance(event, yaml.SequenceStartEvent)
            else self._mapping(event, path)
        )
        self._depth -= 1
        return node

    def _list(self, start: Any, path: str) -> ListNode:
        items: list[Node] = []
        position = 0
        while not isinstance(event := self._next(path), yaml.SequenceEndEvent):
            item = self._node(event, f"{path}[{position}]")
            position += 1
            if item is not None:
                items.append(item)
        return ListNode(tuple(items), self._origin(start), 1 + sum(item.size for item in items))

    def _mapping(self, start: Any, path: str) -> MappingNode:
        entries: dict[str, Entry] = {}
        merged: list[MappingNode] = []
        merge_key: ScalarNode | None = None
        while not isinstance(event := self._next(path), yaml.MappingEndEvent):
            key = self._key(event, path)
            inner = joined(path, key.text) if key else path
            value = self._node(self._next(inner), inner)
            if key is None or value is None:
                continue
            if key.text == "<<" and not key.quoted:
                self._check_once(merge_key, key, path)
                merge_key = merge_key or key
                merged += self._merged(key, value, path)
            else:
                self._put(entries, Entry(key, value), path)
        self._merge(entries, merged, start, path)
        size = 1 + sum(1 + entry.value.size for entry in entries.values())
        return MappingNode(entries, self._origin(start), size)

    def _put(self, entries: dict[str, Entry], entry: Entry, path: str) -> None:
        first = entries.setdefault(entry.key.text, entry)
        if first is not entry:
            self._check_once(first.key, entry.key, path)

    def _check_once(self, first: ScalarNode | None, key: ScalarNode, path: str) -> None:
        """Note a key that stands twice; `first` None: it stands there once."""
        if first is not None:
            text = f"duplicate key; it stands in line {first.origin.line} already: remove one"
            self._problems.add(key.origin, joined(path, key.text), text)

    def _key(self, event: Any, path: str) -> ScalarNode | None:
        """Compose a key; None when it is a list or a mapping."""
        node = self._node(event, path)
        if not isinstance(node, ScalarNode):
            if node is not None:
                self._note(event, path, "a key must be text, not a list or a mapping")
            return None
        if kind_of(node) is not Kind.TEXT:
            shown = f"'{node.text}' is a {kind_of(node).value}" if node.text else "it is missing"
            self._note(event, path, f'a key must be text; {shown}: put it in quotes, "{node.text}"')
        return node

    def _merged(self, key: ScalarNode, value: Node, path: str) -> list[MappingNode]:
        nodes = value.items if isinstance(value, ListNode) else (value,)
        mappings = [node for node in nodes if isinstance(node, MappingNode)]
        if len(mappings) < len(nodes):
            text = "expected a mapping or a list of mappings; write '<<: *name'"
            self._problems.add(key.origin, joined(path, "<<"), text)
        return mappings

    def _merge(self, entries: dict[str, Entry], merged: list[MappingNode], start: Any, path: str) -> None:
        for mapping in merged:
            self._count(start, path, mapping.size)
            for name, entry in mapping.entries.items():
                entries.setdefault(name, entry)

    def _alias(self, event: Any, path: str) -> Node | None:
        if event.anchor not in self._anchors:
            self._note(
                event,
                path,
                f"'*{event.anchor}' is not defined above; write '&{event.anchor}' where it is meant",
            )
            return None
        node = self._anchors[event.anchor]
        if node is None:
            self._note(event, path, f"'*{event.anchor}' contains itself; an alias cannot be recursive")
            return None
        self._count(event, path, node.size)
        return node

    def _count(self, event: Any, path: str, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._note(event, path, f"the aliases make more than {MAX_NODES} values of this file; use fewer")
            raise _Refused

    def _note(self, event: Any, path: str, text: str) -> None:
        self._problems.add(self._origin(event), path, text)

    def _origin(self, event: Any) -> Origin:
        return Origin(self._file, event.start_mark.line + 1, event.start_mark.column)

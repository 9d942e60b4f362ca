"""From what a job says to what holds for it: the program, `defaults`, `extends`, the job.

Each step is laid over the one before: mappings merge deeply, anything else replaces,
`key+` appends to a list. In one mapping `key` comes before `key+`, whatever their order.
Ways to say the same thing drive each other out: a job's `schedule` drops an inherited
`interval`. A null drops what was inherited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from dirsync.config.keys import APPENDABLE
from dirsync.config.nodes import (
    Entry,
    ListNode,
    MappingNode,
    Node,
    Origin,
    ScalarNode,
    TextFile,
    is_extra,
    is_null,
    mapping_of,
)
from dirsync.config.problems import Problems, did_you_mean, quoted
from dirsync.model.job import PRESERVED, Comparison

BUILT_IN = Origin(TextFile("the program's defaults", "/"), 0)
EMPTY = MappingNode({}, BUILT_IN)

_DRIVEN_OUT: dict[str, dict[str, frozenset[str]]] = {
    "": {"interval": frozenset({"schedule"}), "schedule": frozenset({"interval"})},
    "schedule": {
        "every": frozenset({"at", "cron"}),
        "at": frozenset({"every", "cron"}),
        "cron": frozenset({"every", "at", "on"}),
    },
    "ping_url": {"url": frozenset({"secret"}), "secret": frozenset({"url"})},
}


def _built_in_list(names: list[str]) -> ListNode:
    return ListNode(tuple(ScalarNode(name, BUILT_IN) for name in names), BUILT_IN)


def _built_in_mapping(values: dict[str, Node], *, implied: bool = False) -> MappingNode:
    entries = {key: Entry(ScalarNode(key, BUILT_IN), node) for key, node in values.items()}
    return MappingNode(entries, BUILT_IN, implied=implied)


PROGRAM = _built_in_mapping(
    {
        "compare": _built_in_mapping(
            {"by": _built_in_list(sorted(item.value for item in Comparison().by))}, implied=True
        ),
        "preserve": _built_in_list(sorted(item.value for item in PRESERVED)),
    }
)


def laid_over(base: MappingNode, over: MappingNode, *, section: str = "") -> MappingNode:
    """Lay one mapping over another; `section` is the key they stand under, empty for a job's own."""
    entries = dict(base.entries)
    for name in over.entries:
        for loser in _DRIVEN_OUT.get(section, {}).get(name.removesuffix("+"), ()):
            if not is_null(over.entries[name].value):
                entries.pop(loser, None)
    for name, entry in sorted(over.entries.items(), key=lambda item: item[0].endswith("+")):
        if not is_extra(name):
            key = name.removesuffix("+") if _appends(name, section=section) else name
            value = _spelled_out(name, entry, section=section)
            below = entries[key].value if key in entries else None
            entries[key] = Entry(entry.key, _combined(below, value, name=name))
    return MappingNode(entries, over.origin, implied=over.implied and (base.implied or not base.entries))


def _appends(name: str, *, section: str) -> bool:
    """Whether a key appends to a list; any other `key+` is left to be told as unknown."""
    return name.endswith("+") and name[:-1] in APPENDABLE.get(section, ())


def _spelled_out(name: str, entry: Entry, *, section: str) -> Node:
    """Write short forms at length: `compare: [size]`, `at: "02:30"`, `on: mon`, `ping_url: https://…`."""
    value = entry.value
    key = name.removesuffix("+")
    if (section, key) == ("", "compare") and isinstance(value, ListNode):
        by = ScalarNode("by", entry.key.origin)
        name_of_list = "by+" if name.endswith("+") else "by"
        return MappingNode({name_of_list: Entry(by, value)}, value.origin, implied=True)
    if (section, name) == ("", "ping_url") and isinstance(value, ScalarNode) and not is_null(value):
        url = ScalarNode("url", entry.key.origin)
        return MappingNode({"url": Entry(url, value)}, value.origin, implied=True)
    if section == "schedule" and key in {"at", "on"} and isinstance(value, ScalarNode) and not is_null(value):
        return ListNode((value,), value.origin)
    return value


def _combined(below: Node | None, value: Node, *, name: str) -> Node:
    if isinstance(value, MappingNode):
        return laid_over(mapping_of(below) or EMPTY, value, section=name.removesuffix("+"))
    if name.endswith("+") and is_null(value) and below is not None:
        return below
    if name.endswith("+") and isinstance(value, ListNode) and isinstance(below, ListNode):
        return ListNode(below.items + value.items, value.origin)
    return value


class Fragment(Struct, frozen=True):
    """What one job or profile says itself."""

    entry: Entry
    path: str  # `jobs.photos`
    own: MappingNode


class Effective(Struct, frozen=True):
    """What holds for a job."""

    node: MappingNode
    complete: bool  # False: an `extends` leads nowhere, so keys may be missing


class Inheritance:
    """Finds what holds for each job; every fault of `extends` is noted once."""

    def __init__(self, fragments: Mapping[str, Fragment], defaults: MappingNode, problems: Problems) -> None:
        self._fragments = fragments
        self._base = laid_over(PROGRAM, defaults)
        self._problems = problems

    def of(self, name: str) -> Effective:
        """Lay a job over all it inherits."""
        chain = list(self._chain(name))
        node = self._base
        for fragment in reversed(chain):
            node = laid_over(node, fragment.own)
        return Effective(node, complete=chain[-1].own.get("extends") is None)

    def _chain(self, name: str) -> Iterator[Fragment]:
        """List a job, what it extends, what that extends…; ends where a fault is."""
        names = [name]
        while True:
            fragment = self._fragments[names[-1]]
            yield fragment
            parent = _parent(fragment)
            if parent is None or not self._leads_on(fragment, parent, names):
                return
            names.append(parent.text)

    def _leads_on(self, fragment: Fragment, parent: ScalarNode, names: list[str]) -> bool:
        path = f"{fragment.path}.extends"
        if parent.text not in self._fragments:
            near = did_you_mean(parent.text, self._fragments) or "; write the name of one, or remove it"
            self._problems.add(parent.origin, path, f"there is no job or profile {quoted(parent.text)}{near}")
            return False
        if parent.text in names:
            self._note_circle([*names[names.index(parent.text) :]])
            return False
        return True

    def _note_circle(self, circle: list[str]) -> None:
        """Note a circle where its alphabetically first member extends, so that it is noted once."""
        first = circle.index(min(circle))
        circle = circle[first:] + circle[:first]
        fragment = self._fragments[circle[0]]
        told = " → ".join([*circle, circle[0]])
        parent = _parent(fragment)
        origin = parent.origin if parent else fragment.entry.key.origin
        self._problems.add(
            origin, f"{fragment.path}.extends", f"goes in a circle, {told}; remove one 'extends' of it"
        )


def _parent(fragment: Fragment) -> ScalarNode | None:
    parent = fragment.own.get("extends")
    return parent if isinstance(parent, ScalarNode) else None

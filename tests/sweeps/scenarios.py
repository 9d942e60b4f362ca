"""The scenarios that are swept: a source, and what the destination holds before the run.

Those with a name are each about one thing a mirror can get wrong; those drawn from a
seed are about what nobody thought of. A file's size tells old from new, so that a
comparison by size and time sees every difference.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

from dirsync.model.job import DeletePolicy, Durability
from tests.trees import Children, Directory, File, HardLink, Link, Node

OLD_NS, NEW_NS = 1_500_000_000_000_000_001, 1_600_000_000_000_000_002

_LONG: tuple[str | bytes, ...] = ("n" * 255, b"\xf0" * 255)
_ODD: tuple[str | bytes, ...] = (
    "-rf",
    " ",
    "new\nline",
    b"\xff\xfe",
    "*[x]?",
    "\x1b[31m",
    "...",
    "a.tmp",
    "caf\u00e9",
    "cafe\u0301",
)
_DRAWN_NAMES = ("a", "b", "c", "d", *_ODD, *_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One pair of trees, and how the job between them runs."""

    name: str
    source: Children
    destination: Children
    delete: DeletePolicy = DeletePolicy.REMOVE
    durability: Durability = Durability.FULL
    workers: int = 1
    plan_batch: int | None = None  # operations a plan keeps in memory; None: as many as ever


def old(data: bytes = b"old") -> File:
    """Give a file as an earlier run left it."""
    return File(data, mtime_ns=OLD_NS)


def new(data: bytes = b"newer") -> File:
    """Give a file as the source has it by now."""
    return File(data, mtime_ns=NEW_NS)


def nested(depth: int, leaf: Node) -> Children:
    """Put a node so many directories deep."""
    children: Children = {"leaf": leaf}
    for _ in range(depth):
        children = {"d": children}
    return children


def _many(count: int, node: Node) -> Children:
    return {f"{number:03}": node for number in range(count)}


_TREES: dict[str, tuple[Children, Children]] = {
    "everything is created": ({"a": new(), "d": {"e": {"f": new()}}, "l": Link("a")}, {}),
    "files are replaced": ({"a": new(), "d": {"b": new()}}, {"a": old(), "d": {"b": old()}}),
    "everything is deleted": ({}, {"a": old(), "d": {"e": {"f": old()}, "l": Link("x")}}),
    "a file becomes a directory": ({"x": {"y": new(), "z": {}}}, {"x": old()}),
    "a directory becomes a file": ({"x": new()}, {"x": {"y": old(), "z": {"w": old()}}}),
    "a directory becomes a link": ({"x": Link("elsewhere")}, {"x": {"y": old()}}),
    "a link becomes a directory": ({"x": {"y": new()}}, {"x": Link("elsewhere")}),
    "a file becomes a link": ({"x": Link("elsewhere")}, {"x": old()}),
    "a link becomes a file": ({"x": new()}, {"x": Link("elsewhere")}),
    "a link points elsewhere": ({"x": Link("new")}, {"x": Link("old")}),
    "metadata alone": (
        {"a": File(b"1", mode=0o600, mtime_ns=OLD_NS), "d": Directory({}, 0o700, NEW_NS)},
        {"a": File(b"1", mode=0o644, mtime_ns=OLD_NS), "d": Directory({}, 0o755, OLD_NS)},
    ),
    "owners alone": (
        {"a": File(b"1", 0o4755, OLD_NS, uid=1000), "l": Link("a", OLD_NS, 1000), "d": Directory(uid=7)},
        {"a": File(b"1", 0o4755, OLD_NS, uid=0), "l": Link("a", OLD_NS, 0), "d": Directory(uid=0)},
    ),
    "a name is one of several": (
        {"a": File(b"1", mode=0o600, mtime_ns=OLD_NS), "b": File(b"1", mtime_ns=OLD_NS)},
        {"a": File(b"1", mtime_ns=OLD_NS), "b": HardLink("a")},
    ),
    "names of one file go different ways": (
        {"a": new(), "c": old(), "d": {"e": new(b"other")}},
        {"a": old(), "b": HardLink("a"), "c": HardLink("a"), "d": HardLink("a")},
    ),
    "names swap places": ({"a": new(), "b": {"c": new()}}, {"a": {"c": old()}, "b": old()}),
    "directories lie in each other": (nested(6, new()), nested(6, old())),
    "a deep chain is created": (nested(60, new()), {}),
    "a deep chain is deleted": ({"a": old()}, {**nested(60, old()), "a": old()}),
    "read-only directories": (
        {"r": Directory({"a": new(), "s": Directory({"b": new()}, 0o555, NEW_NS)}, 0o555, NEW_NS)},
        {"r": Directory({"a": old(), "s": Directory({"c": old()}, 0o555, OLD_NS)}, 0o555, OLD_NS)},
    ),
    "names of 255 bytes": (
        {_LONG[0]: new(), _LONG[1]: {_LONG[0]: new()}},
        {_LONG[0]: {_LONG[1]: old()}, _LONG[1]: old()},
    ),
    "odd names": (
        {name: new() if number % 2 else {name: new()} for number, name in enumerate(_ODD)},
        {name: old() for number, name in enumerate(_ODD) if number % 3},
    ),
    "empty files and empty directories": (
        {"a": new(b""), "b": {}, "c": new(), "d": {}},
        {"a": old(), "b": {}, "c": old(b""), "d": old(b"")},
    ),
    "holes and more than one block": (
        {"h": File(b"x" * 5000, mtime_ns=NEW_NS, offset=1 << 20, size=2 << 20), "b": new(b"b" * 20_000)},
        {"h": old(b"y" * 9000), "b": old(b"c" * 30_000)},
    ),
    "a directory full of what goes": ({"keep": old()}, {"keep": old(), "d": {**_many(12, old()), "e": {}}}),
    "a file is renamed": (
        {"b": old(b"1"), "d": {"f": old(b"22")}, "k": old(b"4444")},
        {"a": old(b"1"), "e": {"f": old(b"22")}, "k": old(b"4444")},
    ),
    "a directory is renamed": (
        {"n": {"d": {"b": new()}, "a": old(b"1"), "c": old(b"22")}},
        {"o": {"d": {"b": old()}, "a": old(b"1"), "c": old(b"22"), "gone": old(b"4444")}},
    ),
    "a directory is renamed into a new one, and one out of it": (
        {"x": {"y": {"n": {"a": old(b"1"), "b": old(b"22")}}}, "z": {"d": old(b"4444"), "e": old(b"55555")}},
        {"o": {"a": old(b"1"), "b": old(b"22"), "s": {"d": old(b"4444"), "e": old(b"55555")}}},
    ),
    "a renamed directory changes within": (
        {"n": {"p": old(b"1"), "q": old(b"22"), "k": new(), "l": {"m": new()}}},
        {"o": {"p": old(b"1"), "q": old(b"22"), "k": {"i": old()}, "l": old()}},
    ),
    "kinds change beneath a kind that changes": (
        {"x": {"a": {"b": new()}, "c": Link("y")}, "y": new()},
        {"x": Link("y"), "y": {"a": old(), "c": {"d": old()}}},
    ),
}

SCENARIOS = (
    *(Scenario(name=name, source=trees[0], destination=trees[1]) for name, trees in _TREES.items()),
    Scenario(
        name="many files on several workers",
        source={"f": _many(150, new()), "l": _many(20, Link("new"))},
        destination={"f": _many(90, old()), "l": _many(30, Link("old"))},
        workers=2,
    ),
    Scenario(
        name="a long plan spills",
        source={"f": _many(20, new()), "x": {"y": new()}, "d": nested(4, new())},
        destination={"f": _many(30, old()), "x": old(), "e": nested(4, old())},
        plan_batch=3,
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def keeping_versions(scenario: Scenario) -> Scenario:
    """Give a scenario whose job keeps what it displaces."""
    return dataclasses.replace(scenario, name=f"{scenario.name}, keeping versions", delete=DeletePolicy.TRASH)


def drawn(seed: int) -> Scenario:
    """Draw a scenario; the same seed gives the same one."""
    chance = random.Random(seed)
    source, destination = _drawn_children(chance, depth=3)
    return Scenario(
        name=f"drawn {seed}",
        source=source,
        destination=destination,
        delete=chance.choice((DeletePolicy.REMOVE, DeletePolicy.TRASH)),
        plan_batch=chance.choice((None, None, None, 2)),
    )


def _drawn_children(chance: random.Random, *, depth: int) -> tuple[Children, Children]:
    """Draw two directories with the same few names in both."""
    source: dict[str | bytes, Node] = {}
    destination: dict[str | bytes, Node] = {}
    for name in chance.sample(_DRAWN_NAMES, chance.randint(1, 4)):
        one, other = _drawn_pair(chance, depth=depth)
        if one is not None:
            source[name] = one
        if isinstance(other, HardLink):
            other = next(
                (HardLink(file) for file, node in destination.items() if isinstance(node, File)), None
            )
        if other is not None:
            destination[name] = other
    return source, destination


def _drawn_pair(chance: random.Random, *, depth: int) -> tuple[Node | None, Node | None]:
    """Draw what stands at one path; None: nothing."""
    if depth and chance.random() < 0.3:
        return _drawn_children(chance, depth=depth - 1)
    one = chance.choice((None, new(), _drawn_file(chance), Link("new"), _drawn_tree(chance, depth, 0)))
    others = (None, old(), _drawn_file(chance), Link("old"), HardLink(""), _drawn_tree(chance, depth, 1))
    return one, chance.choice(others)


def _drawn_file(chance: random.Random) -> File:
    """Draw a file whose content follows from its size: equal to a quick check is equal."""
    size = chance.choice((0, 1, 4096, 9001))
    return File(b"z" * size, chance.choice((0o644, 0o600, 0o444, 0o000)), OLD_NS, chance.choice((0, 1000)))


def _drawn_tree(chance: random.Random, depth: int, side: int) -> Node:
    children = _drawn_children(chance, depth=depth - 1)[side] if depth else {}
    return Directory(children, chance.choice((None, 0o555, 0o700, 0o1777)), (NEW_NS, OLD_NS)[side])

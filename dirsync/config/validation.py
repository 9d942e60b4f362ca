"""Nodes against the keys that may be written: every problem, in plain words, at its line."""

from __future__ import annotations

from typing import Any, TypeVar

from dirsync.config.keys import CompareKeys, FileKeys, IncludedKeys, JobKeys, names_of
from dirsync.config.leaves import LATER
from dirsync.config.nodes import ListNode, MappingNode, Node, ScalarNode, is_extra, is_null, locate
from dirsync.config.problems import Problems, did_you_mean, quoted
from dirsync.config.shapes import Keys, Leaf, Mapped, Named, Section, Series, Shape, TextOr

K = TypeVar("K", bound=Keys)
Steps = tuple[str | int, ...]  # keys and list positions, from the mapping that is checked


def checked(model: type[K], node: MappingNode, problems: Problems, *, path: str = "") -> K:
    """Check a mapping; what is broken is noted and left out of the answer, whole top keys at a time."""
    reading = _Reading()
    written = reading.keys(model, node, ())
    for steps, text in reading.wrong:
        spot = locate(node, steps, path=path, origin=node.origin)
        if not (isinstance(spot.node, ScalarNode) and spot.node.broken):
            problems.add(spot.origin, spot.path, text)
    broken = {steps[0] for steps, _ in reading.wrong}
    names = {key.attribute: name for name, key in model.by_name.items()}
    return model({key: value for key, value in written.items() if names[key] not in broken})


class _Reading:
    """Reads nodes by the shapes they should have; `wrong` gathers what has another one."""

    def __init__(self) -> None:
        self.wrong: list[tuple[Steps, str]] = []

    def keys(self, model: type[Keys], node: MappingNode, steps: Steps) -> dict[str, Any]:
        """Read a mapping, by attribute; a known key without a value is as if it was not there."""
        written: dict[str, Any] = {}
        for name, entry in node.entries.items():
            key = model.by_name.get(name)
            if key is not None:
                if not is_null(entry.value):
                    written[key.attribute] = self._value(key.shape, entry.value, (*steps, name))
            elif not is_extra(name):
                self.wrong.append(((*steps, name), _unknown(model, name)))
        return written

    def _value(self, shape: Shape[Any], node: Node, steps: Steps) -> Any:
        match shape, node:
            case Leaf(), ScalarNode():
                return self._scalar(shape, node, steps)
            case Series(), ListNode():
                items = [self._value(shape.items, item, (*steps, at)) for at, item in enumerate(node.items)]
                return shape.gather(items)
            case Series(may_be_one=True), ScalarNode():
                return shape.gather([self._value(shape.items, node, steps)])
            case TextOr(), ScalarNode():
                return self._scalar(shape.leaf, node, steps)
            case TextOr(), MappingNode():
                return self._value(shape.section, node, steps)
            case Mapped(), MappingNode():
                return {
                    name: self._value(shape.items, entry.value, (*steps, name))
                    for name, entry in node.entries.items()
                }
            case Section(), MappingNode():
                return shape.keys(self.keys(shape.keys, node, steps))
            case Named(), MappingNode():
                named = {name: entry.value for name, entry in node.entries.items() if not is_extra(name)}
                inner = Section(shape.keys)
                return {name: self._value(inner, value, (*steps, name)) for name, value in named.items()}
        return self._note(steps, _misshapen(shape, node, is_secret=steps[0] == "secrets"))

    def _scalar(self, leaf: Leaf[Any], scalar: ScalarNode, steps: Steps) -> Any:
        if scalar.broken:
            return self._note(steps, "noted already")
        try:
            return leaf.read(scalar)
        except ValueError as error:
            return self._note(steps, str(error))

    def _note(self, steps: Steps, text: str) -> None:
        self.wrong.append((steps, text))


def _misshapen(shape: Shape[Any], node: Node, *, is_secret: bool) -> str:
    match node:
        case ScalarNode():
            shown = "nothing" if is_null(node) else "a text" if is_secret else quoted(node.text)
        case ListNode():
            shown = "a list"
        case MappingNode():
            shown = "a mapping"
    match shape:
        case Leaf():
            return f"expected {shape.expected}, not {shown}"
        case TextOr():
            return f"expected {shape.leaf.expected}, not {shown}"
        case Series():
            return f"expected a list, not {shown}; write it in brackets, or one '- …' a line"
    if isinstance(shape, Section) and shape.keys is CompareKeys and isinstance(node, ScalarNode):
        return f"expected a list, not {shown}; write it in brackets, as '[size, mtime]'"
    return f"expected a mapping, not {shown}; write 'key: value' lines"


def _unknown(model: type[Keys], name: str) -> str:
    if name in model.later:
        return f"{LATER}; {model.later[name]}"
    if model is IncludedKeys and name in {*names_of(FileKeys), *FileKeys.later}:
        return "not allowed in an included file; move it to the main file"
    if issubclass(model, IncludedKeys) and name in {*names_of(JobKeys), *JobKeys.later}:
        return "not a key of the file; move it into a job, or under 'defaults'"
    plain_name = name.removesuffix("+")
    if plain_name in names_of(model):
        return f"only lists can be appended to; write {quoted(plain_name)}"
    near = did_you_mean(plain_name, names_of(model))
    if name.endswith("+"):
        near = near.replace("'?", "+'?")
    return f"unknown key{near or '; remove it, or begin it with x- to keep it as a note'}"

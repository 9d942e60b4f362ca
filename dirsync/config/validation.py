"""Nodes against models: every problem, in plain words, at its line."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dirsync.config.keys import (
    SECTIONS,
    CatalogKeys,
    FileKeys,
    IncludedKeys,
    JobKeys,
    Keys,
    SecretKeys,
    names_of,
)
from dirsync.config.leaves import LATER
from dirsync.config.nodes import (
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    Spot,
    is_extra,
    locate,
)
from dirsync.config.problems import Problems, did_you_mean, quoted

K = TypeVar("K", bound=Keys)

_OF_THE_FILE: dict[str, type[Keys]] = {"secrets": SecretKeys, "catalog": CatalogKeys}
_LISTS = frozenset({"list_type", "tuple_type", "frozen_set_type"})


def checked(model: type[K], node: MappingNode, problems: Problems, *, path: str = "") -> K:
    """Check a mapping; what is broken is noted and left out of the answer, whole top keys at a time."""
    values = plain(node)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    for detail in details:
        spot = locate(node, detail["loc"], path=path, origin=node.origin)
        if not (isinstance(spot.node, ScalarNode) and spot.node.broken):
            problems.add(spot.origin, spot.path, _worded(model, detail, spot))
    broken = {detail["loc"][0] for detail in details}
    return model.model_validate({key: value for key, value in values.items() if key not in broken})


def plain(node: Node) -> Any:
    """Give dicts and lists with scalar nodes as leaves; `x-…` is left out."""
    match node:
        case MappingNode():
            return {name: plain(entry.value) for name, entry in node.entries.items() if not is_extra(name)}
        case ListNode():
            return [plain(item) for item in node.items]
        case ScalarNode():
            return node


def _worded(model: type[Keys], detail: ErrorDetails, spot: Spot) -> str:
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown(_section(model, detail["loc"][:-1]), str(detail["loc"][-1]), spot)
    shown = _described(spot.node, secret=detail["loc"][0] == "secrets")
    if kind in _LISTS:
        return f"expected a list, not {shown}; write it in brackets, or one '- …' a line"
    return f"expected a mapping, not {shown}; write 'key: value' lines"


def _described(node: Node, *, secret: bool) -> str:
    match node:
        case ScalarNode():
            return "a text" if secret else quoted(node.text)
        case ListNode():
            return "a list"
        case MappingNode():
            return "a mapping"


def _section(model: type[Keys], loc: tuple[int | str, ...]) -> type[Keys]:
    """Find the model of the mapping at a place."""
    if issubclass(model, IncludedKeys) and loc:
        if loc[0] in _OF_THE_FILE:
            return _OF_THE_FILE[str(loc[0])]
        model, loc = JobKeys, loc[1 if loc[0] == "defaults" else 2 :]
    sections = [SECTIONS[step] for step in loc if isinstance(step, str) and step in SECTIONS]
    return sections[-1] if sections else model


def _unknown(model: type[Keys], name: str, spot: Spot) -> str:
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
